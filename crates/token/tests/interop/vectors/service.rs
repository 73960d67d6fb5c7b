//! Tokens for a service: one list of caveats, two signatures, each judged by whom it is for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::build::{MadeBy, Valid, refused};
use crate::{
    oracle::{node_digest, signed_by},
    support::{SERVICE_KEY, identifier, service_key, to_bytes, to_text},
};

const NOW: &str = "2026-12-01T00:00:00Z";
const SERVICE: &str = "svc_01jd0000000000000000000007";
const CLAIM: &str = "dlg_01jd0000000000000000000001.9f2c00112233445566778899";
const CAVEATS: [&str; 5] = [
    "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899",
    "budget = 500",
    "audience = svc_01jd0000000000000000000007",
    "budget = 100",
    "max_per_spend = 5",
];

pub(super) fn vectors() -> Vec<Value> {
    let whole = valid("for a service", &CAVEATS);
    let first = whole["token"].as_str().unwrap().to_owned();
    let own = second(&CAVEATS);
    let allowed = at_service("allowed", &digests(&CAVEATS));
    let forged = at_service("bad_signature", &[]);
    let of_longer = second(&[&CAVEATS[..], &["method = GET"]].concat());
    let of_shorter = second(&CAVEATS[..3]);
    let with = |mut vector: Value, token: &str, service: &Value| {
        vector["token"] = json!(token);
        vector["service"] = service.clone();
        vector
    };
    let named = |name| valid(name, &CAVEATS);
    let to_nobody = ["budget = 500"];
    let nobody = Valid {
        nodes: vec![json!({ "budget_index": 0, "budget": 500, "caveats": [0, 1] })],
        scope: json!({ "budget": 500 }),
        ..Valid::new("signed for a service that it does not name", MadeBy::Macaroon, &to_nobody)
    };
    let nobody = nobody.vector();
    let nobody_text = format!("{}.{}", nobody["token"].as_str().unwrap(), second(&to_nobody));
    vec![
        with(whole.clone(), &format!("{first}.{own}"), &allowed),
        with(named("for a service, padded"), &format!("{}.{own}=", padded(&first)), &allowed),
        with(named("for a service, its first part alone"), &first, &forged),
        with(named("for a service, narrowed in its second part"), &format!("{first}.{of_longer}"), &forged),
        with(named("for a service, narrowed in its first part"), &format!("{first}.{of_shorter}"), &forged),
        with(nobody, &nobody_text, &at_service("audience", &[])),
        with(
            refused(
                "narrowed for a service without the first key",
                "subgrant",
                "",
                "forged",
                "bad_signature",
            ),
            &format!("{}.{}", resigned(), second(&NARROWED)),
            &at_service("allowed", &digests(&NARROWED)),
        ),
        refused(
            "no signature after the dot",
            "subgrant",
            &format!("{first}."),
            "malformed",
            "service_signature",
        ),
        refused(
            "a signature of 31 bytes after the dot",
            "subgrant",
            &format!("{first}.{}", to_text(&[9; 31])),
            "malformed",
            "service_signature",
        ),
        refused(
            "two signatures after dots",
            "subgrant",
            &format!("{first}.{own}.{own}"),
            "malformed",
            "not_base64",
        ),
        refused(
            "base64 of neither kind after the dot",
            "subgrant",
            &format!("{first}.{own}!"),
            "malformed",
            "not_base64",
        ),
    ]
}

const NARROWED: [&str; 6] = [CAVEATS[0], CAVEATS[1], CAVEATS[2], CAVEATS[3], CAVEATS[4], "actions = spend"];

/// What a holder makes who extends the second signature only: the first is what it was.
fn resigned() -> String {
    let of = |caveats: &[&str]| {
        let token = signed_by(&crate::support::KEY, &identifier().encode(), caveats);
        to_bytes(&token.serialize(macaroon::Format::V2).unwrap())
    };
    let (shown, narrowed) = (of(&CAVEATS), of(&NARROWED));
    to_text(&[&narrowed[..narrowed.len() - 32], &shown[shown.len() - 32..]].concat())
}

fn valid(name: &str, caveats: &[&str]) -> Value {
    Valid {
        nodes: vec![
            json!({ "budget_index": 1, "budget": 500, "caveats": [0, 3], "claim": CLAIM, "audience": SERVICE }),
            json!({ "budget_index": 3, "budget": 100, "caveats": [3, 5], "max_per_spend": 5 }),
        ],
        scope: json!({ "audience": SERVICE, "budget": 100, "max_per_spend": 5 }),
        requests: vec![
            json!({ "request": { "at": NOW, "service": SERVICE }, "outcome": "allowed" }),
            json!({ "request": { "at": NOW }, "outcome": "missing_context" }),
        ],
        ..Valid::new(name, MadeBy::SubgrantThenPymacaroons, caveats)
    }
    .vector()
}

/// How the service judges it, by its own key.
fn at_service(outcome: &str, digests: &[String]) -> Value {
    json!({
        "verification_key": *service_key().to_text(), "request": { "at": NOW }, "outcome": outcome,
        "digests": digests,
    })
}

/// The second part, from the oracle.
fn second(caveats: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(signed_by(&SERVICE_KEY, &identifier().encode(), caveats).signature())
}

/// The digests of both nodes in the service's own chain.
fn digests(caveats: &[&str]) -> Vec<String> {
    let digest = |end: usize| hex::encode(node_digest(&SERVICE_KEY, &identifier().encode(), &caveats[..end]));
    vec![digest(2), digest(4)]
}

fn padded(first: &str) -> String {
    let text = first.trim_start_matches("sgt_").trim_end_matches('=');
    format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
}
