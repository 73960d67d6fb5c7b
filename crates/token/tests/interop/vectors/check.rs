//! Judges a vector with the crate under test and compares.

use serde_json::{Value, json};
use subgrant_domain::WindowLimit;
use subgrant_token::{
    CaveatFailure, ChainNode, Identifier, Macaroon, Refusal, RequestContext, RootKey, Scope, TokenError,
    VerificationKey, VerifiedToken, verify,
};

pub(super) fn assert_judged_as_written(vector: &Value) {
    let name = vector["name"].as_str().unwrap();
    let root_key: [u8; 32] = hex::decode(vector["root_key"].as_str().unwrap()).unwrap().try_into().unwrap();
    let root_key = RootKey::from_bytes(root_key);
    let text = vector["token"].as_str().unwrap();
    if vector.get("service").is_some() {
        assert_eq!(at_service(text, &vector["service"]), vector["service"], "{name}, at the service");
    }
    let parsed = Macaroon::parse(text);
    let outcome = parsed.and_then(|token| Ok((token.verify(&root_key)?, token)));
    let mut expect = vector["expect"].clone();
    let requests = expect["requests"].take();
    let requests = requests.as_array().map_or(&[][..], Vec::as_slice);
    let found = match &outcome {
        Ok((verified, token)) => described(verified, token),
        Err(error) => refusal(*error),
    };
    expect.as_object_mut().unwrap().remove("requests");
    assert_eq!(found, expect, "{name}");
    for request in requests {
        let (verified, _) = outcome.as_ref().expect("only valid tokens have requests");
        let judged = verified.scope().check_request(&context(&request["request"]));
        let found = judged.map_or_else(CaveatFailure::code, |()| "allowed");
        assert_eq!(found, request["outcome"], "{name}: {request}");
    }
}

/// The same fields as found by the service that holds the key.
fn at_service(text: &str, given: &Value) -> Value {
    let key = VerificationKey::parse(given["verification_key"].as_str().unwrap()).unwrap();
    let (outcome, digests) = match verify(text, &key, &context(&given["request"])) {
        Ok(verified) => {
            ("allowed", verified.nodes().iter().map(|node| hex::encode(node.digest.as_bytes())).collect())
        }
        Err(Refusal::Token(error)) => (error.code(), Vec::new()),
        Err(Refusal::Request(failure)) => (failure.code(), Vec::new()),
    };
    json!({
        "verification_key": given["verification_key"], "request": given["request"], "outcome": outcome,
        "digests": digests,
    })
}

fn refusal(error: TokenError) -> Value {
    let index = match error {
        TokenError::Caveat { index, .. } => Some(index),
        _ => None,
    };
    json!({ "valid": false, "class": error.class().as_str(), "code": error.code(), "index": index })
}

fn described(verified: &VerifiedToken, token: &Macaroon) -> Value {
    let payment_hash = match verified.identifier() {
        Identifier::Subgrant { .. } => None,
        Identifier::L402 { payment_hash, .. } => Some(hex::encode(payment_hash)),
    };
    let caveats: Vec<_> = verified.caveats().iter().map(ToString::to_string).collect();
    let nodes: Vec<_> = verified.nodes().iter().map(node).collect();
    let identifier = json!({
        "tenant": verified.identifier().tenant(), "root_key": verified.identifier().root_key(),
        "payment_hash": payment_hash,
    });
    json!({
        "valid": true, "identifier": identifier, "location": token.location(), "caveats": caveats, "nodes": nodes, "scope": scope(verified.scope()),
    })
}

fn node(node: &ChainNode) -> Value {
    let block = &node.block;
    json!({
        "digest": hex::encode(node.digest.as_bytes()), "budget_index": node.budget_index, "budget": node.budget,
        "caveats": [block.caveats.start, block.caveats.end], "claim": text(node.claim), "label": block.label,
        "cost_center": block.cost_center, "department": block.department, "expires": text(block.expires),
        "actions": text(block.actions), "max_per_spend": block.max_per_spend,
        "limits": block.limits.iter().map(WindowLimit::to_string).collect::<Vec<_>>(), "max_depth": block.max_depth,
        "audience": block.audience,
    })
}

fn scope(scope: &Scope) -> Value {
    let limits: Vec<_> = scope
        .limits
        .iter()
        .map(|scoped| json!({ "node": scoped.node, "limit": scoped.limit.to_string() }))
        .collect();
    json!({
        "budget": scope.budget, "max_per_spend": scope.max_per_spend, "expires": text(scope.expires()),
        "actions": scope.actions.to_string(), "limits": limits, "remaining_depth": scope.remaining_depth,
        "cost_center": scope.cost_center, "department": scope.department, "label": scope.label,
        "audience": scope.audience,
    })
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn context(request: &Value) -> RequestContext<'_> {
    let field = |name: &str| request.get(name).map(|value| value.as_str().unwrap());
    RequestContext {
        at: field("at").unwrap().parse().unwrap(),
        method: field("method"),
        path: field("path"),
        source_ip: field("source_ip").map(|address| address.parse().unwrap()),
        service: field("service").map(|id| id.parse().unwrap()),
        l402_service: field("l402_service"),
        l402_capability: field("l402_capability"),
    }
}
