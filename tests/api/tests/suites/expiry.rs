//! Expiry is decided at the moment of the decision: nobody has to notice it first.

use std::time::Duration;

use serde_json::json;
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

/// Waits until a token has expired.
async fn wait_until_expired(client: &Api) {
    for _ in 0..600 {
        if own(client).await.refusal() == (401, "expired") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the token does not expire");
}

#[tokio::test]
async fn unspent_carve_of_an_expired_child_is_the_parents_again_without_any_job() {
    let (server, tenant, root) = start().await;
    let (top, _) = root.child("top", 1_000).await;
    let body = json!({ "label": "short", "budget_credits": 1_000, "expiry": "2s" });
    let minted = top.post("/delegation", &body).await;
    let (short, short_id) = (top.with_token(&minted.text("/token")), minted.text("/id"));
    let body = json!({ "label": "below", "budget_credits": 800 });
    let inherited = short.post("/delegation", &body).await;
    assert_eq!(inherited.text("/expires_at"), minted.text("/expires_at"), "an expiry is inherited exactly");
    let (below, below_id) = (top.with_token(&inherited.text("/token")), inherited.text("/id"));
    let outlives = json!({ "label": "outlives", "budget_credits": 1, "expiry": "1h" });
    assert_eq!(short.post("/delegation", &outlives).await.refusal(), (422, "narrower_than_parent"));
    assert_eq!(below.spend(300).await.status, 201);
    // Looked at from a token that is not asked about the tree, so that the first to notice is the mint.
    wait_until_expired(&short).await;
    assert_eq!(below.spend(1).await.refusal(), (401, "expired"));
    assert_eq!(top.mint("too much", 701).await.number("/max_affordable_credits"), 700);
    top.child("heir", 700).await;
    let view = top.get(&format!("/delegation/{below_id}")).await;
    assert_eq!(
        (view.text("/status"), view.text("/deactivated_by")),
        ("expired".to_owned(), short_id.clone())
    );
    let receipt = top.post(&format!("/delegation/{short_id}/revoke"), &json!({})).await;
    assert_eq!((receipt.status, receipt.number("/credits_freed")), (200, 0), "{}", receipt.body);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn whoever_looks_after_an_expiry_sees_the_credits_back() {
    let (server, tenant, root) = start().await;
    let (parent, _) = root.child("parent", 500).await;
    let body = json!({ "label": "short", "budget_credits": 400, "expiry": "1s" });
    let minted = parent.post("/delegation", &body).await;
    let short = parent.with_token(&minted.text("/token"));
    // Asked at another server, which has seen none of it.
    wait_until_expired(&short).await;
    let replica = server.replica().await;
    let view = own(&replica.api.with_token(parent.token().unwrap())).await;
    let sums = ["/available_credits", "/effective_remaining_credits"].map(|field| view.number(field));
    assert_eq!((sums, view.number("/reserved_for_children_credits")), ([500, 500], 0));
    assert_eq!(parent.spend(501).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(parent.spend(500).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_expiry_is_never_later_than_the_parents_and_may_be_exactly_it() {
    let (_server, _, root) = start().await;
    let minted = |parent: &Api, budget: u64, expiry: &str| {
        let (parent, body) =
            (parent.clone(), json!({ "label": "node", "budget_credits": budget, "expiry": expiry }));
        async move { parent.post("/delegation", &body).await }
    };
    let parent = minted(&root, 1_000, "720h").await;
    let end = parent.text("/expires_at");
    let parent = root.with_token(&parent.text("/token"));
    // A moment later the same duration would end after the parent: it is taken to mean as long as possible.
    let child = minted(&parent, 100, "720h").await;
    assert_eq!((child.status, child.text("/expires_at")), (201, end.clone()));
    let child = root.with_token(&child.text("/token"));
    assert_eq!(minted(&child, 10, &end).await.text("/expires_at"), end);
    for wider in ["721h", "P31D", "9998-12-31T00:00:00Z"] {
        assert_eq!(minted(&child, 1, wider).await.refusal(), (422, "narrower_than_parent"), "{wider}");
    }
    for past in ["2020-01-01T00:00:00Z", "0s"] {
        assert_eq!(minted(&child, 1, past).await.refusal(), (422, "validation"), "{past}");
    }
}

#[tokio::test]
async fn a_sibling_of_an_expired_child_may_spend_what_it_left() {
    let (server, tenant, root) = start().await;
    let (parent, _) = root.child("parent", 1_000).await;
    let body = json!({ "label": "sibling", "budget_credits": 1_000, "allocation": "cap" });
    let sibling = parent.with_token(&parent.post("/delegation", &body).await.text("/token"));
    let body = json!({ "label": "short", "budget_credits": 900, "expiry": "1s" });
    let short = parent.with_token(&parent.post("/delegation", &body).await.text("/token"));
    wait_until_expired(&short).await;
    let tried = sibling.post("/spend", &json!({ "amount_credits": 1_000, "dry_run": true })).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    assert_eq!(sibling.spend(1_000).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}
