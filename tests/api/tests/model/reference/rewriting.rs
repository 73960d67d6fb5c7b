//! New tokens for what exists: rotation, narrower copies, the root's keys; and what tokens are worth elsewhere.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::{Expected, Learn, Refusal, not_found, refuse},
    call::{Call, Caller, Lasts},
    money::invalid,
    token::{Caveat, Token},
    world::{DELEGATE, Issue, READ, Seal, Status, World},
};

impl World {
    /// How long older tokens stay good.
    fn grace(&self, grace: Option<Lasts>) -> Result<Timestamp, Refusal> {
        match grace {
            // A grace of nothing is one, too.
            None | Some(Lasts::Hostile(0)) => Ok(self.now),
            Some(lasts) => Ok(self.now + lasts.duration().ok_or_else(invalid)?),
        }
    }

    pub(crate) fn rotate(
        &mut self,
        call: &Call,
        node: usize,
        grace: Option<Lasts>,
    ) -> Result<Expected, Refusal> {
        let until = self.grace(grace)?;
        let request = format!("{node} {grace:?}");
        let may = |world: &Self| world.may_change_itself(call.caller, node);
        if let Some(replay) = self.reach(call, node, "/rotate", &request, may)? {
            self.may_see_again(call, "/rotate")?;
            return self.with_its_token(call, node, replay);
        }
        if node == 0 {
            return Err(refuse(409, "is_root"));
        }
        match self.status(node) {
            Status::Revoked(_) | Status::Expired(_) => return Err(refuse(409, "already_revoked")),
            Status::Active | Status::Exhausted(_) | Status::Frozen(_) => {}
        }
        // A token found within its grace must not take the newest one's place.
        let newest = self.nodes[node].canonical.seals().last();
        if let (Caller::Token(token), true) = (call.caller, self.node_of(call.caller) == Some(node))
            && self.tokens[token].seals().last() != newest
        {
            return Err(refuse(403, "superseded"));
        }
        let issues = self.seals.iter_mut().filter_map(|seal| seal.registered.as_mut());
        for (_, issue) in issues.filter(|(of, _)| *of == node) {
            issue.until = Some(issue.until.map_or(until, |earlier| earlier.min(until)));
        }
        let token = self.reissue(call.caller, node)?;
        self.nodes[node].version += 1;
        let learn = [Learn::Token(token), Learn::Grace(until)];
        let expected = Expected::new(200, json!({ "id": self.nodes[node].id })).learning(learn);
        Ok(self.record(call, "/rotate", &request, expected))
    }

    /// Writes the node's next token: the same chain above, and a block of its own that says what the node is now. What the
    /// caller's holder appended binds it too.
    pub(crate) fn reissue(&mut self, by: Caller, node: usize) -> Result<usize, Refusal> {
        let old = self.nodes[node].canonical.clone();
        let begin =
            old.caveats.iter().rposition(|caveat| matches!(caveat, Caveat::Opens(_))).expect("it is opened");
        let above = Token { caveats: old.caveats[..begin].to_vec(), ..old.clone() };
        if !self.can_be_written(&above) {
            return Err(refuse(409, "made_offline"));
        }
        let narrowing = self.narrowing_at(by, node)?;
        let row = &self.nodes[node];
        let mut caveats = above.caveats;
        caveats.push(Caveat::Opens(self.seals.len()));
        caveats.extend(old.caveats[begin + 1..].iter().filter_map(|caveat| match caveat {
            // The row says it, unless the node was made offline.
            Caveat::MaxPerSpend(_) | Caveat::Limit(_) if !row.made_offline => None,
            Caveat::Label(_) => Some(Caveat::Label(row.label.clone())),
            other => Some(other.clone()),
        }));
        let said = row.max_per_spend.map(Caveat::MaxPerSpend).into_iter();
        for caveat in said.chain(row.limits.iter().copied().map(Caveat::Limit)) {
            if !caveats[begin..].contains(&caveat) {
                caveats.push(caveat);
            }
        }
        self.seals.push(Seal {
            id: row.id.clone(),
            budget: row.budget.expect("only the root has none"),
            issued: caveats.len(),
            registered: Some((node, self.issued_now())),
            is_plain: false,
            derived: true,
            first_label: None,
        });
        let canonical = Token { text: String::new(), root_key: old.root_key, caveats };
        if self.is_too_long(&canonical) {
            return Err(refuse(422, "token_too_long"));
        }
        let mut token = canonical.clone();
        token
            .caveats
            .extend(narrowing.into_iter().filter(|caveat| !canonical.caveats[begin..].contains(caveat)));
        if self.is_too_long(&token) {
            return Err(refuse(403, "caveat_not_met"));
        }
        self.nodes[node].canonical = canonical;
        self.tokens.push(token);
        Ok(self.tokens.len() - 1)
    }

    /// Appends caveats to the caller's own token. Whoever could have another's written out could act in its name.
    pub(crate) fn restrict(
        &mut self,
        call: &Call,
        node: usize,
        caveats: &[Caveat],
    ) -> Result<Expected, Refusal> {
        if caveats.is_empty() || caveats.iter().any(|caveat| matches!(caveat, Caveat::Opens(_))) {
            return Err(invalid());
        }
        let before = self.clone();
        self.standing(call.caller)?;
        *self = before;
        let own = self.node_of(call.caller).ok_or_else(not_found)?;
        self.visible(own, node)?;
        let Caller::Token(token) = call.caller else { return Err(refuse(403, "action_not_permitted")) };
        if node != own {
            return Err(refuse(403, "action_not_permitted"));
        }
        let mut narrower = self.tokens[token].clone();
        narrower.caveats.extend(caveats.iter().cloned());
        if narrower.scope().is_contradictory || self.is_too_long(&narrower) {
            return Err(refuse(422, "narrower_than_parent"));
        }
        self.tokens.push(narrower);
        let body = json!({ "id": self.nodes[node].id });
        Ok(Expected::new(200, body).learning([Learn::Token(self.tokens.len() - 1)]))
    }

    pub(crate) fn rotate_root(
        &mut self,
        call: &Call,
        grace: Option<Lasts>,
        revoke_before: Option<(usize, Timestamp)>,
    ) -> Result<Expected, Refusal> {
        let until = self.grace(grace)?;
        let before = self.clone();
        let standing = self.standing(call.caller);
        *self = before;
        if self.node_of(call.caller) != Some(0) {
            return Err(standing.err().unwrap_or_else(not_found));
        }
        let request = format!("{grace:?} {revoke_before:?}");
        if let Err(refusal) = standing {
            let own = self.own_answer(call, "/root/rotate", &request).ok_or(refusal)?;
            return self.with_its_token(call, 0, own);
        }
        if let Some(replay) = self.replay(call, "/root/rotate", &request)? {
            self.may_see_again(call, "/root/rotate")?;
            return self.with_its_token(call, 0, replay);
        }
        self.require(call.caller, DELEGATE)?;
        if let Caller::Token(token) = call.caller
            && self.tokens[token].root_key != self.root_keys.len() - 1
        {
            return Err(refuse(403, "superseded"));
        }
        let caveats = self.narrowing_at(call.caller, 0)?;
        // Steps are told apart by their numbers: this one's own beginning can be later than `now`, which is judged a little
        // before the request was sent, and yet lies in the past when the server decides.
        if revoke_before.is_some_and(|(step, _)| step > self.step) {
            return Err(invalid());
        }
        let mut cut_off = None;
        for key in &mut self.root_keys {
            key.until = Some(key.until.map_or(until, |earlier| earlier.min(until)));
        }
        self.root_keys.push(Issue { step: self.step, until: None });
        if let Some((step, _)) = revoke_before {
            cut_off = (step > self.cut_off).then_some(step);
            self.cut_off = self.cut_off.max(step);
            self.nodes[0].version += 1;
        }
        let root_key = self.root_keys.len() - 1;
        self.tokens.push(Token { root_key, caveats, ..Token::default() });
        let learn = [Learn::Token(self.tokens.len() - 1), Learn::Grace(until)];
        let expected = Expected::new(200, json!({})).learning(learn);
        let expected = self.record(call, "/root/rotate", &request, expected);
        if let Some(recorded) = self.key(call, "/root/rotate").and_then(|key| self.recorded.get_mut(&key)) {
            recorded.cut_off = cut_off;
        }
        Ok(expected)
    }

    /// What a resource server is told: the verdict never is a refusal of the request itself.
    pub(crate) fn verify(
        &mut self,
        call: &Call,
        token: Caller,
        source_ip: Option<&str>,
    ) -> Result<Expected, Refusal> {
        let before = self.clone();
        self.now = self.read_at;
        self.standing(call.caller)?;
        self.require(call.caller, READ)?;
        *self = before.clone();
        let body = match self.verdict(call.caller, token, source_ip) {
            Ok(view) => json!({
                "valid": true,
                "code": null,
                "effective_remaining_credits": view["effective_remaining_credits"],
                "delegation": view,
            }),
            Err(refusal) => json!({ "valid": false, "code": refusal.code, "delegation": null }),
        };
        *self = before;
        Ok(Expected::new(200, body))
    }

    pub(crate) fn verdict(
        &mut self,
        by: Caller,
        token: Caller,
        source_ip: Option<&str>,
    ) -> Result<Value, Refusal> {
        let Caller::Token(number) = token else {
            // Another tenant's token is as unknown as one that nobody issued.
            let is_unknown = matches!(token, Caller::Tampered | Caller::OtherTenant);
            return Err(refuse(401, if is_unknown { "forged" } else { "malformed" }));
        };
        let scope = self.tokens[number].scope();
        if scope.is_contradictory || self.contradicts(&self.tokens[number]) {
            return Err(refuse(403, "caveat_not_met"));
        }
        if by == Caller::OtherTenant {
            return Err(refuse(401, "forged"));
        }
        let node = self.standing(token)?;
        let networks = self.tokens[number].caveats.iter().filter_map(|caveat| match caveat {
            Caveat::SourceIp(network) => Some(*network),
            _ => None,
        });
        let is_inside = |network: &str| {
            let first = |text: &str| text.split('.').next().map(str::to_owned);
            source_ip.is_some_and(|address| first(address) == first(network))
        };
        if !networks.into_iter().all(is_inside) || scope.is_for_a_route {
            return Err(refuse(403, "caveat_not_met"));
        }
        Ok(self.view_alone(node, token))
    }
}
