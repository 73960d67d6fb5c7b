//! From a request to its answer.

use super::{
    answer::{Expected, Learn, Refusal, not_found, refuse},
    call::{Action, Call, Caller, Expiry, Lasts},
    money::{credits, invalid},
    token::Token,
    world::{Key, READ, Recorded, Status, World},
};
use serde_json::json;

impl World {
    /// Does what the rules say, and says what must be answered. Whoever is refused has changed nothing.
    pub(crate) fn answer(&mut self, call: &Call) -> Expected {
        let before = self.clone();
        match self.attempt(call) {
            Ok(expected) => expected,
            Err(refusal) => {
                let place = refusal.node.map(|node| self.place(call.caller, node));
                *self = before;
                Expected::new(refusal.status, refusal.body(place.as_ref()))
            }
        }
    }

    fn attempt(&mut self, call: &Call) -> Result<Expected, Refusal> {
        self.check_readable(call.caller, &call.action)?;
        if call.caller == Caller::OtherTenant {
            return self.answer_stranger(call);
        }
        match &call.action {
            Action::Spend { amount, dry_run } => self.spend(call, amount, *dry_run),
            Action::Batch { items, .. } => self.batch(call, items),
            Action::Hold { amount, lasts } => self.hold(call, amount, *lasts),
            Action::Capture { hold, amount } => self.capture(call, *hold, amount),
            Action::Extend { hold, lasts } => self.extend(call, *hold, *lasts),
            Action::Release { hold } => self.release(call, *hold),
            Action::Refund { entry, amount } => self.refund(call, *entry, amount.as_ref()),
            Action::Mint(mint) => self.mint(call, mint),
            Action::Revoke { node, dry_run, if_version, if_descendants } => {
                self.revoke(call, *node, *dry_run, *if_version, *if_descendants)
            }
            Action::Freeze { node } => self.freeze(call, *node),
            Action::Unfreeze { node } => self.unfreeze(call, *node),
            Action::Rotate { node, grace } => self.rotate(call, *node, *grace),
            Action::Restrict { node, caveats } => self.restrict(call, *node, caveats),
            Action::RotateRoot { grace, revoke_before } => self.rotate_root(call, *grace, *revoke_before),
            Action::Change(change) => self.change(call, change),
            Action::Verify { token, source_ip } => self.verify(call, *token, *source_ip),
            look => {
                // Looking enters nobody.
                let before = self.clone();
                let seen = self.look(call, look);
                if seen.is_ok() {
                    *self = before;
                }
                seen
            }
        }
    }

    fn look(&mut self, call: &Call, look: &Action) -> Result<Expected, Refusal> {
        let known = self.nodes.len();
        let own = self.standing(call.caller)?;
        self.require(call.caller, READ)?;
        let see = |world: &Self, node: &usize| {
            // What is made offline and was not used yet has no name that anybody could ask for.
            if *node < known { world.visible(own, *node) } else { Err(not_found()) }
        };
        match look {
            Action::Own => Ok(Expected::new(200, self.view_alone(own, call.caller))),
            Action::One { node } => {
                see(self, node)?;
                Ok(Expected::new(200, self.view_alone(*node, call.caller)))
            }
            Action::List => {
                let mut nodes: Vec<_> = (0..known).filter(|node| self.is_within(*node, own)).collect();
                // A parent comes before what is below it, and siblings in the order of their ids.
                nodes.sort_by_cached_key(|node| {
                    let mut ids: Vec<_> = self.upwards(*node).map(|at| self.nodes[at].id.clone()).collect();
                    ids.reverse();
                    ids
                });
                let views: Vec<_> = nodes.into_iter().map(|node| self.view(node, call.caller)).collect();
                Ok(Expected::new(200, json!({ "data": views })))
            }
            Action::Tree { top } => {
                if let Some(top) = top {
                    see(self, top)?;
                }
                Ok(Expected::new(200, self.tree(top.unwrap_or(own), call.caller)))
            }
            Action::Ledger { node } => {
                if let Some(node) = node {
                    see(self, node)?;
                }
                Ok(Expected::new(200, self.ledger(node.unwrap_or(own))))
            }
            Action::Proof if own != 0 => Err(refuse(403, "action_not_permitted")),
            Action::Proof => {
                let identities = json!({ "ledger_equals_root": true, "nodes_equal_own_plus_children": true });
                let body = json!({
                    "intact": true,
                    "entries": self.entries.len(),
                    "identities": identities,
                    "first_fault": null,
                });
                Ok(Expected::new(200, body))
            }
            other => unreachable!("{other:?} is no look"),
        }
    }

    /// For another tenant nothing of this one exists.
    fn answer_stranger(&mut self, call: &Call) -> Result<Expected, Refusal> {
        if let Action::Verify { token, source_ip } = call.action {
            let verdict = self.verdict(call.caller, token, source_ip).expect_err("nothing is theirs");
            return Ok(Expected::new(200, json!({ "valid": false, "code": verdict.code })));
        }
        check_body(call)?;
        Err(not_found())
    }

    pub(crate) fn key(&self, call: &Call, route: &'static str) -> Option<Key> {
        let scope = match call.caller {
            Caller::Session => None,
            _ => Some(self.node_of(call.caller)?),
        };
        Some((scope, route, call.key.clone()?))
    }

    /// The same request gets the same answer; another one under the same key is refused.
    pub(crate) fn replay(
        &self,
        call: &Call,
        route: &'static str,
        request: &str,
    ) -> Result<Option<Expected>, Refusal> {
        let found = self.key(call, route).and_then(|key| self.recorded.get(&key));
        match found {
            None => Ok(None),
            Some(found) if found.request != request => Err(refuse(422, "idempotency_mismatch")),
            Some(found) => {
                Ok(Some(Expected { is_replayed: true, ..Expected::new(found.status, found.body.clone()) }))
            }
        }
    }

    /// Keeps an answer for whoever asks again.
    pub(crate) fn record(
        &mut self,
        call: &Call,
        route: &'static str,
        request: &str,
        mut expected: Expected,
    ) -> Expected {
        if let Some(key) = self.key(call, route) {
            let by = if let Caller::Token(token) = call.caller { Some(token) } else { None };
            let (request, body) = (request.to_owned(), expected.body.clone());
            let grace = expected.learn.iter().find_map(|learn| match learn {
                Learn::Grace(until) => Some(*until),
                _ => None,
            });
            let (status, step) = (expected.status, self.step);
            let recorded = Recorded { request, status, body, by, step, until: grace, cut_off: None };
            self.recorded.insert(key.clone(), recorded);
            expected.learn.push(Learn::Record(key));
        }
        expected
    }

    /// A secret is shown again to the token that asked, as it was issued, whatever was appended to it since.
    pub(crate) fn may_see_again(&self, call: &Call, route: &'static str) -> Result<(), Refusal> {
        let recorded = self.key(call, route).and_then(|key| self.recorded.get(&key)).expect("it was found");
        let issued = |token: usize| (self.tokens[token].seals().last(), self.tokens[token].root_key);
        // What takes the place of the token that asked is for that very copy.
        let is_successor = ["/rotate", "/root/rotate"].contains(&route);
        let is_same = match (call.caller, recorded.by) {
            (Caller::Session, None) => true,
            (Caller::Token(token), Some(by)) if is_successor => {
                self.tokens[token].text == self.tokens[by].text
            }
            (Caller::Token(token), Some(by)) => {
                let ((seal, root_key), (old, old_key)) = (issued(token), issued(by));
                seal == old && (seal.is_some() || root_key == old_key)
            }
            _ => false,
        };
        if is_same { Ok(()) } else { Err(refuse(409, "secret_shown_once")) }
    }

    /// The answer to the request that has ended the caller's own token, and nothing else has.
    pub(crate) fn own_answer(&self, call: &Call, route: &'static str, request: &str) -> Option<Expected> {
        let recorded = self.recorded.get(&self.key(call, route)?)?;
        let (Caller::Token(token), Some(by)) = (call.caller, recorded.by) else { return None };
        if self.tokens[token].text != self.tokens[by].text || recorded.request != request {
            return None;
        }
        let mut trial = self.clone();
        let own = self.node_of(call.caller)?;
        let told = recorded.body["previous_valid_until"].as_str().and_then(|text| text.parse().ok());
        let until = told.or(recorded.until);
        let key = trial.tokens[token].root_key;
        let issue = match trial.tokens[token].seals().last() {
            Some(seal) => trial.seals[seal].registered.as_mut().map(|(_, issue)| issue)?,
            None => &mut trial.root_keys[key],
        };
        if until.is_some() && issue.until == until {
            issue.until = None;
        }
        if recorded.cut_off == Some(trial.cut_off) {
            trial.cut_off = 0;
        }
        let expected =
            Expected { is_replayed: true, ..Expected::new(recorded.status, recorded.body.clone()) };
        let is_own_doing = match self.status(own) {
            Status::Revoked(cause) => route == "/revoke" && cause == own,
            Status::Frozen(cause) => {
                route == "/freeze" && cause == own && self.nodes[own].frozen_in == recorded.step
            }
            Status::Expired(_) => return None,
            Status::Active | Status::Exhausted(_) => true,
        };
        for node in &mut trial.nodes {
            (node.revoked, node.frozen, node.expires) = (false, false, None);
        }
        (is_own_doing && trial.standing(call.caller).is_ok()).then_some(expected)
    }

    /// The token in a repeated answer is written again: the identical one for who asked first, and a narrower one for who
    /// asks with a narrower token. Only who may have tokens of the node written gets it again.
    pub(crate) fn with_its_token(
        &self,
        call: &Call,
        node: usize,
        mut replay: Expected,
    ) -> Result<Expected, Refusal> {
        let first = self.tokens.iter().position(|token| replay.body["token"] == token.text.as_str());
        if let Some(Token { caveats, .. }) = first.map(|first| &self.tokens[first])
            && let (Caller::Token(token), false) =
                (call.caller, self.can_be_written(&self.tokens[first.unwrap()]))
        {
            // Only the presented token has what the server cannot write.
            let presented = self.texts(&self.tokens[token].caveats);
            if !self.texts(caveats).starts_with(&presented) {
                return Err(refuse(409, "made_offline"));
            }
        } else {
            self.narrowing_at(call.caller, node)?;
        }
        let by = if let Caller::Token(token) = call.caller { Some(token) } else { None };
        let is_same = ["/delegation", "/rotate", "/root/rotate", "PATCH"]
            .into_iter()
            .filter_map(|route| self.recorded.get(&self.key(call, route)?))
            .any(|recorded| recorded.by == by && recorded.body == replay.body);
        if let (false, Some(fields)) = (is_same, replay.body.as_object_mut()) {
            for field in ["token", "root_token", "caveats"] {
                fields.remove(field);
            }
        }
        Ok(replay)
    }
}

/// What is wrong with a request whatever it is about.
fn check_body(call: &Call) -> Result<(), Refusal> {
    let lasts = |lasts: Lasts| lasts.duration().map(|_| ()).ok_or_else(invalid);
    match &call.action {
        Action::Capture { amount, .. } | Action::Refund { amount: Some(amount), .. } => {
            credits(amount).map(|_| ())
        }
        Action::Extend { lasts: asked, .. } => lasts(*asked),
        Action::Rotate { grace: Some(grace), .. } if *grace != Lasts::Hostile(0) => lasts(*grace),
        Action::Restrict { caveats, .. } if caveats.is_empty() => Err(invalid()),
        Action::Change(change) => change.check(),
        Action::Mint(mint) => {
            credits(&mint.budget)?;
            match mint.expiry {
                Some(Expiry::After(asked)) => lasts(asked),
                _ if mint.actions == Some(0) => Err(invalid()),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
