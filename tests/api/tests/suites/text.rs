//! Text is one text however it is written, and what a caller sent is kept to the letter where it is data.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};

/// `Café` with one character for the accented letter, and with two.
const COMPOSED: &str = "Caf\u{e9}";
const DECOMPOSED: &str = "Cafe\u{301}";

async fn stage() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Sends a body that no JSON value of Rust's would hold as it is.
async fn post_text(api: &Api, path: &str, body: &str) -> Reply {
    let request = api.request(Method::POST, path).header("Content-Type", "application/json");
    Reply::of(request.body(body.to_owned())).await
}

async fn minted(api: &Api, body: &Value) -> (Api, Reply) {
    let reply = api.post("/delegation", body).await;
    assert_eq!(reply.status, 201, "{body}: {}", reply.body);
    (api.with_token(&reply.text("/token")), reply)
}

#[tokio::test]
async fn two_spellings_of_a_cost_center_are_one_line_of_a_report() {
    let (server, tenant, root) = stage().await;
    let mut agents = Vec::new();
    for spelling in [COMPOSED, DECOMPOSED] {
        let body = json!({ "label": spelling, "budget_credits": 100, "cost_center": spelling });
        let (agent, reply) = minted(&root, &body).await;
        assert_eq!([reply.text("/label"), reply.text("/cost_center")], [COMPOSED, COMPOSED]);
        agents.push(agent);
    }
    // What is the same is no conflict, in a request and in a caveat that a holder appends.
    let body =
        json!({ "label": "x", "budget_credits": 10, "cost_center": DECOMPOSED, "department": DECOMPOSED });
    let (below, reply) = minted(&agents[0], &body).await;
    assert_eq!([reply.text("/cost_center"), reply.text("/department")], [COMPOSED, COMPOSED]);
    let caveat = format!("department = {DECOMPOSED}");
    agents.push(below.with_token(&attenuate(below.token().expect("a token"), &[caveat.as_bytes()])));
    // An offline child whose maker writes it otherwise.
    let caveats = [format!("cost_center = {DECOMPOSED}"), "budget = 5".to_owned()];
    let caveats: Vec<_> = caveats.iter().map(String::as_bytes).collect();
    agents.push(root.with_token(&attenuate(agents[1].token().expect("a token"), &caveats)));
    for agent in &agents {
        let spent = agent.spend(1).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
    }
    let report = root.get("/report/spend?group_by=cost_center").await;
    let lines: Vec<_> = report.body["data"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| line["cost_center"].clone())
        .collect();
    assert_eq!(lines, [json!(COMPOSED)], "{}", report.body);
    let listed = root.get(&format!("/delegation?cost_center={DECOMPOSED}")).await;
    assert_eq!(listed.body["data"].as_array().map(Vec::len), Some(4), "{}", listed.body);
    let found = root.get(&format!("/delegation?q={DECOMPOSED}")).await;
    assert_eq!(found.body["data"].as_array().map(Vec::len), Some(2), "{}", found.body);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_text_that_shows_nothing_is_empty_in_every_field_of_one_line() {
    let (server, tenant, root) = stage().await;
    let owner = server.owner(&tenant);
    for nothing in ["\u{115f}", "\u{3164}", "\u{2800}", "\u{200d}", "\u{301}"] {
        for field in ["label", "cost_center", "department"] {
            let mut body = json!({ "label": "x", "budget_credits": 1 });
            body[field] = json!(nothing);
            root.post("/delegation", &body).await.assert_invalid(&[&format!("/{field}")], nothing);
        }
        let service = root.post("/service", &json!({ "name": nothing })).await;
        service.assert_invalid(&["/name"], nothing);
        let settings = owner.patch("/tenant", &json!({ "organization": nothing })).await;
        settings.assert_invalid(&["/organization"], nothing);
    }
    // To the holder of a token as well.
    let (team, _) = root.child("team", 10).await;
    for caveat in ["label = \u{3164}", "cost_center = \u{200d}", "department = \u{2800}"] {
        let child =
            team.with_token(&attenuate(team.token().expect("a token"), &[b"budget = 5", caveat.as_bytes()]));
        let refused = child.spend(1).await;
        assert!([401, 403].contains(&refused.status), "{caveat:?}: {}", refused.body);
    }
    assert_eq!(team.get("/delegation/self").await.number("/spent_credits"), 0);
}

#[tokio::test]
async fn metadata_comes_back_letter_for_letter() {
    let (server, tenant, root) = stage().await;
    let (agent, id) = root.child("agent", 100).await;
    let metadata = r#"{"order":12345678901234567890123,"price":0.10, "b":1,"a":[1e2,null],"z":"\u00e9"}"#;
    let body = format!(r#"{{"amount_credits":1,"metadata":{metadata}}}"#);
    let request = || agent.request(Method::POST, "/spend").header("Content-Type", "application/json");
    for _ in 0..2 {
        let reply = Reply::of(request().header("Idempotency-Key", "once").body(body.clone())).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    // The same object in another spelling is the same request; other digits are not.
    let spelled = r#"{"z":"é","a":[1e2, null],"b":1,"price":0.10,"order":12345678901234567890123}"#;
    let again = format!(r#"{{"metadata":{spelled},"amount_credits":1.0}}"#);
    let reply = Reply::of(request().header("Idempotency-Key", "once").body(again.clone())).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, Some("true")), "{}", reply.body);
    let other = again.replace("0.10", "0.1");
    let reply = Reply::of(request().header("Idempotency-Key", "once").body(other)).await;
    assert_eq!(reply.refusal(), (422, "idempotency_mismatch"));
    let item = format!(r#"{{"items":[{body}]}}"#);
    assert_eq!(post_text(&agent, "/spend/batch", &item).await.body["data"][0]["status"], 201);
    let path = format!("/ledger?delegation_id={id}");
    let ledger =
        root.request(Method::GET, &path).send().await.expect("an answer").text().await.expect("a text");
    assert_eq!(ledger.matches(&format!(r#""metadata":{metadata}"#)).count(), 2, "{ledger}");
    for twice in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
        let body = format!(r#"{{"amount_credits":1,"metadata":{twice}}}"#);
        post_text(&agent, "/spend", &body).await.assert_invalid(&["/metadata"], twice);
    }
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_whole_number_may_be_written_in_any_way_and_is_never_rounded() {
    let (_server, _, root) = stage().await;
    let (agent, id) = root.child("agent", 1_000).await;
    for (number, value) in [("10.0", 10), ("1e1", 10), ("1E+1", 10), ("0.5e1", 5), ("7.000", 7)] {
        let spent = post_text(&agent, "/spend", &format!(r#"{{"amount_credits":{number}}}"#)).await;
        assert_eq!((spent.status, spent.number("/amount_credits")), (201, value), "{number}: {}", spent.body);
    }
    let spent = agent.get("/delegation/self").await.number("/spent_credits");
    for number in [
        "1.5",
        "0.99999999999999999999",
        "-1",
        "-1e0",
        "0",
        "0.0",
        "1e400",
        "9007199254740991.5",
        "9007199254740992",
        "1e16",
    ] {
        for (path, field, rest) in [
            ("/spend", "/amount_credits", ""),
            ("/hold", "/amount_credits", r#","expires_in":"1m""#),
            ("/delegation", "/budget_credits", r#","label":"x""#),
        ] {
            let name = &field[1..];
            let reply = post_text(&agent, path, &format!(r#"{{"{name}":{number}{rest}}}"#)).await;
            reply.assert_invalid(&[field], number);
        }
    }
    assert_eq!(agent.get("/delegation/self").await.number("/spent_credits"), spent, "nothing was changed");
    let body = r#"{"label":"deep","budget_credits":1e2,"max_per_spend":5e0,"max_depth":2.0,"limits":[{"per":"day","credits":5.0e1}]}"#;
    let reply = post_text(&agent, "/delegation", body).await;
    assert_eq!((reply.status, reply.number("/budget_credits")), (201, 100), "{}", reply.body);
    let revoked =
        post_text(&root, &format!("/delegation/{id}/revoke"), r#"{"dry_run":true,"if_version":1.0}"#).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
}

#[tokio::test]
async fn null_is_what_is_absent_in_fields_that_have_a_default() {
    let (_server, _, root) = stage().await;
    let body = json!({
        "label": "agent", "budget_credits": 10, "limits": null, "caveats": null, "expiry": null, "actions": null,
        "cost_center": null, "department": null, "max_per_spend": null, "max_depth": null, "allocation": null,
        "parent_id": null, "audience": null,
    });
    let (agent, reply) = minted(&root, &body).await;
    assert_eq!(reply.body["limits"], json!([]));
    let body = json!({ "amount_credits": 1, "dry_run": null, "metadata": null, "description": null });
    let spent = agent.post("/spend", &body).await;
    assert_eq!((spent.status, spent.body["dry_run"].is_null()), (201, true), "{}", spent.body);
    let preview = json!({ "dry_run": null, "if_version": null, "if_descendants": null, "reason": null });
    let revoked = root.post(&format!("/delegation/{}/revoke", reply.text("/id")), &preview).await;
    assert_eq!((revoked.status, &revoked.body["dry_run"]), (200, &json!(false)), "{}", revoked.body);
}

#[tokio::test]
async fn a_weak_tag_never_matches_and_the_refusal_says_so() {
    let (_server, _, root) = stage().await;
    let (_, id) = root.child("agent", 10).await;
    let refused = root.update_if(&id, "W/\"1\"", &json!({ "label": "other" })).await;
    refused.assert_problem(412, "stale_version", "a weak tag");
    assert!(refused.text("/detail").contains("weak tag"), "{}", refused.body);
    assert_eq!(root.update_if(&id, "W/\"1\", \"1\"", &json!({ "label": "other" })).await.status, 200);
}
