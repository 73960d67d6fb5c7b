//! Changing a node's settings: what narrows binds every token at once, what widens takes a new token and somebody above.

use super::{
    answer::{Expected, Learn, Refusal, refuse},
    call::{Call, Caller, Change},
    money::{credits, invalid},
    world::{DELEGATE, Status, World},
};

impl Change {
    /// What is wrong with it whatever it is about.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.if_match.is_none() {
            return Err(refuse(428, "precondition_required"));
        }
        let says_nothing = self.label.is_none() && self.budget.is_none() && self.max_per_spend.is_none();
        if says_nothing && self.limits.is_none() {
            return Err(invalid());
        }
        self.budget.as_ref().map_or(Ok(()), |budget| credits(budget).map(|_| ()))
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
        let may = |world: &Self| {
            world.require(call.caller, DELEGATE)?;
            standing.clone().map(|_| ())
        };
        if let Some(replay) = self.reach(call, node, "PATCH", &format!("{node} {request}"), may)? {
            if replay.body["token"].is_null() {
                return Ok(replay);
            }
            return self.with_its_token(call, node, replay);
        }
        if change.if_match != Some(0) && change.if_match != Some(self.nodes[node].version) {
            return Err(refuse(412, "stale_version"));
        }
        let is_wider = self.is_wider(change);
        if is_wider && matches!(call.caller, Caller::Token(_)) && self.node_of(call.caller) == Some(node) {
            return Err(refuse(403, "action_not_permitted"));
        }
        match self.status(node) {
            Status::Revoked(_) => return Err(refuse(409, "already_revoked")),
            Status::Expired(_) => return Err(refuse(409, "expired")),
            Status::Active | Status::Exhausted(_) | Status::Frozen(_) => {}
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
        // The root's token says nothing: its settings alone say what it may do.
        let token = if is_wider && node != 0 { Some(self.reissue(call.caller, node)?) } else { None };
        let mut body = self.view(node, call.caller);
        if token.is_none() {
            body["token"] = serde_json::Value::Null;
        }
        let expected = Expected::new(200, body).learning(token.map(Learn::Token));
        Ok(self.record(call, "PATCH", &format!("{node} {request}"), expected))
    }

    /// Whether anything would pass that is refused now.
    fn is_wider(&self, change: &Change) -> bool {
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
        is_raised || is_looser || is_lifted
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
