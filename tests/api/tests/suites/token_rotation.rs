//! A new token for the same delegation, and narrower copies of a token.

use serde_json::json;
use subgrant_tests::{Api, Reply, TestServer, attenuate};

async fn stage() -> (TestServer, Api, Api, String) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, team_id) = root.child("team", 100).await;
    (server, root, team, team_id)
}

async fn rotate(api: &Api, id: &str, grace: &str) -> Reply {
    let reply = api.post(&format!("/delegation/{id}/rotate"), &json!({ "grace": grace })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply
}

#[tokio::test]
async fn the_new_token_is_the_same_delegation_and_the_old_one_ends_after_the_grace() {
    let (_, root, team, team_id) = stage().await;
    assert_eq!(team.spend(10).await.status, 201);
    let new = team.with_token(&rotate(&root, &team_id, "1h").await.text("/token"));
    assert_ne!(new.token(), team.token());
    assert_eq!(new.spend(10).await.number("/remaining_credits"), 80);
    assert_eq!(team.spend(10).await.number("/remaining_credits"), 70, "the grace is not over");
    let newest = new.with_token(&rotate(&new, &team_id, "0s").await.text("/token"));
    for old in [&team, &new] {
        assert_eq!(old.spend(1).await.refusal(), (401, "revoked"));
        assert_eq!(old.get("/delegation/self").await.refusal(), (401, "revoked"));
    }
    assert_eq!(newest.spend(1).await.number("/remaining_credits"), 69);
}

#[tokio::test]
async fn delegations_below_go_on_whichever_token_they_were_made_with() {
    let (_, root, team, team_id) = stage().await;
    let (old_child, old_child_id) = team.child("old", 10).await;
    let new = team.with_token(&rotate(&root, &team_id, "1h").await.text("/token"));
    let (new_child, new_child_id) = new.child("new", 10).await;
    let (late_child, late_child_id) = team.child("made with the old token in its grace", 10).await;
    rotate(&root, &team_id, "0s").await;
    for (child, id) in [(&old_child, old_child_id), (&new_child, new_child_id), (&late_child, late_child_id)]
    {
        assert_eq!(child.spend(1).await.status, 201);
        // A grandchild by the root is written from what is stored: every nonce must be derived again.
        let body = json!({ "label": "grandchild", "budget_credits": 1, "parent_id": id });
        let grandchild = root.post("/delegation", &body).await;
        assert_eq!(grandchild.status, 201, "{}", grandchild.body);
        assert_eq!(root.with_token(&grandchild.text("/token")).spend(1).await.status, 201);
        let listed = root.get(&format!("/delegation/{id}")).await.body["caveats"].to_string();
        assert!(!listed.contains('+'), "{listed}");
    }
}

#[tokio::test]
async fn who_did_not_get_the_answer_may_ask_again() {
    let (_, _, team, team_id) = stage().await;
    let path = format!("/delegation/{team_id}/rotate");
    let first = team.post_with_key(&path, "k", &json!({})).await;
    let again = team.post_with_key(&path, "k", &json!({})).await;
    assert_eq!((first.status, again.status, &first.body), (200, 200, &again.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = team.post_with_key(&path, "k", &json!({ "grace": "1h" })).await;
    assert_eq!(other.refusal(), (401, "revoked"), "whoever was shut out is told nothing of a record");
    assert_eq!(team.post(&path, &json!({})).await.refusal(), (401, "revoked"), "the old token is over");
    assert_eq!(team.with_token(&again.text("/token")).spend(1).await.status, 201);
}

#[tokio::test]
async fn a_narrowed_copy_stays_narrow_when_it_rotates_itself() {
    let (_, _, team, team_id) = stage().await;
    let narrow = team.with_token(&attenuate(team.token().expect("a token"), &[b"max_per_spend = 5"]));
    let rotated = narrow.with_token(&rotate(&narrow, &team_id, "0s").await.text("/token"));
    assert_eq!(rotated.spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(rotated.spend(5).await.status, 201);
}

#[tokio::test]
async fn only_oneself_or_an_ancestor_rotates_and_only_what_lives() {
    let (_, root, team, team_id) = stage().await;
    let (sibling, _) = root.child("sibling", 10).await;
    let path = format!("/delegation/{team_id}/rotate");
    assert_eq!(sibling.post(&path, &json!({})).await.refusal(), (404, "not_found"));
    let root_id = root.get("/delegation/self").await.text("/id");
    let of_root = format!("/delegation/{root_id}/rotate");
    assert_eq!(team.post(&of_root, &json!({})).await.refusal(), (404, "not_found"));
    assert_eq!(root.post(&of_root, &json!({})).await.refusal(), (409, "is_root"));
    assert_eq!(root.post(&path, &json!({ "grace": "soon" })).await.refusal(), (422, "validation"));
    assert_eq!(root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await.status, 200);
    assert_eq!(root.post(&path, &json!({})).await.refusal(), (409, "already_revoked"));
    assert_eq!(team.post(&path, &json!({})).await.refusal(), (401, "revoked"));
}

#[tokio::test]
async fn a_restricted_token_is_what_an_offline_attenuation_would_be() {
    let (_, root, team, team_id) = stage().await;
    let path = format!("/delegation/{team_id}/restrict");
    let reply = team.post(&path, &json!({ "caveats": ["max_per_spend = 5", "route = /v1/*"] })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let offline = attenuate(team.token().expect("a token"), &[b"max_per_spend = 5", b"route = /v1/*"]);
    assert_eq!(reply.text("/token"), offline);
    assert_eq!(team.with_token(&offline).spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(team.spend(6).await.status, 201, "the original stays as it is");
    for caveats in
        [json!([]), json!(["budget = 5"]), json!(["nonsense"]), json!(["surprise = 1"]), json!([5])]
    {
        let refused = team.post(&path, &json!({ "caveats": caveats })).await;
        assert_eq!(refused.refusal(), (422, "validation"), "{caveats}");
    }
    let conflict = team.post(&path, &json!({ "caveats": ["label = other"] })).await;
    assert_eq!(conflict.refusal(), (422, "narrower_than_parent"), "a second name would never be accepted");
    assert_eq!(
        root.post(&path, &json!({ "caveats": ["max_depth = 0"] })).await.status,
        403,
        "not in another's name"
    );
}
