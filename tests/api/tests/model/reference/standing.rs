//! Who may ask for something: credentials, offline children that are entered at their first use, visibility.

use serde_json::{Value, json};

use super::{
    answer::{Refusal, not_found, refuse},
    call::{Action, Caller},
    token::{Caveat, Scope, Token},
    world::{DELEGATE, Issue, Node, Status, World},
};

impl World {
    /// The caller's node, if the ledger knows it.
    pub(crate) fn node_of(&self, caller: Caller) -> Option<usize> {
        match caller {
            Caller::Session => Some(0),
            Caller::Token(token) => match self.tokens[token].seals().last() {
                None => Some(0),
                Some(seal) => self.seals[seal].registered.map(|(node, _)| node),
            },
            _ => None,
        }
    }

    pub(crate) fn scope_of(&self, caller: Caller) -> Option<Scope> {
        match caller {
            Caller::Token(token) => Some(self.tokens[token].scope()),
            _ => None,
        }
    }

    /// A node as the caller may be told of it: by id, unless it stands above the caller.
    pub(crate) fn place(&self, caller: Caller, node: usize) -> Value {
        let own = self.node_of(caller).unwrap_or_default();
        if node != own && self.is_within(own, node) { json!("ancestor") } else { json!(self.nodes[node].id) }
    }

    /// What can be told from the token alone: for spending, and for anything else, where its conditions on requests are about
    /// the request at hand.
    pub(crate) fn check_readable(&self, caller: Caller, action: &Action) -> Result<(), Refusal> {
        match caller {
            Caller::Session | Caller::OtherTenant => Ok(()),
            Caller::Nobody => Err(refuse(401, "missing")),
            Caller::Malformed => Err(refuse(401, "malformed")),
            Caller::Tampered => Err(refuse(401, "forged")),
            Caller::Token(token) => {
                let scope = self.tokens[token].scope();
                let (_, appended) = self.issued_and_appended(token);
                let is_for_a_route = appended.iter().any(|caveat| matches!(caveat, Caveat::Route(_)));
                let is_elsewhere = scope.is_for_elsewhere || is_for_a_route && !action.is_for_services();
                if scope.is_contradictory || is_elsewhere || self.contradicts(&self.tokens[token]) {
                    return Err(refuse(403, "caveat_not_met"));
                }
                Ok(())
            }
        }
    }

    /// Whether the token says of the deepest node that the ledger knows what is known otherwise.
    pub(crate) fn contradicts(&self, token: &Token) -> bool {
        let seals = token.seals().enumerate();
        let known = seals.filter(|(_, seal)| self.seals[*seal].registered.is_some()).last();
        let Some((level, seal)) = known else { return false };
        let (node, _) = self.seals[seal].registered.expect("it is known");
        let scope = token.scope();
        let label = token.blocks()[level + 1].iter().find_map(Caveat::label);
        let differs = |said: Option<&String>, known: &Option<String>| {
            said.zip(known.as_ref()).is_some_and(|(a, b)| a != b)
        };
        differs(scope.cost_center.as_ref(), &self.nodes[node].cost_center)
            || differs(scope.department.as_ref(), &self.nodes[node].department)
            || differs(label, &self.seals[seal].first_label)
    }

    /// Whether the token's caveats permit an action. A session of the owner may do everything.
    pub(crate) fn require(&self, caller: Caller, action: u8) -> Result<(), Refusal> {
        match self.scope_of(caller) {
            Some(scope) if scope.actions & action == 0 => Err(refuse(403, "action_not_permitted")),
            _ => Ok(()),
        }
    }

    /// Whether the caller's token and every node above it are good now; returns the caller's node. Offline children are
    /// entered: whoever only looks, or is refused, undoes that.
    pub(crate) fn standing(&mut self, caller: Caller) -> Result<usize, Refusal> {
        let Caller::Token(number) = caller else { return Ok(0) };
        let token = self.tokens[number].clone();
        if token.scope().expires.is_some_and(|end| end <= self.now) {
            return Err(refuse(401, "expired"));
        }
        let issue = self.issue_of(&token);
        if issue.until.is_some_and(|end| end <= self.now) || issue.step < self.cut_off {
            return Err(refuse(401, "revoked"));
        }
        self.adopt(&token)?;
        let node = self.node_of(caller).expect("it was entered");
        self.check_usable(node)?;
        Ok(node)
    }

    /// By the deepest opening that the ledger knows, or by the root key.
    fn issue_of(&self, token: &Token) -> Issue {
        let known = token.seals().filter_map(|seal| self.seals[seal].registered).last();
        known.map_or(self.root_keys[token.root_key], |(_, issue)| issue)
    }

    pub(crate) fn check_usable(&self, node: usize) -> Result<(), Refusal> {
        match self.status(node) {
            Status::Active | Status::Exhausted(_) => Ok(()),
            Status::Frozen(_) => Err(refuse(403, "frozen")),
            Status::Expired(_) => Err(refuse(401, "expired")),
            Status::Revoked(_) => Err(refuse(401, "revoked")),
        }
    }

    /// Enters the nodes of a token that were made offline, as cap children of the ones above.
    fn adopt(&mut self, token: &Token) -> Result<(), Refusal> {
        let seals: Vec<_> = token.seals().collect();
        let is_known = |seal: &usize| self.seals[*seal].registered.is_some();
        let first = seals.iter().rposition(is_known).map_or(0, |index| index + 1);
        for (index, seal) in seals.iter().enumerate().skip(first) {
            let parent = match index.checked_sub(1) {
                None => 0,
                Some(above) => self.seals[seals[above]].registered.expect("it was entered just now").0,
            };
            self.enter(token, index + 1, *seal, parent)?;
        }
        Ok(())
    }

    fn enter(&mut self, token: &Token, level: usize, seal: usize, parent: usize) -> Result<(), Refusal> {
        let unmet = || refuse(403, "caveat_not_met");
        let opening = self.seals[seal].clone();
        if self.nodes.iter().any(|node| node.id == opening.id) {
            return Err(refuse(401, "forged"));
        }
        let above = &self.nodes[parent];
        if token.actions_above(level) & above.actions & DELEGATE == 0 || opening.budget == 0 {
            return Err(unmet());
        }
        self.check_usable(parent)?;
        if above.max_depth == Some(0) {
            return Err(unmet());
        }
        let block = token.blocks()[level];
        let said = |find: fn(&Caveat) -> Option<&String>| block.iter().find_map(find).cloned();
        let cost_center =
            said(|caveat| if let Caveat::CostCenter(text) = caveat { Some(text) } else { None });
        let department = said(|caveat| if let Caveat::Department(text) = caveat { Some(text) } else { None });
        let label = said(|caveat| if let Caveat::Label(text) = caveat { Some(text) } else { None });
        let agrees = |inherited: &Option<String>, own: &Option<String>| {
            inherited.is_none() || own.is_none() || inherited == own
        };
        if !agrees(&above.cost_center, &cost_center) || !agrees(&above.department, &department) {
            return Err(unmet());
        }
        let position = token.caveats.iter().position(|it| *it == Caveat::Opens(seal)).expect("it is there");
        let end = position + block.len();
        self.seals[seal].first_label.clone_from(&label);
        let node = Node {
            id: opening.id,
            parent: Some(parent),
            label: label.unwrap_or_else(|| "offline child".to_owned()),
            budget: Some(above.budget.map_or(opening.budget, |budget| budget.min(opening.budget))),
            carve: false,
            actions: above.actions,
            max_per_spend: None,
            limits: Vec::new(),
            max_depth: above.max_depth.map(|levels| levels - 1),
            cost_center: above.cost_center.clone().or(cost_center),
            department: above.department.clone().or(department),
            expires: above.expires,
            created: self.now,
            frozen: false,
            frozen_in: 0,
            revoked: false,
            version: 1,
            canonical: Token { caveats: token.caveats[..end].to_vec(), ..token.clone() },
            made_offline: true,
        };
        self.nodes.push(node);
        self.seals[seal].issued = position + 1;
        self.seals[seal].registered = Some((self.nodes.len() - 1, Issue { step: self.step, until: None }));
        Ok(())
    }

    /// What the token says its node's budget is: a ceiling, even where the node has got more since.
    pub(crate) fn ceiling(&self, caller: Caller) -> Option<u64> {
        let Caller::Token(token) = caller else { return None };
        self.tokens[token].seals().last().map(|seal| self.seals[seal].budget)
    }

    /// The same, if the node is the caller's own.
    pub(crate) fn ceiling_at(&self, caller: Caller, node: usize) -> Option<u64> {
        self.ceiling(caller).filter(|_| self.node_of(caller) == Some(node))
    }

    /// The caveats that a token was issued with, and those that its holder appended.
    pub(crate) fn issued_and_appended(&self, token: usize) -> (&[Caveat], &[Caveat]) {
        let token = &self.tokens[token];
        let issued = token.seals().last().map_or(0, |seal| self.seals[seal].issued);
        token.caveats.split_at(issued)
    }

    /// What must bind a token of the node that is written on the caller's behalf: whatever the caller's holder appended.
    /// Further down names and levels mean something else, and so would a window limit, which therefore forbids it. An
    /// older token than the newest may say less than it, so that it writes none of nodes further down.
    pub(crate) fn narrowing_at(&self, caller: Caller, node: usize) -> Result<Vec<Caveat>, Refusal> {
        let Caller::Token(token) = caller else { return Ok(Vec::new()) };
        let own = self.node_of(caller).expect("it was entered");
        let (issued, appended) = self.issued_and_appended(token);
        if node == own {
            return Ok(appended.to_vec());
        }
        let canonical = &self.nodes[own].canonical;
        let most = canonical.seals().last().map_or(canonical.caveats.len(), |seal| self.seals[seal].issued);
        if self.texts(issued) != self.texts(&canonical.caveats[..most]) {
            return Err(refuse(403, "superseded"));
        }
        if appended.iter().any(|caveat| matches!(caveat, Caveat::Limit(_))) {
            return Err(refuse(403, "caveat_not_met"));
        }
        let binds = |caveat: &&Caveat| !matches!(caveat, Caveat::Label(_) | Caveat::MaxDepth(_));
        Ok(appended.iter().filter(binds).cloned().collect())
    }

    /// Whether the server can write the token again, so that others than its holder can delegate below it.
    pub(crate) fn can_be_written(&self, token: &Token) -> bool {
        token.seals().all(|seal| self.seals[seal].derived)
    }

    /// A node of the caller's subtree; anything else does not exist for the caller.
    pub(crate) fn visible(&self, own: usize, node: usize) -> Result<(), Refusal> {
        if node < self.nodes.len() && self.is_within(node, own) { Ok(()) } else { Err(not_found()) }
    }
}
