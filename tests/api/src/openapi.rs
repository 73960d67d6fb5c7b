//! What the served OpenAPI document promises.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::{Api, Reply};

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// The whole path, with `{id}` where it has a parameter.
    pub path: String,
    /// The document's `operationId`.
    pub id: String,
    /// Whether the document says that it takes a credential.
    pub takes_credential: bool,
    /// Whether it can be sent again with the same `Idempotency-Key`.
    pub takes_key: bool,
    /// The statuses that the document says it may answer with.
    pub statuses: BTreeSet<u16>,
}

impl Operation {
    /// `POST /api/cloud/spend`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with these words in place of its parameters, in order; the last one stands for all that follow.
    pub fn on(&self, words: &str) -> String {
        if words.starts_with('?') {
            return format!("{}{words}", self.path);
        }
        let mut words = words.split(' ').peekable();
        let step = |step: &str| {
            if !step.starts_with('{') {
                return step.to_owned();
            }
            let word = *words.peek().expect("splitting gives at least one word");
            if words.clone().count() > 1 {
                words.next();
            }
            word.to_owned()
        };
        self.path.split('/').map(step).collect::<Vec<_>>().join("/")
    }

    /// The method as the client wants it.
    pub fn verb(&self) -> Method {
        self.method.parse().expect("the document names methods")
    }
}

/// Every operation of the document that the server serves.
pub async fn operations(api: &Api) -> Vec<Operation> {
    let reply = Reply::of(api.request(Method::GET, "/openapi.json")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut operations = Vec::new();
    for (path, methods) in reply.body["paths"].as_object().expect("the document has paths") {
        for (method, operation) in methods.as_object().expect("a path has methods") {
            if !["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                continue;
            }
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            operations.push(Operation {
                takes_key: parameters.any(|parameter| parameter["name"] == "Idempotency-Key"),
                method: method.to_uppercase(),
                path: path.clone(),
                id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
                statuses: statuses(operation),
                takes_credential: !operation["security"].as_array().expect("security is said").is_empty(),
            });
        }
    }
    assert!(operations.len() >= 12, "the document names only {operations:?}");
    operations
}

fn statuses(operation: &Value) -> BTreeSet<u16> {
    let responses = operation["responses"].as_object().expect("an operation has responses");
    responses.keys().map(|status| status.parse().expect("a status")).collect()
}
