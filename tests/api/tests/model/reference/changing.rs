//! Changing a node's settings: what narrows binds every token at once, what widens takes a new token and somebody above.

use jiff::Timestamp;

use super::{
    answer::{Expected, Learn, Refusal, refuse},
    call::{Call, Caller, Change, Expiry},
    money::{credits, invalid},
    token::Caveat,
    world::{DELEGATE, Node, Status, World},
};

impl Change {
    /// What is wrong with it whatever it is about.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.if_match.is_none() {
            return Err(refuse(428, "precondition_required"));
        }
        let says_nothing = self.label.is_none() && self.budget.is_none() && self.max_per_spend.is_none();
        if says_nothing && self.limits.is_none() && self.expiry.is_none() {
            return Err(invalid());
        }
        if let Some(Some(Expiry::After(lasts))) = self.expiry {
            lasts.duration().ok_or_else(invalid)?;
        }
        self.budget.as_ref().map_or(Ok(()), |budget| credits(budget).map(|_| ()))
    }
}

impl Node {
    /// The node's own block says when its life ends now, and nothing that it said before.
    fn say_end(&mut self, end: Option<Timestamp>) {
        let caveats = &mut self.canonical.caveats;
        let begin = caveats.iter().rposition(|caveat| matches!(caveat, Caveat::Opens(_))).unwrap_or(0);
        let mut own = caveats.split_off(begin);
        own.retain(|caveat| !matches!(caveat, Caveat::Expires(_)));
        caveats.extend(own);
        caveats.extend(end.map(Caveat::Expires));
    }
}

impl World {
    pub(crate) fn change(&mut self, call: &Call, change: &Change) -> Result<Expected, Refusal> {
        change.check()?;
        let node = change.node;
        let request = self.request(&call.action).2.expect("a change has a body").to_string();
        let before = self.clone();
        let standing = self.standing(call.caller);
        *self = before;
        standing?;
        let may = |world: &Self| world.require(call.caller, DELEGATE);
        if let Some(replay) = self.reach(call, node, "PATCH", &format!("{node} {request}"), may)? {
            if replay.body["token"].is_null() {
                return Ok(replay);
            }
            self.may_see_again(call, "PATCH")?;
            return self.with_its_token(call, node, replay);
        }
        if change.if_match != Some(0) && change.if_match != Some(self.nodes[node].version) {
            return Err(refuse(412, "stale_version"));
        }
        let end = self.new_end(change)?;
        let is_wider = self.is_wider(change, end);
        if is_wider && matches!(call.caller, Caller::Token(_)) && self.node_of(call.caller) == Some(node) {
            return Err(refuse(403, "action_not_permitted"));
        }
        match self.status(node) {
            Status::Revoked(_) => return Err(refuse(409, "already_revoked")),
            Status::Expired(_) => return Err(refuse(409, "expired")),
            Status::Active | Status::Exhausted(_) | Status::Frozen(_) => {}
        }
        if let Some(end) = end {
            self.check_new_end(node, end)?;
        }
        if let Some(budget) = &change.budget {
            let budget = credits(budget)?;
            self.check_new_budget(node, budget)?;
            self.nodes[node].budget = Some(budget);
        }
        let settings = &mut self.nodes[node];
        settings.label = change.label.clone().unwrap_or_else(|| settings.label.clone());
        settings.max_per_spend = change.max_per_spend.unwrap_or(settings.max_per_spend);
        settings.limits = change.limits.clone().unwrap_or_else(|| settings.limits.clone());
        settings.version += 1;
        if let Some(end) = end {
            settings.expires = end;
            if is_wider {
                settings.say_end(end);
            }
            if let Some(end) = end {
                for hold in self.open_holds(node).collect::<Vec<_>>() {
                    let expires = &mut self.holds[hold].expires;
                    *expires = (*expires).min(end);
                }
            }
        }
        // The root's token says nothing: its settings alone say what it may do.
        let token = if is_wider && node != 0 { Some(self.reissue(call.caller, node)?) } else { None };
        let mut body = self.view_alone(node, call.caller);
        if token.is_none() {
            body["token"] = serde_json::Value::Null;
        }
        let expected = Expected::new(200, body).learning(token.map(Learn::Token));
        Ok(self.record(call, "PATCH", &format!("{node} {request}"), expected))
    }

    /// The end that is asked for; without one of its own a node lives as long as what is above it, and as its tokens say.
    fn new_end(&self, change: &Change) -> Result<Option<Option<Timestamp>>, Refusal> {
        let (Some(asked), Some(parent)) = (change.expiry, self.nodes[change.node].parent) else {
            return Ok(change.expiry.map(|_| None));
        };
        let asked = asked.map(|expiry| match expiry {
            Expiry::At(at) => at,
            Expiry::After(lasts) => self.now + lasts.duration().expect("it was checked"),
        });
        let canonical = &self.nodes[change.node].canonical;
        let blocks = canonical.blocks();
        let above = blocks[..blocks.len() - 1].iter().copied().flatten();
        let said = above.filter_map(|it| if let Caveat::Expires(at) = it { Some(*at) } else { None }).min();
        if let (Some(asked), Some(said)) = (asked, said)
            && asked > said
        {
            return Err(refuse(422, "narrower_than_parent"));
        }
        let above = self.upwards(parent).filter_map(|at| self.nodes[at].expires);
        Ok(Some(asked.or_else(|| above.chain(said).min())))
    }

    fn check_new_end(&self, node: usize, end: Option<Timestamp>) -> Result<(), Refusal> {
        let Some(parent) = self.nodes[node].parent else { return Err(invalid()) };
        if end.is_some_and(|end| end <= self.now) {
            return Err(invalid());
        }
        let above = self.upwards(parent).filter_map(|at| self.nodes[at].expires).min();
        match above {
            Some(above) if end.is_none_or(|end| end > above) => Err(refuse(422, "narrower_than_parent")),
            _ => Ok(()),
        }
    }

    /// Whether anything would pass that is refused now.
    fn is_wider(&self, change: &Change, end: Option<Option<Timestamp>>) -> bool {
        let old = &self.nodes[change.node];
        let asked = change.budget.as_ref().and_then(serde_json::Value::as_u64);
        let is_raised = old.budget.is_some_and(|old| asked.is_some_and(|new| new > old));
        let is_looser = match (old.max_per_spend, change.max_per_spend) {
            (Some(old), Some(new)) => new.is_none_or(|new| new > old),
            _ => false,
        };
        let is_lifted = change.limits.as_ref().is_some_and(|new| {
            let mut old = old.limits.iter();
            old.any(|old| !new.iter().any(|new| new.per == old.per && new.credits <= old.credits))
        });
        let is_longer = match (old.expires, end) {
            (Some(old), Some(new)) => new.is_none_or(|new| new > old),
            _ => false,
        };
        is_raised || is_looser || is_lifted || is_longer
    }

    fn check_new_budget(&self, node: usize, budget: u64) -> Result<(), Refusal> {
        let (Some(parent), Some(old)) = (self.nodes[node].parent, self.nodes[node].budget) else {
            return Err(invalid());
        };
        if budget < old {
            let committed = self.spent(node) + self.held(node) + self.reserved(node);
            return if budget < committed { Err(refuse(422, "below_committed")) } else { Ok(()) };
        }
        if self.nodes[parent].budget.is_some_and(|most| budget > most) {
            return Err(refuse(422, "narrower_than_parent"));
        }
        let more = self.carvable(parent, None);
        if self.nodes[node].carve && budget - old > more {
            let refusal = refuse(402, "budget_exhausted").at(parent);
            let affordable = (more + old).min(super::world::MOST);
            return Err(Refusal { requested: Some(budget), affordable: Some(affordable), ..refusal });
        }
        Ok(())
    }
}
