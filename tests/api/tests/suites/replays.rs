//! Repeated requests: the same answer again, and the write only once.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_store::maintenance;
use subgrant_tests::{Api, Reply, TestServer, attenuate};

async fn stage() -> (TestServer, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    (server, root)
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == Some("true")
}

async fn assert_replays(api: &Api, path: &str, body: &Value) -> Reply {
    let first = api.post_with_key(path, "key-1", body).await;
    assert!(first.status < 300 && !is_replayed(&first), "{path}: {}", first.body);
    for _ in 0..3 {
        let again = api.post_with_key(path, "key-1", body).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        assert_eq!(again.header("location"), first.header("location"), "{path}");
        assert!(is_replayed(&again), "{path}");
    }
    first
}

#[tokio::test]
async fn a_mint_is_replayed_with_the_identical_token() {
    let (_, root) = stage().await;
    let (team, _) = root.child("team", 100).await;
    let body =
        json!({ "label": "agent", "budget_credits": 10, "expiry": "1h", "caveats": ["route = /v1/*"] });
    let minted = assert_replays(&team, "/delegation", &body).await;
    assert_eq!(
        team.get("/delegation/self").await.number("/reserved_for_children_credits"),
        10,
        "carved once"
    );
    assert_eq!(team.all("/delegation?").await.len(), 2);
    let spread = "{ \"caveats\":[\"route = /v1/*\"],\n \"expiry\": \"1h\", \"budget_credits\": 10, \"label\": \"agent\" }";
    let request = team.request(Method::POST, "/delegation").header("Idempotency-Key", "key-1");
    let again = Reply::of(request.header("Content-Type", "application/json").body(spread)).await;
    assert_eq!(again.body, minted.body, "spaces and the order of fields make no other request");
    assert_eq!(team.with_token(&again.text("/token")).spend(1).await.status, 201);
}

#[tokio::test]
async fn a_spend_a_revocation_and_a_rotation_are_replayed_and_done_once() {
    let (_, root) = stage().await;
    let (team, team_id) = root.child("team", 100).await;
    let body = json!({ "amount_credits": 7, "description": "x", "metadata": { "a": 1 } });
    assert_replays(&team, "/spend", &body).await;
    assert_eq!(team.get("/delegation/self").await.number("/spent_credits"), 7);
    assert_eq!(team.all("/ledger?").await.len(), 1);
    assert_replays(&team, &format!("/delegation/{team_id}/revoke"), &json!({})).await;
    assert_replays(&root, "/root/rotate", &json!({ "grace": "1h" })).await;
}

#[tokio::test]
async fn a_sign_up_is_replayed_only_to_who_knows_the_password() {
    let (server, _) = stage().await;
    let body =
        json!({ "organization": "New", "email": "new@new.example", "password": "correct horse battery" });
    assert_replays(&server.api, "/signup", &body).await;
    let mut guess = body.clone();
    guess["password"] = json!("wrong horse battery");
    let refused = server.api.post_with_key("/signup", "key-1", &guess).await;
    assert!([409, 422].contains(&refused.status), "{}", refused.body);
    assert_eq!(refused.header("set-cookie"), None);
    let other_key = server.api.post_with_key("/signup", "key-2", &body).await;
    assert_eq!(other_key.status, 201, "another key is another request: {}", other_key.body);
}

#[tokio::test]
async fn keys_of_other_principals_and_other_calls_are_other_keys() {
    let (server, root) = stage().await;
    let other = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 100).await;
    let body = json!({ "amount_credits": 1 });
    for api in [&root, &team, &other] {
        let spent = api.post_with_key("/spend", "same", &body).await;
        assert!(spent.status == 201 && !is_replayed(&spent), "{}", spent.body);
    }
    let minted =
        root.post_with_key("/delegation", "same", &json!({ "label": "x", "budget_credits": 1 })).await;
    assert!(minted.status == 201 && !is_replayed(&minted), "{}", minted.body);
    assert_eq!(root.get("/delegation/self").await.number("/spent_credits"), 2);
}

#[tokio::test]
async fn a_refusal_is_not_remembered_and_a_dry_run_is_no_write() {
    let (_, root) = stage().await;
    let (team, _) = root.child("team", 10).await;
    let body = json!({ "amount_credits": 1, "dry_run": true });
    let preview = team.post_with_key("/spend", "k", &body).await;
    assert_eq!((preview.status, preview.number("/remaining_credits")), (200, 9), "{}", preview.body);
    assert!(team.all("/ledger?").await.is_empty());
    let too_much = json!({ "label": "x", "budget_credits": 10 });
    let (_, child_id) = team.child("holds it", 5).await;
    team.post_with_key("/delegation", "later", &too_much).await.assert_problem(
        402,
        "budget_exhausted",
        "too much",
    );
    assert_eq!(root.post(&format!("/delegation/{child_id}/revoke"), &json!({})).await.status, 200);
    assert_eq!(
        team.post_with_key("/delegation", "later", &too_much).await.status,
        201,
        "now there is enough"
    );
}

#[tokio::test]
async fn a_replay_after_the_revocation_gives_nothing_away() {
    let (_, root) = stage().await;
    let (team, team_id) = root.child("team", 100).await;
    let mint = json!({ "label": "x", "budget_credits": 1 });
    assert_eq!(team.post_with_key("/delegation", "k", &mint).await.status, 201);
    assert_eq!(root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await.status, 200);
    team.post_with_key("/delegation", "k", &mint).await.assert_problem(401, "revoked", "mint");
    team.post_with_key("/spend", "k", &json!({ "amount_credits": 1 }))
        .await
        .assert_problem(401, "revoked", "spend");
}

#[tokio::test]
async fn a_narrowed_copy_of_a_token_does_not_get_a_wider_child_by_repeating_a_request() {
    let (_, root) = stage().await;
    let minted = root.mint("team", 100).await;
    let team = root.with_token(&minted.text("/token"));
    let body = json!({ "label": "agent", "budget_credits": 50 });
    assert_eq!(team.post_with_key("/delegation", "guessable", &body).await.status, 201);
    for (caveat, amount) in [
        ("max_per_spend = 5", 6),
        ("limit = 5/day", 6),
        ("source_ip = 127.0.0.1", 0),
        ("expires = 2030-01-01T00:00:00Z", 0),
    ] {
        let narrowed = root.with_token(&attenuate(&minted.text("/token"), &[caveat.as_bytes()]));
        let reply = narrowed.post_with_key("/delegation", "guessable", &body).await;
        if reply.status >= 400 {
            continue;
        }
        let caveats = reply.body["caveats"].as_array().unwrap();
        assert!(
            caveats.contains(&json!(caveat)),
            "{caveat} binds its holder and not the child: {}",
            reply.body
        );
        assert!(amount == 0 || root.with_token(&reply.text("/token")).spend(amount).await.status == 402);
    }
}

#[tokio::test]
async fn a_copy_that_contradicts_the_child_gets_none_by_repeating_the_request() {
    let (_, root) = stage().await;
    let minted = root.mint("team", 100).await;
    let team = root.with_token(&minted.text("/token"));
    let body = json!({ "label": "agent", "budget_credits": 50, "cost_center": "Finance" });
    assert_eq!(team.post_with_key("/delegation", "k", &body).await.status, 201);
    let other = attenuate(&minted.text("/token"), &[b"cost_center = Engineering"]);
    let refused = root.with_token(&other).post_with_key("/delegation", "k", &body).await;
    refused.assert_problem(403, "caveat_not_met", "no child of this copy could have the other cost centre");
}

#[tokio::test]
async fn a_narrowed_copy_does_not_get_a_wider_grandchild_by_repeating_a_request_either() {
    let (_, root) = stage().await;
    let minted = root.mint("team", 100).await;
    let team = root.with_token(&minted.text("/token"));
    let (_, agent_id) = team.child("agent", 50).await;
    let body = json!({ "label": "helper", "budget_credits": 20, "parent_id": agent_id });
    assert_eq!(team.post_with_key("/delegation", "guessable", &body).await.status, 201);
    let narrowed = root.with_token(&attenuate(&minted.text("/token"), &[b"max_per_spend = 5"]));
    let reply = narrowed.post_with_key("/delegation", "guessable", &body).await;
    let is_wider = reply.status < 300 && root.with_token(&reply.text("/token")).spend(6).await.status == 201;
    assert!(!is_wider, "{}", reply.body);
}

#[tokio::test]
async fn a_mint_is_replayed_with_the_identical_token_after_the_root_was_rotated() {
    let (_, root) = stage().await;
    let body = json!({ "label": "team", "budget_credits": 10 });
    let minted = root.post_with_key("/delegation", "k", &body).await;
    let rotated = root.post("/root/rotate", &json!({ "grace": "1h" })).await;
    let newer = root.with_token(&rotated.text("/root_token"));
    newer.post_with_key("/delegation", "k", &body).await.assert_problem(
        409,
        "secret_shown_once",
        "it was the old token that asked",
    );
    assert_eq!(newer.all("/delegation?").await.len(), 2, "and nothing was minted");
    let again = root.post_with_key("/delegation", "k", &body).await;
    assert_eq!((again.status, &again.body), (201, &minted.body), "the same token, key and body");
    assert_eq!(root.with_token(&again.text("/token")).spend(1).await.status, 201);
}

#[tokio::test]
async fn answers_are_forgotten_after_two_days_and_not_before() {
    let (server, root) = stage().await;
    let (agent, _) = root.child("agent", 100).await;
    let body = json!({ "amount_credits": 1 });
    for key in ["old", "new"] {
        assert_eq!(agent.post_with_key("/spend", key, &body).await.status, 201);
    }
    let age =
        "UPDATE idempotency SET created_at = now() - CASE key WHEN 'old' THEN interval '48 hours 1 minute'
        ELSE interval '47 hours' END";
    sqlx::query(age).execute(&server.database.superuser().await).await.unwrap();
    let forgotten = maintenance::forget_old_idempotency_records(server.app.database()).await.unwrap();
    assert_eq!(forgotten, 1);
    assert!(is_replayed(&agent.post_with_key("/spend", "new", &body).await));
    assert!(!is_replayed(&agent.post_with_key("/spend", "old", &body).await), "what was forgotten is new");
    assert_eq!(agent.get("/delegation/self").await.number("/spent_credits"), 3);
}
