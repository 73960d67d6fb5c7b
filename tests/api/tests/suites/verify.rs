//! What resource servers are told about a token. Nothing is ever debited.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer, ledger_totals};
use subgrant_token::Macaroon;

async fn verify(caller: &Api, token: &str, request: Value) -> Reply {
    let mut body = json!({ "token": token });
    if !request.is_null() {
        body["request"] = request;
    }
    let reply = caller.post("/verify", &body).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{}", reply.body);
    reply
}

fn verdict(reply: &Reply) -> Result<(), &str> {
    match (reply.body["valid"].as_bool(), reply.body["code"].as_str()) {
        (Some(true), None) => Ok(()),
        (Some(false), Some(code)) => Err(code),
        _ => panic!("no verdict: {}", reply.body),
    }
}

/// A token with caveats of its issuer.
async fn with_caveats(root: &Api, caveats: &[&str]) -> String {
    let body = json!({ "label": "restricted", "budget_credits": 100, "caveats": caveats });
    let reply = root.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.text("/token")
}

#[tokio::test]
async fn a_good_token_is_described_as_its_holder_may_see_it() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let body = json!({ "label": "leaf", "budget_credits": 900, "allocation": "cap", "cost_center": "Lab" });
    let minted = team.post("/delegation", &body).await;
    let leaf = team.with_token(&minted.text("/token"));
    assert_eq!(team.spend(300).await.status, 201);
    let reply = verify(&root, leaf.token().unwrap(), Value::Null).await;
    assert_eq!(verdict(&reply), Ok(()));
    assert_eq!(reply.body["delegation"], leaf.get("/delegation/self").await.body);
    assert_eq!(reply.number("/effective_remaining_credits"), 700);
    let caveats = reply.body["caveats"].as_array().unwrap();
    assert!(caveats.contains(&json!("cost_center = Lab")), "{caveats:?}");
    let nonces = minted.body["caveats"].as_array().unwrap();
    let secret = nonces.iter().rev().find(|caveat| caveat.as_str().unwrap().starts_with("delegation"));
    assert!(!caveats.contains(secret.unwrap()), "a nonce is part of the token and of nothing else");
    let root_view = verify(&leaf, &tenant.root_token, Value::Null).await;
    assert_eq!((verdict(&root_view), &root_view.body["effective_remaining_credits"]), (Ok(()), &Value::Null));
    assert_eq!(ledger_totals(&server, &tenant).await, (1, 300));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_called_what_it_is() {
    let server = TestServer::start().await;
    let (tenant, other) = (server.sign_up().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let (team, team_id) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 100).await;
    let expired = Macaroon::parse(team.token().unwrap()).unwrap();
    let expired = expired.attenuate(&["expires = 2020-01-01T00:00:00Z".parse().unwrap()]).unwrap().to_text();
    let contradictory = Macaroon::parse(team.token().unwrap()).unwrap();
    let caveats = ["cost_center = A", "cost_center = B"].map(|text| text.parse().unwrap());
    let contradictory = contradictory.attenuate(&caveats).unwrap().to_text();
    let mut flipped = team.token().unwrap().to_owned();
    let last = flipped.pop().unwrap();
    flipped.insert(flipped.len() - 1, if last == 'A' { 'E' } else { 'A' });
    assert_eq!(root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await.status, 200);
    for (token, code) in [
        ("", "malformed"),
        ("sgt_nonsense", "malformed"),
        (other.root_token.as_str(), "forged"),
        (leaf.token().unwrap(), "revoked"),
        (team.token().unwrap(), "revoked"),
        (contradictory.as_str(), "caveat_not_met"),
    ] {
        let reply = verify(&root, token, Value::Null).await;
        assert_eq!(verdict(&reply), Err(code), "{token}");
        assert!(reply.body.get("delegation").is_none() && reply.body.get("caveats").is_none());
    }
    let reply = verify(&root, &flipped, Value::Null).await;
    assert!(matches!(verdict(&reply), Err("forged" | "malformed")), "{}", reply.body);
    let reply = verify(&root, &expired, Value::Null).await;
    assert!(matches!(verdict(&reply), Err("expired" | "revoked")), "{}", reply.body);
}

#[tokio::test]
async fn an_expiry_that_a_holder_appended_counts() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (leaf, _) = root.child("leaf", 100).await;
    let macaroon = Macaroon::parse(leaf.token().unwrap()).unwrap();
    let at = |text: &str| macaroon.attenuate(&[text.parse().unwrap()]).unwrap().to_text();
    let (past, future) = (at("expires = 2020-01-01T00:00:00Z"), at("expires = 2999-01-01T00:00:00Z"));
    assert_eq!(verdict(&verify(&root, &past, Value::Null).await), Err("expired"));
    assert_eq!(verdict(&verify(&root, &future, Value::Null).await), Ok(()));
    assert_eq!(server.api.with_token(&past).spend(1).await.refusal(), (401, "expired"));
    assert_eq!(server.api.with_token(&future).spend(1).await.status, 201);
}

#[tokio::test]
async fn caveats_about_a_request_are_judged_by_it_and_refuse_what_is_not_said() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let caveats = ["route = /v1/*", "method = GET,POST", "source_ip = 10.0.0.0/8"];
    let token = with_caveats(&root, &caveats).await;
    let good = json!({ "path": "/v1/items?x=1", "method": "GET", "source_ip": "10.1.2.3" });
    assert_eq!(verdict(&verify(&root, &token, good.clone()).await), Ok(()));
    for (field, wrong) in [
        ("path", "/v2/items"),
        ("path", "/v1/../v2"),
        ("path", "/v1/%2e%2e/v2"),
        ("method", "DELETE"),
        ("source_ip", "192.168.0.1"),
        ("source_ip", "::1"),
    ] {
        let mut request = good.clone();
        request[field] = wrong.into();
        assert_eq!(verdict(&verify(&root, &token, request).await), Err("caveat_not_met"), "{field} {wrong}");
        let mut request = good.clone();
        request.as_object_mut().unwrap().remove(field);
        assert_eq!(verdict(&verify(&root, &token, request).await), Err("caveat_not_met"), "without {field}");
    }
    assert_eq!(verdict(&verify(&root, &token, Value::Null).await), Err("caveat_not_met"));
    let garbled = json!({ "token": token, "request": { "source_ip": "somewhere" } });
    assert_eq!(root.post("/verify", &garbled).await.refusal(), (422, "validation"));
}

#[tokio::test]
async fn routes_and_methods_are_for_resource_servers_and_addresses_for_everybody() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let routed = server.api.with_token(&with_caveats(&root, &["route = /v1/*", "method = GET"]).await);
    assert_eq!(routed.spend(1).await.status, 201);
    let (below, _) = routed.child("below", 10).await;
    assert_eq!(below.spend(1).await.status, 201);
    let elsewhere = json!({ "path": "/v2", "method": "GET" });
    let reply = verify(&root, below.token().unwrap(), elsewhere).await;
    assert_eq!(verdict(&reply), Err("caveat_not_met"), "what was minted below is bound as well");
    let from_far = server.api.with_token(&with_caveats(&root, &["source_ip = 10.0.0.0/8"]).await);
    assert_eq!(from_far.spend(1).await.refusal(), (403, "caveat_not_met"));
    let from_here = server.api.with_token(&with_caveats(&root, &["source_ip = 127.0.0.0/8"]).await);
    assert_eq!(from_here.spend(1).await.status, 201);
}
