//! Many clients at once, over two servers that share nothing but PostgreSQL: one serial order comes out.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use reqwest::Method;
use serde_json::json;
use subgrant_tests::{
    Api, Reply, Tenant, TestServer, assert_books_balance, assert_no_deadlocks, ledger_totals,
};
use tokio::task::JoinSet;

/// Two servers on one database, and a tenant.
async fn pair() -> (TestServer, TestServer, Tenant) {
    let server = TestServer::start().await;
    let replica = server.replica().await;
    let tenant = server.sign_up().await;
    (server, replica, tenant)
}

/// The same token at one of the two servers, in turns.
fn at(number: usize, client: &Api, replica: &TestServer) -> Api {
    let mut client = client.clone();
    if number % 2 == 1 {
        client.origin.clone_from(&replica.api.origin);
    }
    client
}

/// Runs one client per number at the same time and collects what they return.
async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    client: impl Fn(usize) -> F,
) -> Vec<T> {
    let mut clients: JoinSet<T> = (0..count).map(client).collect();
    let mut results = Vec::with_capacity(count);
    while let Some(result) = clients.join_next().await {
        results.push(result.expect("no client panics"));
    }
    results
}

fn count(replies: &[Reply], status: u16, code: &str) -> usize {
    replies.iter().filter(|reply| reply.refusal() == (status, code)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_spend_exactly_the_budget_of_one_leaf() {
    let (server, replica, tenant) = pair().await;
    let (team, team_id) = server.api.with_token(&tenant.root_token).child("team", 10_000).await;
    let (squad, squad_id) = team.child("squad", 5_000).await;
    let (parent, parent_id) = squad.child("parent", 2_000).await;
    let (leaf, leaf_id) = parent.child("leaf", 1_000).await;

    let left = Arc::new(AtomicU64::new(1_300));
    let replies = together(64, |number| {
        let (leaf, left) = (at(number, &leaf, &replica), Arc::clone(&left));
        async move {
            let mut replies = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                replies.push(leaf.spend(1).await);
            }
            replies
        }
    })
    .await
    .concat();

    assert_eq!(replies.len(), 1_300);
    assert_eq!((count(&replies, 201, ""), count(&replies, 402, "budget_exhausted")), (1_000, 300));
    let root = server.api.with_token(&tenant.root_token);
    for id in [&leaf_id, &parent_id, &squad_id, &team_id, &tenant.root_id] {
        assert_eq!(root.get(&format!("/delegation/{id}")).await.number("/spent_credits"), 1_000);
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (1_000, 1_000));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_carve_exactly_what_there_is() {
    let (server, replica, tenant) = pair().await;
    let (parent, _) = server.api.with_token(&tenant.root_token).child("parent", 1_000).await;
    let replies = together(32, |number| {
        let parent = at(number, &parent, &replica);
        async move { parent.mint(&format!("child {number}"), 100).await }
    })
    .await;
    assert_eq!((count(&replies, 201, ""), count(&replies, 402, "budget_exhausted")), (10, 22));
    let parent = parent.get("/delegation/self").await;
    assert_eq!(parent.number("/available_credits"), 0);
    assert_eq!((parent.number("/reserved_for_children_credits"), parent.number("/descendants")), (1_000, 10));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_browsers_mint_below_the_root_at_once() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    // More than the pool has connections: whoever holds the tenant's lock must not wait for another one.
    let replies = together(32, |number| {
        let request = server
            .api
            .request(Method::POST, "/delegation")
            .header("Cookie", format!("__Host-session={}", tenant.session))
            .header("Origin", &server.api.origin)
            .json(&json!({ "label": format!("child {number}"), "budget_credits": 1 }));
        Reply::of(request)
    })
    .await;
    assert_eq!(count(&replies, 201, ""), 32, "{:?}", replies.iter().map(Reply::refusal).collect::<Vec<_>>());
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spend_is_accepted_after_a_revoke_is_acknowledged() {
    let (server, replica, tenant) = pair().await;
    let (team, team_id) = server.api.with_token(&tenant.root_token).child("team", 1_000_000).await;
    let (leaf, _) = team.child("leaf", 1_000_000).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let revoked = Arc::new(AtomicBool::new(false));

    let revocation = {
        let (root, acknowledged, revoked) =
            (server.api.with_token(&tenant.root_token), Arc::clone(&acknowledged), Arc::clone(&revoked));
        tokio::spawn(async move {
            while acknowledged.load(Ordering::SeqCst) < 100 {
                tokio::task::yield_now().await;
            }
            let receipt = root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await;
            revoked.store(true, Ordering::SeqCst);
            receipt
        })
    };
    let late = together(16, |number| {
        let (leaf, acknowledged, revoked) =
            (at(number, &leaf, &replica), Arc::clone(&acknowledged), Arc::clone(&revoked));
        async move {
            let mut late = 0;
            loop {
                let is_late = revoked.load(Ordering::SeqCst);
                let reply = leaf.spend(1).await;
                if reply.status == 201 {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    late += u64::from(is_late);
                } else {
                    assert_eq!(reply.refusal(), (401, "revoked"));
                }
                if is_late {
                    return late;
                }
            }
        }
    })
    .await;

    let receipt = revocation.await.unwrap();
    assert_eq!(receipt.status, 200, "{}", receipt.body);
    assert_eq!(late.iter().sum::<u64>(), 0, "spends that were started after the acknowledgement");
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    assert_eq!(ledger_totals(&server, &tenant).await, (acknowledged, acknowledged));
    assert_eq!(receipt.number("/credits_freed"), 1_000_000 - acknowledged);
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_at_the_same_time_has_one_effect_and_one_answer() {
    let (server, replica, tenant) = pair().await;
    let (parent, _) = server.api.with_token(&tenant.root_token).child("parent", 1_000).await;
    let calls = [
        ("/spend", json!({ "amount_credits": 70 })),
        ("/delegation", json!({ "label": "child", "budget_credits": 300, "expiry": "1h" })),
    ];
    for (path, body) in calls {
        let replies = together(24, |number| {
            let (parent, body) = (at(number, &parent, &replica), body.clone());
            async move { parent.post_with_key(path, "one-and-the-same", &body).await }
        })
        .await;
        assert_eq!(count(&replies, 201, ""), 24, "{path}");
        assert!(replies.iter().all(|reply| reply.body == replies[0].body), "{path}: answers differ");
        let fresh = replies.iter().filter(|reply| reply.header("idempotent-replayed").is_none()).count();
        assert_eq!(fresh, 1, "{path}");
    }
    let parent = parent.get("/delegation/self").await;
    assert_eq!((parent.number("/spent_credits"), parent.number("/reserved_for_children_credits")), (70, 300));
    assert_eq!(ledger_totals(&server, &tenant).await, (1, 70));
    assert_books_balance(&server, &tenant).await;
}
