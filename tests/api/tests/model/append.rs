//! What holders make of their tokens without the server: narrower copies, and children.

use subgrant_domain::DelegationId;
use uuid::Uuid;

use crate::{
    check,
    operation::{NewId, Opening, Says, Who},
    reference::{
        call::{Action, Call, Caller},
        token::{Caveat, MOST_CAVEATS, Token},
        world::Seal,
    },
    resolve::written,
    system::System,
};

impl System {
    /// Appends caveats to a token, and looks at what that made of it.
    pub(crate) fn append(&mut self, who: Who, opens: Option<&Opening>, says: &Says) {
        if let Caller::Token(parent) = self.world.caller(who) {
            let token = &self.world.tokens[parent];
            if self.world.texts(&token.caveats).len() + 10 < MOST_CAVEATS {
                let token = self.appended(&token.clone(), opens, says);
                self.world.tokens.push(token);
            }
        }
        let caller = Caller::Token(self.world.tokens.len() - 1);
        self.send(&Call { caller, action: Action::Own, key: None, at_replica: false });
    }

    /// What a holder makes of a token without the server.
    fn appended(&mut self, parent: &Token, opens: Option<&Opening>, says: &Says) -> Token {
        let mut token = parent.clone();
        let mut written_caveats = Vec::new();
        if let Some(opening) = opens {
            let budget = written(opening.budget, 500, 10).as_u64().unwrap_or(0).min(10_000);
            let budget_text = format!("budget = {budget}");
            let (id, texts) = match self.claim(opening.id) {
                Some(id) => {
                    let claim = format!("delegation = {id}.{:024x}", 7);
                    (id, vec![claim, budget_text])
                }
                None => (check::derived_id(&parent.text, &budget_text), vec![budget_text]),
            };
            let seal = self.opened(parent, id, budget, texts.len() == 1);
            token.caveats.push(Caveat::Opens(seal));
            written_caveats.extend(texts);
        }
        let caveats = self.world.caveats_of(says);
        written_caveats.extend(self.world.texts(&caveats));
        token.caveats.extend(caveats);
        let bytes: Vec<_> = written_caveats.iter().map(String::as_bytes).collect();
        token.text = subgrant_tests::attenuate(&parent.text, &bytes);
        token
    }

    /// The opening of a child that is made offline. Whoever appends the same to the same token makes the same child.
    fn opened(&mut self, parent: &Token, id: String, budget: u64, is_plain: bool) -> usize {
        let is_after_parent = |seal: usize| {
            let mut tokens = self.world.tokens.iter().filter(|token| token.root_key == parent.root_key);
            let length = parent.caveats.len();
            tokens.any(|token| {
                token.caveats.starts_with(&parent.caveats)
                    && token.caveats.get(length) == Some(&Caveat::Opens(seal))
            })
        };
        let is_same = |seal: &Seal| seal.id == id && seal.budget == budget && seal.is_plain == is_plain;
        let made_offline = |seal: &Seal| seal.is_plain || !seal.derived;
        let mut known = self.world.seals.iter().enumerate();
        let known =
            known.find(|(index, seal)| is_same(seal) && made_offline(seal) && is_after_parent(*index));
        if let Some((seal, _)) = known {
            return seal;
        }
        let (issued, derived) = (parent.caveats.len() + 1, is_plain);
        self.world.seals.push(Seal {
            id,
            budget,
            issued,
            registered: None,
            is_plain,
            derived,
            first_label: None,
        });
        self.world.seals.len() - 1
    }

    /// The id that an offline child claims; `None`: it claims none.
    fn claim(&self, id: NewId) -> Option<String> {
        let pick = |ids: Vec<&String>, number: u16| {
            let number = usize::from(number).checked_rem(ids.len())?;
            Some(ids[number].clone())
        };
        let fresh = || DelegationId::from_uuid(Uuid::now_v7()).to_string();
        match id {
            NewId::Plain => None,
            NewId::Fresh => Some(fresh()),
            NewId::Taken(number) => pick(self.world.nodes.iter().map(|node| &node.id).collect(), number),
            NewId::Twin(number) => {
                let offline = self.world.seals.iter().filter(|seal| !seal.derived);
                pick(offline.map(|seal| &seal.id).collect(), number).or_else(|| Some(fresh()))
            }
        }
    }
}
