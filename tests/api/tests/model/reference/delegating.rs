//! Creating children, ending them and stopping them.

use jiff::Timestamp;
use serde_json::json;

use super::{
    answer::{Expected, Learn, Refusal, refuse},
    call::{Call, Caller, Expiry, Mint},
    money::{credits, invalid},
    token::{Caveat, Token, least},
    world::{ALL, DELEGATE, Issue, MOST, Node, Seal, Status, World},
};

fn wider() -> Refusal {
    refuse(422, "narrower_than_parent")
}

/// What the child inherits and asks for, put together.
struct Terms {
    actions: u8,
    max_depth: Option<u64>,
    expires: Option<Timestamp>,
    cost_center: Option<String>,
    department: Option<String>,
}

impl World {
    pub(crate) fn mint(&mut self, call: &Call, mint: &Mint) -> Result<Expected, Refusal> {
        let budget = credits(&mint.budget)?;
        if let Some(Expiry::After(lasts)) = mint.expiry {
            lasts.duration().ok_or_else(invalid)?;
        }
        if mint.actions == Some(0) {
            return Err(invalid());
        }
        let own = self.standing(call.caller)?;
        let parent = mint.parent.unwrap_or(own);
        self.visible(own, parent)?;
        self.require(call.caller, DELEGATE)?;
        let request = self.request(&call.action).2.expect("a mint has a body").to_string();
        if let Some(replay) = self.replay(call, "/delegation", &request)? {
            self.may_see_again(call, "/delegation")?;
            return self.minted_again(call, parent, replay);
        }
        self.check_live(call.caller, parent)?;
        let is_carve = mint.carve.unwrap_or(true);
        self.check_budget(call.caller, parent, budget, is_carve)?;
        let terms = self.terms(call.caller, own, parent, mint)?;
        let base = self.base(call.caller, own, parent)?;
        self.seals.push(Seal {
            id: String::new(),
            budget,
            issued: 0,
            registered: Some((self.nodes.len(), self.issued_now())),
            is_plain: false,
            derived: true,
            first_label: None,
        });
        let mut caveats = base.caveats;
        caveats.push(Caveat::Opens(self.seals.len() - 1));
        // A duration becomes an instant; the child's life, where it asked for none, is not written again.
        caveats.extend(block(mint, mint.expiry.and(terms.expires)));
        let token = Token { text: String::new(), root_key: base.root_key, caveats };
        self.seals.last_mut().expect("it was just made").issued = token.caveats.len();
        if token.scope().is_contradictory || self.is_too_long(&token) {
            return Err(refuse(422, "token_too_long"));
        }
        self.nodes.push(Node {
            id: String::new(),
            parent: Some(parent),
            label: mint.label.clone(),
            budget: Some(budget),
            carve: is_carve,
            actions: terms.actions,
            max_per_spend: mint.max_per_spend,
            limits: mint.limits.clone(),
            max_depth: terms.max_depth,
            cost_center: terms.cost_center,
            department: terms.department,
            expires: terms.expires,
            created: self.now,
            frozen: false,
            frozen_in: 0,
            revoked: false,
            version: 1,
            canonical: token.clone(),
            made_offline: false,
        });
        self.tokens.push(token);
        let (node, token) = (self.nodes.len() - 1, self.tokens.len() - 1);
        let mut body = self.view_alone(node, call.caller);
        for unknown in ["id", "expires_at", "caveats"] {
            body.as_object_mut().expect("a view is an object").remove(unknown);
        }
        let expected = Expected::new(201, body).learning([Learn::Node(node, token)]);
        Ok(self.record(call, "/delegation", &request, expected))
    }

    pub(crate) fn issued_now(&self) -> Issue {
        Issue { step: self.step, until: None }
    }

    fn check_budget(&self, by: Caller, parent: usize, budget: u64, is_carve: bool) -> Result<(), Refusal> {
        let ceiling = self.ceiling_at(by, parent);
        if least(self.nodes[parent].budget, ceiling).is_some_and(|most| budget > most) {
            return Err(wider());
        }
        let available = self.carvable(parent, ceiling);
        if is_carve && budget > available {
            let refusal = refuse(402, "budget_exhausted").at(parent);
            return Err(Refusal { requested: Some(budget), affordable: Some(available), ..refusal });
        }
        Ok(())
    }

    /// The most that a node can set aside for another child.
    pub(crate) fn carvable(&self, node: usize, ceiling: Option<u64>) -> u64 {
        let root_has = || (i64::MAX.unsigned_abs() - self.reserved(node)).min(MOST);
        self.available_within(node, ceiling).unwrap_or_else(root_has)
    }

    /// Narrower than the parent, and than what the creator's token leaves of it.
    fn terms(&self, by: Caller, own: usize, parent: usize, mint: &Mint) -> Result<Terms, Refusal> {
        let (above, scope) = (&self.nodes[parent], self.scope_of(by));
        let permitted = above.actions & scope.as_ref().map_or(ALL, |scope| scope.actions);
        let actions = mint.actions.unwrap_or(permitted);
        // Where the parent's actions and the token's have nothing in common, nobody could use the child.
        if permitted == 0 || actions & !permitted != 0 {
            return Err(wider());
        }
        let between = self.depth(parent) - self.depth(own);
        let by_token = scope.as_ref().and_then(|scope| scope.levels_left);
        let levels = least(above.max_depth, by_token.map(|levels| levels.saturating_sub(between as u64)));
        let left = match levels {
            Some(levels) => Some(levels.checked_sub(1).ok_or_else(wider)?),
            None => None,
        };
        if left.is_some_and(|left| mint.max_depth.is_some_and(|asked| asked > left)) {
            return Err(wider());
        }
        let end = least(above.expires, scope.as_ref().and_then(|scope| scope.expires));
        let asked = mint.expiry.map(|expiry| self.end_of(expiry, parent));
        match (asked, end) {
            (Some(asked), _) if asked <= self.now => return Err(invalid()),
            (Some(asked), Some(end)) if asked > end => return Err(wider()),
            _ => {}
        }
        let attribution = |above: &Option<String>, token: Option<String>, asked: &Option<String>, code| {
            let inherited = above.clone().or(token);
            if inherited.is_some() && asked.is_some() && inherited != *asked {
                return Err(refuse(422, code));
            }
            Ok(inherited.or(asked.clone()))
        };
        let (cost_center, department) =
            scope.map(|scope| (scope.cost_center, scope.department)).unwrap_or_default();
        Ok(Terms {
            actions,
            max_depth: mint.max_depth.or(left),
            expires: asked.or(end),
            cost_center: attribution(
                &above.cost_center,
                cost_center,
                &mint.cost_center,
                "cost_center_conflict",
            )?,
            department: attribution(&above.department, department, &mint.department, "department_conflict")?,
        })
    }

    /// A duration no longer than the parent's whole life ends with the parent; an instant is meant as it is.
    fn end_of(&self, expiry: Expiry, parent: usize) -> Timestamp {
        let lasts = match expiry {
            Expiry::At(at) => return at,
            Expiry::After(lasts) => lasts.duration().expect("it was checked"),
        };
        let end = self.now + lasts;
        let above = &self.nodes[parent];
        match above.expires {
            Some(over) if end > over && lasts <= over.duration_since(above.created) => over,
            _ => end,
        }
    }

    /// The chain to which the child's opening is appended: the creator's own token, so that whatever its holder appended
    /// binds the child too; or that of a node further down, with what the creator's holder appended.
    fn base(&self, by: Caller, own: usize, parent: usize) -> Result<Token, Refusal> {
        let Caller::Token(token) = by else {
            if parent == 0 {
                return Ok(Token { root_key: self.root_keys.len() - 1, ..Token::default() });
            }
            return self.canonical(parent);
        };
        if parent == own {
            return Ok(self.tokens[token].clone());
        }
        let mut base = self.canonical(parent)?;
        base.caveats.extend(self.narrowing_at(by, parent)?);
        Ok(base)
    }

    /// A token that the server writes again, if it can.
    pub(crate) fn canonical(&self, node: usize) -> Result<Token, Refusal> {
        let token = &self.nodes[node].canonical;
        if self.can_be_written(token) { Ok(token.clone()) } else { Err(refuse(409, "made_offline")) }
    }

    /// What the caller's token says since may contradict the child: then nothing is left that it could be given.
    fn minted_again(&self, call: &Call, parent: usize, replay: Expected) -> Result<Expected, Refusal> {
        let first = self.tokens.iter().find(|token| replay.body["token"] == token.text.as_str()).cloned();
        let answer = self.with_its_token(call, parent, replay)?;
        if let Some(mut child) = first.filter(|child| self.can_be_written(child)) {
            let narrowing = self.narrowing_at(call.caller, parent)?;
            // Who asked first, or one that was narrowed no further, gets what there was.
            let (says, adds) = (self.texts(&child.caveats), self.texts(&narrowing));
            let is_in_it = adds.is_empty() || says.windows(adds.len()).any(|run| run == adds);
            child.caveats.extend(narrowing);
            if !is_in_it && child.scope().is_contradictory {
                return Err(refuse(403, "caveat_not_met"));
            }
        }
        Ok(answer)
    }

    pub(crate) fn revoke(
        &mut self,
        call: &Call,
        node: usize,
        dry_run: bool,
        if_version: Option<u64>,
        if_descendants: Option<u64>,
    ) -> Result<Expected, Refusal> {
        let keyed = Call { key: call.key.clone().filter(|_| !dry_run), ..call.clone() };
        let request = format!("{node} {if_version:?} {if_descendants:?}");
        let may = |world: &Self| world.may_change_itself(call.caller, node);
        if let Some(replay) = self.reach(&keyed, node, "/revoke", &request, may)? {
            return Ok(replay);
        }
        if node == 0 {
            return Err(refuse(409, "is_root"));
        }
        if if_version.is_some_and(|version| version != self.nodes[node].version) {
            return Err(refuse(409, "stale_version"));
        }
        if if_descendants.is_some_and(|count| count != self.descendants(node).count() as u64) {
            return Err(refuse(409, "stale_preview"));
        }
        if matches!(self.status(node), Status::Revoked(_)) {
            return Err(refuse(409, "already_revoked"));
        }
        let voided: Vec<_> = self.open_holds(node).collect();
        let held: u64 = voided.iter().map(|hold| self.holds[*hold].amount).sum();
        // Of a carve all that was not spent returns; of a cap only what was held.
        let unspent = self.nodes[node].budget.map_or(0, |budget| budget - self.spent(node));
        let freed = if self.is_set_aside(node) { unspent } else { held };
        let subtree = || self.descendants(node).chain([node]);
        let an_hour_ago = self.now - jiff::SignedDuration::from_hours(1);
        let is_active =
            |at: &usize| self.entries.iter().any(|entry| entry.node == *at && entry.at >= an_hour_ago);
        let mut body = json!({
            "id": self.nodes[node].id,
            "dry_run": dry_run,
            "descendants": self.descendants(node).count(),
            "holds_voided": voided.len(),
            "held_credits_voided": held,
            "credits_freed": freed,
            "active_last_hour": subtree().filter(is_active).count(),
            "version": self.nodes[node].version,
        });
        if dry_run {
            return Ok(Expected::new(200, body));
        }
        for hold in voided {
            self.holds[hold].closed = true;
        }
        self.nodes[node].revoked = true;
        self.nodes[node].version += 1;
        body["version"] = json!(self.nodes[node].version);
        Ok(self.record(call, "/revoke", &request, Expected::new(200, body)))
    }

    /// Whoever holds a token may give it up; for anybody else's it takes the right to delegate.
    pub(crate) fn may_change_itself(&self, by: Caller, node: usize) -> Result<(), Refusal> {
        let is_own = matches!(by, Caller::Token(_)) && self.node_of(by) == Some(node);
        if is_own { Ok(()) } else { self.require(by, DELEGATE) }
    }

    /// What all changes of a node have in common. What somebody does to itself can be asked for again with the same key and
    /// the very same token, though that is over, if nothing else has ended it.
    pub(crate) fn reach(
        &mut self,
        call: &Call,
        node: usize,
        route: &'static str,
        request: &str,
        may: impl Fn(&Self) -> Result<(), Refusal>,
    ) -> Result<Option<Expected>, Refusal> {
        let before = self.clone();
        let standing = self.standing(call.caller);
        *self = before;
        let visible = self.node_of(call.caller).is_some_and(|own| self.visible(own, node).is_ok());
        let may_be_a_retry = call.key.is_some() && visible;
        if let (Err(refusal), false) = (&standing, may_be_a_retry) {
            return Err(refusal.clone());
        }
        if !visible {
            return Err(super::answer::not_found());
        }
        may(self)?;
        match standing {
            Ok(_) => self.replay(call, route, request),
            Err(refusal) => self.own_answer(call, route, request).map(Some).ok_or(refusal),
        }
    }

    pub(crate) fn freeze(&mut self, call: &Call, node: usize) -> Result<Expected, Refusal> {
        let may = |world: &Self| world.require(call.caller, DELEGATE);
        if let Some(replay) = self.reach(call, node, "/freeze", &node.to_string(), may)? {
            return Ok(replay);
        }
        match self.status(node) {
            Status::Revoked(_) => return Err(refuse(409, "already_revoked")),
            Status::Expired(_) => return Err(refuse(409, "expired")),
            _ if self.nodes[node].frozen => return Err(refuse(409, "already_frozen")),
            _ => {}
        }
        // They must not come back to life with the node.
        let voided: Vec<_> = self.open_holds(node).collect();
        for hold in voided {
            self.holds[hold].closed = true;
        }
        self.nodes[node].frozen = true;
        self.nodes[node].frozen_in = self.step;
        self.nodes[node].version += 1;
        let expected = Expected::new(200, self.view_alone(node, call.caller));
        Ok(self.record(call, "/freeze", &node.to_string(), expected))
    }

    pub(crate) fn unfreeze(&mut self, call: &Call, node: usize) -> Result<Expected, Refusal> {
        let may = |world: &Self| world.require(call.caller, DELEGATE);
        if let Some(replay) = self.reach(call, node, "/unfreeze", &node.to_string(), may)? {
            return Ok(replay);
        }
        if matches!(self.status(node), Status::Revoked(_)) {
            return Err(refuse(409, "already_revoked"));
        }
        if !self.nodes[node].frozen {
            return Err(refuse(409, "not_frozen"));
        }
        self.nodes[node].frozen = false;
        self.nodes[node].version += 1;
        let expected = Expected::new(200, self.view_alone(node, call.caller));
        Ok(self.record(call, "/unfreeze", &node.to_string(), expected))
    }
}

/// The caveats that a mint writes after the opening.
fn block(mint: &Mint, expires: Option<Timestamp>) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    caveats.extend(mint.cost_center.clone().map(Caveat::CostCenter));
    caveats.extend(mint.department.clone().map(Caveat::Department));
    caveats.push(Caveat::Label(mint.label.clone()));
    caveats.extend(expires.map(Caveat::Expires));
    caveats.extend(mint.actions.map(Caveat::Actions));
    caveats.extend(mint.max_per_spend.map(Caveat::MaxPerSpend));
    caveats.extend(mint.limits.iter().copied().map(Caveat::Limit));
    caveats.extend(mint.max_depth.map(Caveat::MaxDepth));
    caveats
}
