//! Puts vectors together from tokens and what is written down about them.

use macaroon::Format;
use serde_json::{Map, Value, json};
use subgrant_token::Identifier;

use crate::{
    oracle::{node_digest, theirs},
    python::{ask, attenuate_task, mint_task},
    support::{KEY, LOCATION, identifier, ours, without_prefix},
};

/// Which libraries make a token: alone, or one mints and appends the first caveat, and another the rest.
#[derive(Clone, Copy)]
pub(super) enum MadeBy {
    Subgrant,
    Macaroon,
    Pymacaroons,
    SubgrantThenPymacaroons,
    PymacaroonsThenSubgrant,
    MacaroonThenPymacaroons,
}

impl MadeBy {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Subgrant => "subgrant",
            Self::Macaroon => "macaroon",
            Self::Pymacaroons => "pymacaroons",
            Self::SubgrantThenPymacaroons => "subgrant+pymacaroons",
            Self::PymacaroonsThenSubgrant => "pymacaroons+subgrant",
            Self::MacaroonThenPymacaroons => "macaroon+pymacaroons",
        }
    }

    /// The token's text as the last library writes it.
    pub(super) fn token<C: AsRef<[u8]>>(self, identifier: &Identifier, caveats: &[C]) -> String {
        let encoded = identifier.encode();
        let (first, rest) = caveats.split_at(caveats.len().min(1));
        let asked = |task: Value| ask(&[task])[0].as_str().unwrap().to_owned();
        match self {
            Self::Subgrant => ours(identifier, caveats).to_text(),
            Self::Macaroon => theirs(&encoded, caveats).serialize(Format::V2).unwrap(),
            Self::Pymacaroons => asked(mint_task(2, &encoded, caveats)),
            Self::SubgrantThenPymacaroons => {
                asked(attenuate_task(&without_prefix(&ours(identifier, first)), rest))
            }
            Self::MacaroonThenPymacaroons => {
                let token = theirs(&encoded, first).serialize(Format::V2).unwrap();
                asked(attenuate_task(token.trim_end_matches('='), rest))
            }
            Self::PymacaroonsThenSubgrant => {
                let minted = asked(mint_task(2, &encoded, first));
                let read = subgrant_token::Macaroon::parse(&minted).unwrap();
                read.attenuate_bytes(rest.iter().map(AsRef::as_ref)).unwrap().to_text()
            }
        }
    }
}

/// A valid token and what it means. `nodes` and `scope` name only what differs from nothing.
pub(super) struct Valid<'a> {
    pub(super) name: &'a str,
    pub(super) made_by: MadeBy,
    pub(super) identifier: Identifier,
    pub(super) caveats: &'a [&'a str],
    /// The canonical texts, where they differ from `caveats`.
    pub(super) canonical: Option<&'a [&'a str]>,
    pub(super) nodes: Vec<Value>,
    pub(super) scope: Value,
    pub(super) requests: Vec<Value>,
}

impl<'a> Valid<'a> {
    pub(super) fn new(name: &'a str, made_by: MadeBy, caveats: &'a [&'a str]) -> Self {
        Self {
            name,
            made_by,
            identifier: identifier(),
            caveats,
            canonical: None,
            nodes: Vec::new(),
            scope: json!({}),
            requests: Vec::new(),
        }
    }

    pub(super) fn vector(&self) -> Value {
        let nodes: Vec<Value> = self.nodes.iter().map(|node| self.node(node)).collect();
        let mut expect = json!({
            "valid": true, "identifier": identifier_fields(&self.identifier), "location": LOCATION,
            "caveats": self.canonical.unwrap_or(self.caveats), "nodes": nodes,
            "scope": with_defaults(json!({
                "budget": null, "max_per_spend": null, "expires": null, "actions": "spend,delegate,read", "limits": [],
                "remaining_depth": null, "cost_center": null, "department": null, "label": null, "audience": null,
            }), &self.scope),
        });
        if !self.requests.is_empty() {
            expect["requests"] = json!(self.requests);
        }
        vector(
            self.name,
            self.made_by.as_str(),
            &self.made_by.token(&self.identifier, self.caveats),
            &KEY,
            &expect,
        )
    }

    fn node(&self, fields: &Value) -> Value {
        let budget_index = usize::try_from(fields["budget_index"].as_u64().unwrap()).unwrap();
        let digest = node_digest(&KEY, &self.identifier.encode(), &self.caveats[..=budget_index]);
        with_defaults(
            json!({
                "digest": hex::encode(digest), "budget_index": null, "budget": null, "caveats": null, "claim": null,
                "label": null, "cost_center": null, "department": null, "expires": null, "actions": null,
                "max_per_spend": null, "limits": [], "max_depth": null, "audience": null,
            }),
            fields,
        )
    }
}

/// A token that is refused, from its text.
pub(super) fn refused(name: &str, made_by: &str, token: &str, class: &str, code: &str) -> Value {
    let expect = json!({ "valid": false, "class": class, "code": code, "index": null });
    vector(name, made_by, token, &KEY, &expect)
}

/// A genuine token that its caveat at `index` refuses.
pub(super) fn refused_by_caveat<C: AsRef<[u8]>>(
    name: &str,
    made_by: MadeBy,
    caveats: &[C],
    (index, code): (usize, &str),
) -> Value {
    let token = made_by.token(&identifier(), caveats);
    let expect = json!({ "valid": false, "class": "caveat_not_met", "code": code, "index": index });
    vector(name, made_by.as_str(), &token, &KEY, &expect)
}

pub(super) fn vector(name: &str, made_by: &str, token: &str, key: &[u8; 32], expect: &Value) -> Value {
    json!({ "name": name, "made_by": made_by, "root_key": hex::encode(key), "token": token, "expect": expect })
}

fn identifier_fields(identifier: &Identifier) -> Value {
    let payment_hash = match identifier {
        Identifier::Subgrant { .. } => None,
        Identifier::L402 { payment_hash, .. } => Some(hex::encode(payment_hash)),
    };
    json!({ "tenant": identifier.tenant(), "root_key": identifier.root_key(), "payment_hash": payment_hash })
}

fn with_defaults(defaults: Value, given: &Value) -> Value {
    let Value::Object(mut fields) = defaults else {
        panic!("defaults are an object");
    };
    for (name, value) in given.as_object().unwrap_or(&Map::new()) {
        let previous = fields.insert(name.clone(), value.clone());
        assert!(previous.is_some(), "{name} is not a field");
    }
    Value::Object(fields)
}
