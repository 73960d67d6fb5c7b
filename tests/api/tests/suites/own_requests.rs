//! Conditions on requests at Subgrant's own API: they are about the request to Subgrant, unless money is moved for a request
//! elsewhere, which is what a token is shown to a service for.

use serde_json::json;
use subgrant_tests::{Api, TestServer, assert_books_balance, attenuate};

fn narrowed(api: &Api, caveats: &[&str]) -> Api {
    let caveats: Vec<_> = caveats.iter().map(|text| text.as_bytes()).collect();
    api.with_token(&attenuate(api.token().expect("a token"), &caveats))
}

/// Every call that is not spending, by what a token of the delegation could otherwise do.
async fn manages(api: &Api, own: &str, child: &str) -> Vec<(String, u16, String)> {
    let mut found = Vec::new();
    let mut note = |what: &str, reply: subgrant_tests::Reply| {
        found.push((what.to_owned(), reply.status, reply.code().to_owned()));
    };
    note("mint", api.mint("x", 1).await);
    for target in [own, child] {
        for call in ["rotate", "freeze", "unfreeze"] {
            note(call, api.post(&format!("/delegation/{target}/{call}"), &json!({})).await);
        }
        let preview = json!({ "dry_run": true });
        note("revoke", api.post(&format!("/delegation/{target}/revoke"), &preview).await);
        note("update", api.update(target, &json!({ "label": "mine" })).await);
        for path in [format!("/delegation/{target}"), format!("/delegation/{target}/token")] {
            note(&path, api.get(&path).await);
        }
    }
    for path in ["/delegation", "/delegation/tree", "/ledger", "/hold", "/event", "/report/spend"] {
        note(path, api.get(path).await);
    }
    found
}

#[tokio::test]
async fn a_copy_for_a_request_elsewhere_spends_and_does_nothing_else() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, id) = root.child("team", 100).await;
    let (_, child) = team.child("child", 10).await;
    let before = root.snapshot().await;
    // What the clients send: for one request, good for a minute.
    let shown = narrowed(&team, &["route = /v1/reports", "method = GET", "expires = 2100-01-01T00:00:00Z"]);
    for (what, status, code) in manages(&shown, &id, &child).await {
        assert_eq!((status, code.as_str()), (403, "caveat_not_met"), "{what}");
    }
    assert_eq!(root.snapshot().await, before);

    assert_eq!(shown.spend(1).await.status, 201);
    let hold = shown.held(2).await;
    let extend = shown.post(&format!("/hold/{hold}/extend"), &json!({ "expires_in": "2h" })).await;
    assert_eq!(extend.status, 200, "{}", extend.body);
    assert_eq!(shown.capture(&hold, 1).await.status, 201);
    let hold = shown.held(2).await;
    assert_eq!(shown.post(&format!("/hold/{hold}/release"), &json!({})).await.status, 200);
    let items =
        json!({ "items": [{ "amount_credits": 1 }, { "amount_credits": 1, "token": shown.token() }] });
    let batch = root.post("/spend/batch", &items).await;
    assert_eq!(batch.number("/data/1/status"), 201, "{}", batch.body);
    for (request, valid) in [
        (json!({ "method": "GET", "path": "/v1/reports" }), true),
        (json!({ "method": "POST", "path": "/v1/reports" }), false),
        (json!({}), false),
    ] {
        assert_eq!(shown.get("/delegation/self").await.text("/id"), id, "what it is itself");
        let verdict = shown.post("/verify", &json!({ "token": shown.token(), "request": request })).await;
        assert_eq!((verdict.status, &verdict.body["valid"]), (200, &json!(valid)), "{request}");
    }
    // Anybody can append offline.
    let narrower =
        shown.post(&format!("/delegation/{id}/restrict"), &json!({ "caveats": ["max_per_spend = 1"] })).await;
    assert_eq!(narrower.status, 200, "{}", narrower.body);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_copy_for_one_request_to_subgrant_is_good_for_that_one() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, id) = root.child("team", 100).await;
    let (_, child) = team.child("child", 10).await;
    let only = |method: &str, path: &str| {
        narrowed(&team, &[&format!("method = {method}"), &format!("route = /api/cloud{path}")])
    };
    let mint = only("POST", "/delegation");
    assert_eq!(mint.mint("x", 1).await.status, 201);
    mint.get("/delegation").await.assert_problem(403, "caveat_not_met", "another method");
    let rotate = mint.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
    rotate.assert_problem(403, "caveat_not_met", "another path");
    let look = only("GET", "/delegation/*");
    assert_eq!(look.get("/delegation/self").await.status, 200);
    assert_eq!(look.get(&format!("/delegation/{child}")).await.status, 200);
    assert_eq!(look.get("/delegation/tree?depth=1").await.status, 200);
    look.get("/ledger").await.assert_problem(403, "caveat_not_met", "another path");
    look.get("/delegation/self/../../ledger").await.assert_problem(
        403,
        "caveat_not_met",
        "the same path, resolved",
    );
    look.mint("x", 1).await.assert_problem(403, "caveat_not_met", "another method");
    // A condition without the other is one as well.
    let read = narrowed(&team, &["method = GET"]);
    assert_eq!(read.get("/ledger").await.status, 200);
    read.mint("x", 1).await.assert_problem(403, "caveat_not_met", "another method");
    let elsewhere = narrowed(&team, &["route = /v1/*"]);
    elsewhere.get("/ledger").await.assert_problem(403, "caveat_not_met", "another path");
}

#[tokio::test]
async fn what_a_delegation_was_issued_for_speaks_of_services() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let body =
        json!({ "label": "routed", "budget_credits": 50, "caveats": ["route = /v1/*", "method = GET"] });
    let minted = root.post("/delegation", &body).await;
    let routed = root.with_token(&minted.text("/token"));
    assert_eq!(routed.get("/ledger").await.status, 200);
    let (below, _) = routed.child("below", 10).await;
    let rotated = root.post(&format!("/delegation/{}/rotate", minted.text("/id")), &json!({})).await;
    let rotated = root.with_token(&rotated.text("/token"));
    assert_eq!(rotated.mint("x", 1).await.status, 201);
    // A copy of it that is narrower still is for that request alone.
    for token in [&below, &rotated] {
        let copy = narrowed(token, &["route = /v1/reports"]);
        copy.mint("x", 1).await.assert_problem(403, "caveat_not_met", "mint");
        copy.get("/ledger").await.assert_problem(403, "caveat_not_met", "ledger");
        assert_eq!(copy.spend(1).await.status, 201);
    }
}

#[tokio::test]
async fn what_l402_says_is_not_ignored_where_the_service_is_not_known() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, id) = root.child("team", 100).await;
    let (_, child) = team.child("child", 10).await;
    let before = root.snapshot().await;
    for caveat in
        ["services=foo:0", "foo_capabilities=read", "foo_valid_until=1", "foo_valid_until=4102444800"]
    {
        let capped = narrowed(&team, &[caveat]);
        for (what, status, code) in manages(&capped, &id, &child).await {
            assert_eq!((status, code.as_str()), (403, "caveat_not_met"), "{caveat}: {what}");
        }
        capped.get("/delegation/self").await.assert_problem(403, "caveat_not_met", caveat);
        capped.spend(1).await.assert_problem(403, "caveat_not_met", caveat);
        capped.hold(1, "1m").await.assert_problem(403, "caveat_not_met", caveat);
        let items = json!({ "items": [{ "amount_credits": 1, "token": capped.token() }] });
        let batch = root.post("/spend/batch", &items).await;
        assert_eq!(batch.text("/data/0/code"), "caveat_not_met", "{caveat}");
    }
    assert_eq!(root.snapshot().await, before);
    assert_books_balance(&server, &tenant).await;
}
