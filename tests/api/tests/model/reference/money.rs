//! Spending, holding, capturing, refunding: what every level permits, and what changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::{Expected, Learn, Refusal, not_found, refuse},
    call::{Call, Caller, Item, Lasts},
    token::Scope,
    world::{DELEGATE, Entry, Hold, Limit, MOST, SPEND, Status, World},
};

/// One thing that bounds an amount.
struct Bound {
    most: u64,
    node: usize,
    code: &'static str,
    /// Of a window: what fits into the next one, and when that begins.
    next: Option<(u64, Timestamp)>,
}

/// A whole number from 1 to 2^53 − 1.
pub(crate) fn credits(amount: &Value) -> Result<u64, Refusal> {
    amount.as_u64().filter(|amount| (1..=MOST).contains(amount)).ok_or_else(invalid)
}

pub(crate) fn invalid() -> Refusal {
    refuse(422, "validation")
}

/// Names the first bound that refuses. Waiting helps where it helps with all that do.
fn refuse_above(bounds: &[Bound], amount: u64) -> Result<(), Refusal> {
    let refusing: Vec<_> = bounds.iter().filter(|bound| bound.most < amount).collect();
    let Some(first) = refusing.first() else { return Ok(()) };
    let ends = refusing.iter().map(|bound| bound.next.filter(|(all, _)| *all >= amount).map(|(_, at)| at));
    let ends: Option<Vec<_>> = ends.collect();
    Err(Refusal {
        requested: Some(amount),
        affordable: bounds.iter().map(|bound| bound.most).min(),
        retry_at: ends.and_then(|ends| ends.into_iter().max()),
        ..refuse(402, first.code).at(first.node)
    })
}

impl World {
    /// Every bound on what the node may consume, nearest first.
    fn bounds(&self, by: Caller, node: usize) -> Vec<Bound> {
        let scope = self.scope_of(by);
        let scope = scope.as_ref();
        let bound = |most, node, code| Bound { most, node, code, next: None };
        let path = self.path(node);
        let mut bounds = Vec::new();
        if let Some(most) = scope.and_then(|scope| scope.max_per_spend) {
            // The token repeats what nodes of its path say.
            let says_so = |at: &&usize| self.nodes[**at].max_per_spend.is_some_and(|own| own <= most);
            let named = path.iter().rev().find(says_so).copied().unwrap_or(node);
            bounds.push(bound(most, named, "max_per_spend_exceeded"));
        }
        for (level, at) in path.iter().copied().enumerate().rev() {
            // What a carve child consumes was set aside before; all others draw on what is available above.
            let supplies = at == node || !self.is_set_aside(path[level + 1]);
            let ceiling = self.ceiling(by).filter(|_| at == node);
            if let (true, Some(available)) = (supplies, self.available_within(at, ceiling)) {
                bounds.push(bound(available, at, "budget_exhausted"));
            }
            if let Some(most) = self.nodes[at].max_per_spend {
                bounds.push(bound(most, at, "max_per_spend_exceeded"));
            }
            let appended = scope.into_iter().flat_map(|scope| &scope.limits);
            let appended = appended.filter(|(owner, _)| *owner == level).map(|(_, limit)| limit);
            for limit in self.nodes[at].limits.iter().chain(appended) {
                bounds.push(self.window_bound(at, *limit, self.held(at)));
            }
            bounds.push(bound(MOST - self.spent(at) - self.held(at), at, "budget_exhausted"));
        }
        bounds
    }

    /// An open hold may be captured in this window or in the next.
    fn window_bound(&self, at: usize, limit: Limit, held: u64) -> Bound {
        let most = limit.credits.saturating_sub(self.spent_in_window(at, limit.per) + held);
        let next = limit.per.window(self.now, &self.zone).1;
        let next = Some((limit.credits.saturating_sub(held), next));
        Bound { most, node: at, code: "limit_exceeded", next }
    }

    /// What the caller's token says by itself of a capture of what is held already.
    fn check_capture(&self, by: Caller, hold: usize, amount: u64) -> Result<(), Refusal> {
        let Hold { node, amount: held, .. } = self.holds[hold];
        let (path, scope, own) = (self.path(node), self.scope_of(by), self.node_of(by));
        let mut bounds = Vec::new();
        if let Some(most) = scope.as_ref().and_then(|scope| scope.max_per_spend) {
            let says_so = |at: &&usize| self.nodes[**at].max_per_spend.is_some_and(|own| own <= most);
            let named = path.iter().rev().find(says_so).copied().unwrap_or(node);
            bounds.push(Bound { most, node: named, code: "max_per_spend_exceeded", next: None });
        }
        for (level, at) in path.iter().copied().enumerate().rev() {
            if let Some(ceiling) = self.ceiling(by).filter(|_| own == Some(at)) {
                let used = self.spent(at) + self.held(at) - held + self.reserved(at);
                let most = ceiling.saturating_sub(used);
                bounds.push(Bound { most, node: at, code: "budget_exhausted", next: None });
            }
            let said = scope.iter().flat_map(|scope| &scope.limits).filter(|(owner, _)| *owner == level);
            bounds.extend(said.map(|(_, limit)| self.window_bound(at, *limit, self.held(at) - held)));
        }
        refuse_above(&bounds, amount)
    }

    /// The most that the caller's node could spend now.
    pub(crate) fn affordable(&self, by: Caller, node: usize) -> u64 {
        self.bounds(by, node).into_iter().map(|bound| bound.most).min().unwrap_or(MOST)
    }

    fn check_funds(&self, by: Caller, node: usize, amount: u64) -> Result<(), Refusal> {
        self.check_live(by, node)?;
        refuse_above(&self.bounds(by, node), amount)
    }

    /// Refuses a node, the caller's own or one below, that is not live. Where the caller's own is over, the caller is
    /// nobody any more; where one below is, that is a conflict.
    pub(crate) fn check_live(&self, by: Caller, node: usize) -> Result<(), Refusal> {
        let own = self.node_of(by).unwrap_or_default();
        let over = |code, cause| {
            let is_own = self.is_within(own, cause);
            if is_own { refuse(401, code) } else { refuse(409, code).at(cause) }
        };
        match self.status(node) {
            Status::Active | Status::Exhausted(_) => Ok(()),
            Status::Frozen(cause) => Err(refuse(403, "frozen").at(cause)),
            Status::Expired(cause) => Err(over("expired", cause)),
            Status::Revoked(cause) => Err(over("revoked", cause)),
        }
    }

    fn receipt(&self, by: Caller, node: usize, amount: u64) -> Value {
        json!({
            "delegation_id": self.nodes[node].id,
            "amount_credits": amount,
            "remaining_credits": self.remaining(node),
            "effective_remaining_credits": self.effective_now(by, node),
        })
    }

    fn hold_receipt(&self, by: Caller, hold: usize, status: &str) -> Value {
        let Hold { node, amount, .. } = self.holds[hold];
        let mut receipt = self.receipt(by, node, amount);
        receipt["status"] = json!(status);
        receipt
    }

    fn enter_debit(&mut self, node: usize, amount: u64, by: Caller, key: Option<&String>) -> usize {
        // A copy of an offline child's token may say more than the one that was first used.
        let scope = self.scope_of(by).filter(|_| self.node_of(by) == Some(node));
        let (cost_center, department) = scope.map(|it| (it.cost_center, it.department)).unwrap_or_default();
        let at = &self.nodes[node];
        self.entries.push(Entry {
            id: String::new(),
            node,
            amount,
            reverses: None,
            at: self.now,
            key: key.cloned(),
            cost_center: at.cost_center.clone().or(cost_center),
            department: at.department.clone().or(department),
        });
        self.entries.len() - 1
    }

    pub(crate) fn spend(&mut self, call: &Call, amount: &Value, dry_run: bool) -> Result<Expected, Refusal> {
        let amount = credits(amount)?;
        self.require(call.caller, SPEND)?;
        let before = self.clone();
        let node = self.standing(call.caller)?;
        if dry_run {
            self.check_funds(call.caller, node, amount)?;
            let less = |left: Option<u64>| left.map(|left| left.saturating_sub(amount));
            let mut body = self.receipt(call.caller, node, amount);
            body["id"] = Value::Null;
            body["dry_run"] = json!(true);
            body["remaining_credits"] = json!(less(self.remaining(node)));
            body["effective_remaining_credits"] = json!(less(self.effective_now(call.caller, node)));
            // Trying enters nobody.
            *self = before;
            return Ok(Expected::new(200, body));
        }
        let request = format!("/spend {amount}");
        if let Some(replay) = self.replay(call, "/spend", &request)? {
            return Ok(replay);
        }
        self.check_funds(call.caller, node, amount)?;
        let entry = self.enter_debit(node, amount, call.caller, call.key.as_ref());
        let expected =
            Expected::new(201, self.receipt(call.caller, node, amount)).learning([Learn::Entry(entry)]);
        Ok(self.record(call, "/spend", &request, expected))
    }

    /// Every item is decided in order, as if it had been sent alone; none harms another.
    pub(crate) fn batch(&mut self, call: &Call, items: &[Item]) -> Result<Expected, Refusal> {
        let before = self.clone();
        self.now = self.read_at;
        self.standing(call.caller)?;
        // Sending a batch enters nobody; an item does.
        *self = before;
        let (mut outcomes, mut learn) = (Vec::new(), Vec::new());
        for (position, item) in items.iter().enumerate() {
            let derived = || call.key.as_ref().map(|key| format!("{key}#{position}"));
            let caller = item.token.unwrap_or(call.caller);
            let single = Call { caller, key: item.key.clone().or_else(derived), ..call.clone() };
            let before = self.clone();
            let outcome = match self.batch_item(&single, item) {
                Ok(expected) => {
                    self.name_after_item(&expected.learn, position);
                    learn.push(Learn::Outcome(position, expected.learn));
                    json!({
                        "status": 201,
                        "id": expected.body["id"],
                        "delegation_id": expected.body["delegation_id"],
                        "remaining_credits": expected.body["remaining_credits"],
                        "effective_remaining_credits": expected.body["effective_remaining_credits"],
                        "replayed": expected.is_replayed.then_some(true),
                    })
                }
                Err(refusal) => {
                    let place = refusal.node.map(|node| self.place(caller, node));
                    *self = before;
                    refusal.body(place.as_ref())
                }
            };
            // The id of a new entry is not known yet.
            let is_new = outcome["status"] == 201 && outcome["replayed"].is_null();
            let mut outcome = outcome;
            if let (true, Some(fields)) = (is_new, outcome.as_object_mut()) {
                fields.remove("id");
            }
            outcomes.push(outcome);
        }
        Ok(Expected::new(200, json!({ "data": outcomes })).learning(learn))
    }

    /// Until the answer tells the id of an entry, whoever repeats its item further down has the same.
    fn name_after_item(&mut self, learn: &[Learn], position: usize) {
        for one in learn {
            if let Learn::Record(key) = one
                && let Some(recorded) = self.recorded.get_mut(key)
            {
                recorded.body["id"] = json!({ "of item": position });
            }
        }
    }

    fn batch_item(&mut self, single: &Call, item: &Item) -> Result<Expected, Refusal> {
        credits(&item.amount)?;
        if item.token == Some(Caller::OtherTenant) {
            return Err(not_found());
        }
        self.check_readable(single.caller, &single.action)?;
        self.spend(single, &item.amount, false)
    }

    pub(crate) fn hold(&mut self, call: &Call, amount: &Value, lasts: Lasts) -> Result<Expected, Refusal> {
        let (amount, lasts_for) = (credits(amount)?, lasts.duration().ok_or_else(invalid)?);
        self.require(call.caller, SPEND)?;
        let node = self.standing(call.caller)?;
        let request = format!("/hold {amount} {}", lasts.text());
        if let Some(replay) = self.replay(call, "/hold", &request)? {
            return Ok(replay);
        }
        self.check_funds(call.caller, node, amount)?;
        let scope = self.scope_of(call.caller);
        let expires = self.within_life(node, scope.as_ref(), self.now + lasts_for);
        self.holds.push(Hold { id: String::new(), node, amount, expires, closed: false });
        let hold = self.holds.len() - 1;
        let expected =
            Expected::new(201, self.hold_receipt(call.caller, hold, "held")).learning([Learn::Hold(hold)]);
        Ok(self.record(call, "/hold", &request, expected))
    }

    /// No hold outlives its node, those above, or the token that asks.
    fn within_life(&self, node: usize, scope: Option<&Scope>, asked: Timestamp) -> Timestamp {
        let ends = self.upwards(node).filter_map(|at| self.nodes[at].expires);
        ends.chain(scope.and_then(|scope| scope.expires)).fold(asked, Timestamp::min)
    }

    fn reach_hold(&mut self, call: &Call, hold: usize) -> Result<(), Refusal> {
        self.require(call.caller, SPEND)?;
        let own = self.standing(call.caller)?;
        let found = self.holds.get(hold).ok_or_else(not_found)?;
        self.visible(own, found.node)
    }

    fn check_open(&self, hold: usize) -> Result<(), Refusal> {
        let hold = &self.holds[hold];
        match (hold.closed, self.is_open(hold)) {
            (true, _) => Err(refuse(409, "hold_closed")),
            (false, false) => Err(refuse(410, "hold_expired")),
            (false, true) => Ok(()),
        }
    }

    pub(crate) fn capture(&mut self, call: &Call, hold: usize, amount: &Value) -> Result<Expected, Refusal> {
        let amount = credits(amount)?;
        self.reach_hold(call, hold)?;
        let request = format!("/hold/{hold}/capture {amount}");
        if let Some(replay) = self.replay(call, "/hold/capture", &request)? {
            return Ok(replay);
        }
        self.check_open(hold)?;
        let Hold { node, amount: held, .. } = self.holds[hold];
        if amount > held {
            let refusal = refuse(402, "capture_exceeds_hold");
            return Err(Refusal { requested: Some(amount), affordable: Some(held), ..refusal });
        }
        self.check_capture(call.caller, hold, amount)?;
        self.holds[hold].closed = true;
        let entry = self.enter_debit(node, amount, call.caller, call.key.as_ref());
        let expected =
            Expected::new(201, self.receipt(call.caller, node, amount)).learning([Learn::Entry(entry)]);
        Ok(self.record(call, "/hold/capture", &request, expected))
    }

    pub(crate) fn extend(&mut self, call: &Call, hold: usize, lasts: Lasts) -> Result<Expected, Refusal> {
        let lasts_for = lasts.duration().ok_or_else(invalid)?;
        self.reach_hold(call, hold)?;
        let request = format!("/hold/{hold}/extend {}", lasts.text());
        if let Some(replay) = self.replay(call, "/hold/extend", &request)? {
            return Ok(replay);
        }
        self.check_open(hold)?;
        let (node, scope) = (self.holds[hold].node, self.scope_of(call.caller));
        self.holds[hold].expires = self.within_life(node, scope.as_ref(), self.now + lasts_for);
        let expected = Expected::new(200, self.hold_receipt(call.caller, hold, "held"));
        Ok(self.record(call, "/hold/extend", &request, expected.learning([Learn::HoldEnd(hold)])))
    }

    pub(crate) fn release(&mut self, call: &Call, hold: usize) -> Result<Expected, Refusal> {
        self.reach_hold(call, hold)?;
        let request = format!("/hold/{hold}/release");
        if let Some(replay) = self.replay(call, "/hold/release", &request)? {
            return Ok(replay);
        }
        self.check_open(hold)?;
        self.holds[hold].closed = true;
        let expected = Expected::new(200, self.hold_receipt(call.caller, hold, "released"));
        Ok(self.record(call, "/hold/release", &request, expected))
    }

    /// Who spent may not take it back: that is for whoever granted it.
    pub(crate) fn refund(
        &mut self,
        call: &Call,
        debit: usize,
        amount: Option<&Value>,
    ) -> Result<Expected, Refusal> {
        let amount = amount.map(credits).transpose()?;
        self.require(call.caller, DELEGATE)?;
        let own = self.standing(call.caller)?;
        let found = self.entries.get(debit).filter(|entry| entry.reverses.is_none()).ok_or_else(not_found)?;
        let found = found.clone();
        self.visible(own, found.node)?;
        if own == found.node && own != 0 {
            return Err(refuse(403, "own_refund"));
        }
        let request = format!("/spend/{debit}/refund {amount:?}");
        if let Some(replay) = self.replay(call, "/spend/refund", &request)? {
            return Ok(replay);
        }
        let left = self.refundable(debit);
        let given_back = amount.unwrap_or(left);
        if given_back == 0 || given_back > left {
            let refusal = refuse(409, "refund_exceeds_spend");
            let requested = Some(amount.unwrap_or_default());
            return Err(Refusal { requested, affordable: Some(left), ..refusal });
        }
        let (reverses, key) = (Some(debit), call.key.clone());
        self.entries.push(Entry {
            id: String::new(),
            amount: given_back,
            reverses,
            at: self.now,
            key,
            ..found
        });
        let mut body = self.receipt(call.caller, found.node, given_back);
        body["reverses"] = json!(found.id);
        let expected = Expected::new(201, body).learning([Learn::Entry(self.entries.len() - 1)]);
        Ok(self.record(call, "/spend/refund", &request, expected))
    }
}
