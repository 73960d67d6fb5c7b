//! A new root token: what ends with the old one, and what does not.

use std::time::Duration;

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

async fn own(client: &Api) -> Reply {
    client.get("/delegation/self").await
}

/// Rotates, which must succeed, and returns a client with the new root token.
async fn rotate(root: &Api, body: Value) -> Api {
    let reply = root.post("/root/rotate", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    root.with_token(&reply.text("/root_token"))
}

#[tokio::test]
async fn without_grace_the_old_root_token_ends_at_once_and_its_children_live_on() {
    let (server, tenant, old) = start().await;
    let (team, team_id) = old.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 100).await;
    let new = rotate(&old, json!({})).await;
    assert_eq!(own(&old).await.refusal(), (401, "revoked"));
    assert_eq!(old.spend(1).await.refusal(), (401, "revoked"));
    assert_eq!(old.mint("late", 1).await.refusal(), (401, "revoked"));
    assert_eq!(old.post("/root/rotate", &json!({})).await.refusal(), (401, "revoked"));
    assert_eq!(leaf.spend(10).await.status, 201);
    assert_eq!(leaf.child("below", 5).await.0.spend(5).await.status, 201);
    assert_eq!(own(&new).await.text("/id"), tenant.root_id, "the same node");
    assert_eq!(own(&new).await.number("/spent_credits"), 15);
    // Below a node of the old root key, with the new token, at a server that has never seen the old one.
    let replica = server.replica().await;
    let body = json!({ "label": "heir", "budget_credits": 50, "parent_id": team_id });
    let heir = replica.api.with_token(new.token().unwrap()).post("/delegation", &body).await;
    assert_eq!(heir.status, 201, "{}", heir.body);
    assert_eq!(server.api.with_token(&heir.text("/token")).spend(50).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn within_its_grace_the_old_root_token_works_beside_the_new_one() {
    let (_server, _, old) = start().await;
    let reply = old.post("/root/rotate", &json!({ "grace": "1h" })).await;
    let new = old.with_token(&reply.text("/root_token"));
    assert!(reply.body["previous_valid_until"].is_string());
    for root in [&old, &new] {
        assert_eq!(root.spend(1).await.status, 201);
        root.child("child", 10).await;
    }
    // A later rotation without grace ends whatever grace there was.
    let newest = rotate(&new, json!({})).await;
    for ended in [&old, &new] {
        assert_eq!(own(ended).await.refusal(), (401, "revoked"));
    }
    assert_eq!(own(&newest).await.status, 200);
}

#[tokio::test]
async fn a_later_grace_does_not_revive_or_prolong_an_older_token() {
    let (_server, _, first) = start().await;
    let second = rotate(&first, json!({})).await;
    let third = rotate(&second, json!({ "grace": "1h" })).await;
    assert_eq!(own(&first).await.refusal(), (401, "revoked"));
    let fourth = rotate(&third, json!({ "grace": "1s" })).await;
    rotate(&fourth, json!({ "grace": "1h" })).await;
    let mut polls = 0;
    while own(&third).await.status == 200 {
        polls += 1;
        assert!(polls < 600, "a grace of one second was prolonged by the next rotation");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(own(&third).await.refusal(), (401, "revoked"));
    assert_eq!(own(&fourth).await.status, 200);
}

#[tokio::test]
async fn revoke_issued_before_ends_older_tokens_and_nothing_newer() {
    let (server, tenant, root) = start().await;
    let (older, older_id) = root.child("older", 1_000).await;
    let (below_older, _) = older.child("below", 100).await;
    let marker = root.mint("marker", 100).await;
    let newer = root.with_token(&marker.text("/token"));
    let instant = marker.text("/created_at");
    let future = json!({ "revoke_issued_before": "2999-01-01T00:00:00Z" });
    assert_eq!(root.post("/root/rotate", &future).await.refusal(), (422, "validation"));
    let new_root = rotate(&root, json!({ "revoke_issued_before": instant })).await;
    for ended in [&older, &below_older, &root] {
        assert_eq!(own(ended).await.refusal(), (401, "revoked"));
        assert_eq!(ended.spend(1).await.refusal(), (401, "revoked"));
        assert_eq!(ended.mint("late", 1).await.refusal(), (401, "revoked"));
    }
    assert_eq!(newer.spend(1).await.status, 201, "issued at the instant itself, hence not before it");
    assert_eq!(new_root.child("later", 10).await.0.spend(10).await.status, 201);
    // The nodes live on: who has lost a token can be given another one below.
    let body = json!({ "label": "below again", "budget_credits": 100, "parent_id": older_id });
    let again = new_root.post("/delegation", &body).await;
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(new_root.with_token(&again.text("/token")).spend(100).await.status, 201);
    let verdict = new_root.post("/verify", &json!({ "token": older.token() })).await;
    assert_eq!((verdict.status, verdict.text("/code")), (200, "revoked".to_owned()));
    // An earlier instant later on does not bring anything back.
    rotate(&new_root, json!({ "revoke_issued_before": "2020-01-01T00:00:00Z", "grace": "1h" })).await;
    assert_eq!(own(&older).await.refusal(), (401, "revoked"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn only_the_root_rotates_the_root() {
    let (_server, _, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    assert_eq!(team.post("/root/rotate", &json!({})).await.status, 404);
    assert_eq!(own(&root).await.status, 200);
    for body in
        [json!({ "grace": "-1h" }), json!({ "grace": "soon" }), json!({ "revoke_issued_before": "now" })]
    {
        assert_eq!(root.post("/root/rotate", &body).await.refusal(), (422, "validation"), "{body}");
    }
    let unending = root.post("/root/rotate", &json!({ "grace": "2540400h" })).await;
    assert!(unending.status < 500, "{}", unending.body);
}

#[tokio::test]
async fn a_repeated_rotation_answers_with_the_same_token() {
    let (_server, _, root) = start().await;
    let body = json!({ "grace": "1h" });
    let first = root.post_with_key("/root/rotate", "one-and-the-same", &body).await;
    let again = root.post_with_key("/root/rotate", "one-and-the-same", &body).await;
    assert_eq!((first.status, again.status), (200, 200), "{}", again.body);
    assert_eq!((&first.body, again.header("idempotent-replayed")), (&again.body, Some("true")));
}

#[tokio::test]
async fn whoever_never_got_the_answer_of_a_rotation_without_grace_may_ask_again() {
    let (_server, _, root) = start().await;
    let first = root.post_with_key("/root/rotate", "one-and-the-same", &json!({})).await;
    assert_eq!(first.status, 200);
    let again = root.post_with_key("/root/rotate", "one-and-the-same", &json!({})).await;
    assert_eq!(again.status, 200, "the tenant is locked out: {}", again.body);
    assert_eq!(again.body, first.body);
}
