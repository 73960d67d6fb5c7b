//! A revocation ends what its preview showed, or nothing.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_domain::DelegationId;
use subgrant_tests::{Api, Reply, TestServer, assert_books_balance, attenuate};
use tokio::task::JoinSet;
use uuid::Uuid;

/// What somebody who has seen a preview sends.
fn as_seen(preview: &Reply) -> Value {
    json!({ "if_version": preview.body["version"], "if_descendants": preview.body["descendants"] })
}

async fn preview(api: &Api, id: &str) -> Reply {
    let preview = api.post(&format!("/delegation/{id}/revoke"), &json!({ "dry_run": true })).await;
    assert_eq!(preview.status, 200, "{}", preview.body);
    preview
}

#[tokio::test]
async fn what_is_made_below_after_the_preview_stops_the_revocation() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, id) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 100).await;
    let path = format!("/delegation/{id}/revoke");
    let offline = DelegationId::from_uuid(Uuid::now_v7());
    let blocks = [format!("delegation = {offline}.{:024x}", 7), "budget = 10".to_owned()];
    let blocks: Vec<_> = blocks.iter().map(String::as_bytes).collect();
    let offline = agent.with_token(&attenuate(agent.token().expect("a token"), &blocks));

    for (number, what) in ["a child", "a grandchild", "a child made offline"].iter().enumerate() {
        let seen = preview(&root, &id).await;
        assert_eq!(seen.number("/descendants"), 1 + number as u64);
        match number {
            0 => drop(team.child("new", 1).await),
            1 => drop(agent.child("new", 1).await),
            _ => assert_eq!(offline.spend(1).await.status, 201),
        }
        for body in [as_seen(&seen), json!({ "if_descendants": seen.body["descendants"] })] {
            let refused = root.post(&path, &body).await;
            refused.assert_problem(409, "stale_preview", what);
            root.post_with_key(&path, "key", &body).await.assert_problem(409, "stale_preview", what);
        }
        let again = json!({ "dry_run": true, "if_descendants": seen.body["descendants"] });
        root.post(&path, &again).await.assert_problem(409, "stale_preview", what);
        assert_eq!(agent.spend(1).await.status, 201, "{what}: nothing was revoked");
    }

    // Spending is no other tree: a busy one can be revoked as it was seen.
    let seen = preview(&root, &id).await;
    assert_eq!(agent.spend(1).await.status, 201);
    agent.held(1).await;
    let receipt = root.post_with_key(&path, "key", &as_seen(&seen)).await;
    assert_eq!((receipt.status, receipt.number("/descendants")), (200, 4), "{}", receipt.body);
    let replayed = root.post_with_key(&path, "key", &as_seen(&seen)).await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(agent.spend(1).await.refusal(), (401, "revoked"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mint_and_a_revocation_that_names_its_preview_never_both_succeed() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    for round in 0..12 {
        let (team, id) = root.child(&format!("team {round}"), 100).await;
        let body = as_seen(&preview(&root, &id).await);
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let mint = json!({ "label": format!("agent {number}"), "budget_credits": 1 });
            calls.spawn(Reply::of(team.request(Method::POST, "/delegation").json(&mint)));
        }
        let path = format!("/delegation/{id}/revoke");
        let revoke = Reply::of(root.request(Method::POST, &path).json(&body));
        let (revoked, minted) = tokio::join!(revoke, calls.join_all());
        let minted = minted.iter().filter(|reply| reply.status == 201).count();
        let (refusal, made) =
            if revoked.status == 200 { ((200, ""), 0) } else { ((409, "stale_preview"), 4) };
        assert_eq!((revoked.refusal(), minted), (refusal, made), "round {round}");
    }
}
