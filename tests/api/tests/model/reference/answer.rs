//! What the server must answer, how that is compared, and what is learned from the answer.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::world::{Key, World};

/// What must be answered. Of the body, every field that is named here must be the same; `null` stands for absent too.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) is_replayed: bool,
    pub(crate) learn: Vec<Learn>,
}

/// What only the answer tells.
#[derive(Clone, Debug)]
pub(crate) enum Learn {
    /// The id and the end of a new node, and its token.
    Node(usize, usize),
    /// The end of a node's life, which must be near to what the model thinks.
    Token(usize),
    /// The id and the end of a hold.
    Hold(usize),
    /// The end of a hold.
    HoldEnd(usize),
    /// The id and the instant of a ledger entry.
    Entry(usize),
    /// The end of a grace, which the model thinks is at this instant.
    Grace(Timestamp),
    /// The whole answer, to be given again.
    Record(Key),
    /// The same of one outcome of a batch.
    Outcome(usize, Vec<Learn>),
}

/// Why nothing was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    /// The node that refuses.
    pub(crate) node: Option<usize>,
    pub(crate) requested: Option<u64>,
    pub(crate) affordable: Option<u64>,
    pub(crate) retry_at: Option<Timestamp>,
}

pub(crate) fn refuse(status: u16, code: &'static str) -> Refusal {
    Refusal { status, code, ..Refusal::default() }
}

pub(crate) fn not_found() -> Refusal {
    refuse(404, "not_found")
}

impl Expected {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, body, is_replayed: false, learn: Vec::new() }
    }

    /// Puts the ids of a batch's entries where items that repeat them must have the same.
    pub(crate) fn with_ids_of(mut self, answer: &Value) -> Self {
        for outcome in self.body["data"].as_array_mut().into_iter().flatten() {
            if let Some(item) = outcome["id"]["of item"].as_u64() {
                outcome["id"] = answer["data"][usize::try_from(item).unwrap_or_default()]["id"].clone();
            }
        }
        self
    }

    pub(crate) fn learning(self, learn: impl IntoIterator<Item = Learn>) -> Self {
        Self { learn: learn.into_iter().collect(), ..self }
    }
}

impl Refusal {
    pub(crate) fn at(self, node: usize) -> Self {
        Self { node: Some(node), ..self }
    }

    /// The problem document; `place` names the refusing node as far as the caller may know it.
    pub(crate) fn body(&self, place: Option<&Value>) -> Value {
        json!({
            "status": self.status,
            "code": self.code,
            "delegation_id": place,
            "requested_credits": self.requested,
            "max_affordable_credits": self.affordable,
            "retry_at": self.retry_at.map(|at| at.to_string()),
        })
    }
}

/// Where the answer is not what was expected.
pub(crate) fn difference(expected: &Value, actual: &Value, place: &str) -> Option<String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let fields = expected.iter();
            fields
                .map(|(name, value)| {
                    let found = actual.get(name).unwrap_or(&Value::Null);
                    difference(value, found, &format!("{place}/{name}"))
                })
                .find_map(|found| found)
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (expected, actual))| {
                difference(expected, actual, &format!("{place}/{index}"))
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{place}: expected {expected}, but it is {actual}")),
    }
}

fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, String> {
    body[field].as_str().ok_or_else(|| format!("no {field} in {body}"))
}

fn instant(body: &Value, field: &str) -> Result<Timestamp, String> {
    text(body, field)?.parse().map_err(|_| format!("no time in {field} of {body}"))
}

/// Reads an instant that the model could only estimate.
fn near(body: &Value, field: &str, estimate: Timestamp, took: SignedDuration) -> Result<Timestamp, String> {
    let told = instant(body, field)?;
    let slack = took + SignedDuration::from_millis(5);
    if told.duration_since(estimate).abs() <= slack {
        Ok(told)
    } else {
        Err(format!("{field}: expected about {estimate}, but it is {told}"))
    }
}

impl World {
    /// Takes over ids, tokens and instants that the server chose. `took` is how long the request took.
    pub(crate) fn learn(
        &mut self,
        learn: &[Learn],
        body: &Value,
        took: SignedDuration,
    ) -> Result<(), String> {
        learn.iter().try_for_each(|one| self.learn_one(one, body, took))
    }

    fn learn_one(&mut self, learn: &Learn, body: &Value, took: SignedDuration) -> Result<(), String> {
        match learn {
            Learn::Node(node, token) => {
                let seal = self.tokens[*token].seals().last().expect("a delegation's token opens it");
                text(body, "id")?.clone_into(&mut self.nodes[*node].id);
                text(body, "id")?.clone_into(&mut self.seals[seal].id);
                text(body, "token")?.clone_into(&mut self.tokens[*token].text);
                let Some(estimate) = self.nodes[*node].expires else {
                    let told = &body["expires_at"];
                    return if told.is_null() { Ok(()) } else { Err(format!("expires_at: {told}")) };
                };
                let end = near(body, "expires_at", estimate, took)?;
                self.nodes[*node].expires = Some(end);
                self.correct_expiry(*node, *token, estimate, end);
            }
            Learn::Token(token) => {
                let field = if body["root_token"].is_string() { "root_token" } else { "token" };
                text(body, field)?.clone_into(&mut self.tokens[*token].text);
            }
            Learn::Hold(hold) => {
                text(body, "id")?.clone_into(&mut self.holds[*hold].id);
                self.holds[*hold].expires = near(body, "expires_at", self.holds[*hold].expires, took)?;
            }
            Learn::HoldEnd(hold) => {
                self.holds[*hold].expires = near(body, "expires_at", self.holds[*hold].expires, took)?;
            }
            Learn::Entry(entry) => {
                text(body, "id")?.clone_into(&mut self.entries[*entry].id);
                if !body["recorded_at"].is_null() {
                    self.entries[*entry].at = near(body, "recorded_at", self.entries[*entry].at, took)?;
                }
            }
            Learn::Grace(estimate) => {
                let end = near(body, "previous_valid_until", *estimate, took)?;
                let seals = self.seals.iter_mut().filter_map(|seal| seal.registered.as_mut());
                let issues = seals.map(|(_, issue)| issue).chain(&mut self.root_keys);
                issues
                    .filter(|issue| issue.until == Some(*estimate))
                    .for_each(|issue| issue.until = Some(end));
            }
            Learn::Record(key) => {
                let recorded = self.recorded.get_mut(key).expect("the model recorded it");
                // Of a batch's outcome only the id: everything else is as the model says.
                let told = match body["status"] {
                    Value::Number(_) => Map::from_iter([("id".to_owned(), body["id"].clone())]),
                    _ => body.as_object().cloned().unwrap_or_default(),
                };
                let known = recorded.body.as_object().cloned().unwrap_or_default();
                recorded.body = Value::Object(known.into_iter().chain(told).collect::<Map<_, _>>());
            }
            Learn::Outcome(index, learn) => return self.learn(learn, &body["data"][*index], took),
        }
        Ok(())
    }

    /// The caveat that says when a new node ends has the node's exact end.
    fn correct_expiry(&mut self, node: usize, token: usize, estimate: Timestamp, end: Timestamp) {
        use super::token::Caveat;
        let canonical = self.nodes[node].canonical.caveats.iter_mut();
        for caveat in canonical.chain(&mut self.tokens[token].caveats) {
            if *caveat == Caveat::Expires(estimate) {
                *caveat = Caveat::Expires(end);
            }
        }
    }
}
