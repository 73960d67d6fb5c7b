//! Freezing: everything below stops, nothing is reclaimed, and unfreezing lets it go on.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Root › team › middle › leaf, each with its id.
async fn branch(root: &Api) -> [(Api, String); 3] {
    let team = root.child("team", 1_000).await;
    let middle = team.0.child("middle", 500).await;
    let leaf = middle.0.child("leaf", 300).await;
    [team, middle, leaf]
}

async fn status(client: &Api, id: &str) -> (String, Value) {
    let seen = client.get(&format!("/delegation/{id}")).await;
    (seen.text("/status"), seen.body["deactivated_by"].clone())
}

async fn assert_done(client: &Api, id: &str, verb: &str) {
    let reply = client.act(id, verb).await;
    assert_eq!(reply.status, 200, "{verb}: {}", reply.body);
}

#[tokio::test]
async fn a_frozen_node_and_all_below_it_are_refused_on_every_call() {
    let (server, tenant, root) = start().await;
    let [(team, _), (middle, middle_id), (leaf, leaf_id)] = branch(&root).await;
    let (spend, hold) = (leaf.spend(5).await.text("/id"), leaf.held(1).await);
    let frozen = team.act(&middle_id, "freeze").await;
    assert_eq!((frozen.status, frozen.text("/status")), (200, "frozen".to_owned()), "{}", frozen.body);
    let amount = json!({ "amount_credits": 1 });
    for client in [&middle, &leaf] {
        for path in ["/delegation/self", "/delegation", "/ledger", &format!("/spend/{spend}")] {
            client.get(path).await.assert_problem(403, "frozen", path);
        }
        for (path, body) in [
            ("/spend", amount.clone()),
            ("/spend", json!({ "amount_credits": 1, "dry_run": true })),
            ("/hold", json!({ "amount_credits": 1, "expires_in": "5m" })),
            (&format!("/hold/{hold}/capture"), amount.clone()),
            (&format!("/hold/{hold}/extend"), json!({ "expires_in": "5m" })),
            (&format!("/hold/{hold}/release"), json!({})),
            (&format!("/spend/{spend}/refund"), json!({ "reason": "x" })),
            ("/delegation", json!({ "label": "x", "budget_credits": 1 })),
            ("/verify", json!({ "token": leaf.token() })),
            (&format!("/delegation/{leaf_id}/revoke"), json!({})),
            (&format!("/delegation/{leaf_id}/freeze"), json!({})),
            (&format!("/delegation/{middle_id}/unfreeze"), json!({})),
        ] {
            let reply = client.post(path, &body).await;
            let is_above = client.token() == leaf.token() && path.contains(&middle_id);
            if !is_above {
                reply.assert_problem(403, "frozen", path);
            }
            assert!(reply.status == 403 || reply.status == 404, "{path}: {}", reply.body);
        }
        let batch = client.post("/spend/batch", &json!({ "items": [amount] })).await;
        let told = if batch.status == 200 { &batch.body["data"][0] } else { &batch.body };
        assert_eq!((&told["status"], &told["code"]), (&json!(403), &json!("frozen")), "{}", batch.body);
    }
    let below = json!({ "label": "x", "budget_credits": 1, "parent_id": leaf_id });
    root.post("/delegation", &below).await.assert_problem(403, "frozen", "a mint below a frozen node");
    assert_eq!(team.spend(1).await.status, 201, "what is above goes on");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn those_above_see_what_is_frozen_and_by_whom() {
    let (_server, _, root) = start().await;
    let [(team, team_id), (middle, middle_id), (_, leaf_id)] = branch(&root).await;
    assert_done(&team, &middle_id, "freeze").await;
    assert_eq!(status(&team, &middle_id).await, ("frozen".to_owned(), Value::Null));
    assert_eq!(status(&team, &leaf_id).await, ("frozen".to_owned(), json!(middle_id)));
    assert_eq!(status(&team, &team_id).await, ("active".to_owned(), Value::Null));
    let ids = |reply: &Reply| -> Vec<Value> {
        let data = reply.body["data"].as_array().expect("a list");
        data.iter().map(|item| item["id"].clone()).collect()
    };
    let listed = root.get("/delegation?status=frozen").await;
    assert_eq!(ids(&listed), [json!(middle_id), json!(leaf_id)], "{}", listed.body);
    let listed = team.get("/delegation?status=active").await;
    assert_eq!(ids(&listed), [json!(team_id)], "{}", listed.body);
    for token in [middle.token(), Some(&attenuate(middle.token().expect("a token"), &[b"actions = spend"]))] {
        let verdict = root.post("/verify", &json!({ "token": token })).await;
        assert_eq!((verdict.status, verdict.code()), (200, "frozen"), "{}", verdict.body);
        assert_eq!(verdict.body["valid"], json!(false));
    }
}

#[tokio::test]
async fn freezing_reclaims_nothing_and_unfreezing_restores_all() {
    let (server, tenant, root) = start().await;
    let [(team, team_id), (middle, middle_id), (leaf, _)] = branch(&root).await;
    assert_eq!(leaf.spend(40).await.status, 201);
    let before = root.snapshot().await;
    assert_done(&root, &team_id, "freeze").await;
    assert_eq!(root.balances().await, json!([40, 0, 960, null]));
    let frozen = root.get(&format!("/delegation/{team_id}")).await;
    assert_eq!(frozen.number("/reserved_for_children_credits"), 460);
    assert_eq!(frozen.number("/version"), 2, "the settings have changed");
    assert_eq!(middle.spend(1).await.refusal(), (403, "frozen"));
    assert_done(&root, &team_id, "unfreeze").await;
    let after = root.snapshot().await;
    assert_eq!(after["list"][1]["version"], json!(3));
    let without_versions = |mut snapshot: Value| {
        for view in snapshot["list"].as_array_mut().expect("a list") {
            view["version"] = Value::Null;
        }
        snapshot
    };
    assert_eq!(without_versions(after), without_versions(before), "everything is as it was");
    for client in [&team, &middle, &leaf] {
        assert_eq!(client.spend(1).await.status, 201);
    }
    assert_eq!(status(&team, &middle_id).await.0, "active");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_child_frozen_below_a_frozen_parent_thaws_only_with_both() {
    let (_server, _, root) = start().await;
    let [(team, team_id), (middle, middle_id), (leaf, _)] = branch(&root).await;
    assert_done(&team, &middle_id, "freeze").await;
    assert_done(&root, &team_id, "freeze").await;
    assert_done(&root, &middle_id, "unfreeze").await;
    assert_eq!(status(&root, &middle_id).await, ("frozen".to_owned(), json!(team_id)));
    assert_eq!(leaf.spend(1).await.refusal(), (403, "frozen"));
    assert_eq!(middle.spend(1).await.refusal(), (403, "frozen"));
    assert_done(&root, &team_id, "unfreeze").await;
    assert_eq!(leaf.spend(1).await.status, 201);
}

#[tokio::test]
async fn what_cannot_be_frozen_or_unfrozen_is_a_conflict() {
    let (server, tenant, root) = start().await;
    let [(_, team_id), (_, middle_id), (leaf, leaf_id)] = branch(&root).await;
    root.act(&team_id, "unfreeze").await.assert_problem(409, "not_frozen", "an active node");
    assert_done(&root, &team_id, "freeze").await;
    root.act(&team_id, "freeze").await.assert_problem(409, "already_frozen", "a frozen node");
    root.act(&middle_id, "unfreeze").await.assert_problem(409, "not_frozen", "only its parent is frozen");
    let stale = root.post(&format!("/delegation/{team_id}/revoke"), &json!({ "if_version": 1 })).await;
    stale.assert_problem(409, "stale_version", "a version from before the freeze");
    let receipt = root.act(&team_id, "revoke").await;
    assert_eq!((receipt.status, receipt.number("/credits_freed")), (200, 1_000), "{}", receipt.body);
    assert_eq!(leaf.spend(1).await.refusal(), (401, "revoked"));
    assert_eq!(status(&root, &leaf_id).await, ("revoked".to_owned(), json!(team_id)));
    for (id, verb) in [(&team_id, "freeze"), (&team_id, "unfreeze"), (&leaf_id, "freeze")] {
        root.act(id, verb).await.assert_problem(409, "already_revoked", verb);
    }
    let brief = json!({ "label": "brief", "budget_credits": 10, "expiry": "1s" });
    let brief_id = root.post("/delegation", &brief).await.text("/id");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    root.act(&brief_id, "freeze").await.assert_problem(409, "expired", "an expired node");
    root.act("dlg_01jd0000000000000000000001", "freeze").await.assert_problem(404, "not_found", "unknown");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn nobody_freezes_or_unfreezes_what_is_above_or_beside() {
    let (_server, _, root) = start().await;
    let [(team, team_id), (middle, middle_id), (leaf, leaf_id)] = branch(&root).await;
    let (sibling, _) = team.child("sibling", 10).await;
    for (client, id) in [(&leaf, &middle_id), (&middle, &team_id), (&sibling, &leaf_id)] {
        for verb in ["freeze", "unfreeze"] {
            client.act(id, verb).await.assert_problem(404, "not_found", verb);
        }
    }
    let weak = team.with_token(&attenuate(team.token().expect("a token"), &[b"actions = spend,read"]));
    weak.act(&middle_id, "freeze").await.assert_problem(403, "action_not_permitted", "no delegate action");
    let refused = root.post(&format!("/delegation/{team_id}/freeze"), &json!({ "why": "x" })).await;
    refused.assert_invalid(&["/why"], "an unknown field");
    assert_eq!(leaf.spend(1).await.status, 201, "nothing was frozen");
}

#[tokio::test]
async fn a_freeze_sent_again_is_answered_again() {
    let (_server, _, root) = start().await;
    let [(team, _), (_, middle_id), _] = branch(&root).await;
    for (verb, state) in [("freeze", "frozen"), ("unfreeze", "active")] {
        let path = format!("/delegation/{middle_id}/{verb}");
        let first = team.post_with_key(&path, "one", &json!({})).await;
        assert_eq!((first.status, first.text("/status").as_str()), (200, state), "{}", first.body);
        let again = team.post_with_key(&path, "one", &json!({})).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
        assert_eq!(again.body, first.body);
    }
    let seen = team.get(&format!("/delegation/{middle_id}")).await;
    assert_eq!((seen.text("/status"), seen.number("/version")), ("active".to_owned(), 3));
}

#[tokio::test]
async fn whoever_freezes_itself_may_ask_again_for_the_answer_and_not_unfreeze() {
    let (_server, _, root) = start().await;
    let (team, team_id) = root.child("team", 100).await;
    let path = format!("/delegation/{team_id}/freeze");
    let first = team.post_with_key(&path, "self", &json!({})).await;
    assert_eq!((first.status, first.text("/status")), (200, "frozen".to_owned()), "{}", first.body);
    team.act(&team_id, "unfreeze").await.assert_problem(403, "frozen", "by itself");
    let again = team.post_with_key(&path, "self", &json!({})).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.body);
}

#[tokio::test]
async fn a_session_freezes_and_unfreezes_from_the_same_origin_only() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 100).await;
    let send = async |verb: &str, origin: &str| {
        let request = server.api.request(Method::POST, &format!("/delegation/{team_id}/{verb}"));
        let cookie = format!("__Host-session={}", tenant.session);
        Reply::of(request.header("Cookie", cookie).header("Origin", origin).json(&json!({}))).await
    };
    assert_eq!(send("freeze", "https://evil.example").await.status, 403);
    assert_eq!(team.spend(1).await.status, 201);
    assert_eq!(send("freeze", &server.api.origin).await.status, 200);
    assert_eq!(team.spend(1).await.refusal(), (403, "frozen"));
    assert_eq!(send("unfreeze", &server.api.origin).await.status, 200);
    assert_eq!(team.spend(1).await.status, 201);
}

#[tokio::test]
async fn a_frozen_root_stops_the_tenant_and_only_its_people_can_thaw_it() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 100).await;
    assert_done(&root, &tenant.root_id, "freeze").await;
    root.act(&tenant.root_id, "unfreeze").await.assert_problem(403, "frozen", "the root token itself");
    assert_eq!(team.spend(1).await.refusal(), (403, "frozen"));
    let request = server.api.request(Method::POST, &format!("/delegation/{}/unfreeze", tenant.root_id));
    let request = request.header("Cookie", format!("__Host-session={}", tenant.session));
    let thawed = Reply::of(request.header("Origin", &server.api.origin)).await;
    assert_eq!((thawed.status, thawed.text("/status")), (200, "active".to_owned()), "{}", thawed.body);
    assert_eq!((team.spend(1).await.status, root.spend(1).await.status), (201, 201));
}
