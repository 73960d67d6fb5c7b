//! Whoever goes away in the middle leaves nothing open: each call is dropped at each of its awaits, on a pool so small
//! that one connection lost or handed out inside a transaction would be noticed at once.

use std::{future::Future, pin::pin, task::Poll};

use serde_json::json;
use subgrant_domain::Credits;
use subgrant_service::SpendRequest;
use subgrant_tests::{NODES, Rig, mint_request, post};
use tower::ServiceExt;

/// Polls `future` at most `polls` times, then drops it. Whether it had completed.
async fn drop_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops a call at its first await, then the same call at its second, and so on until it completes by itself.
async fn drop_everywhere<F: Future>(rig: &Rig, what: &str, least_awaits: usize, call: impl AsyncFn() -> F) {
    for polls in 1..1_000 {
        let is_complete = drop_after(polls, call().await).await;
        rig.assert_nothing_is_left_open(&format!("{what}, dropped at await {polls}")).await;
        if is_complete {
            assert!(polls > least_awaits, "{what} has only {} awaits to be dropped at", polls - 1);
            return;
        }
    }
    panic!("{what} never completes");
}

#[tokio::test]
async fn a_caller_that_goes_away_during_a_request_leaves_nothing_open() {
    for max_connections in [1, 2] {
        let rig = Rig::start(max_connections).await;
        for (path, body) in [
            ("/spend", json!({ "amount_credits": 3 })),
            ("/delegation", json!({ "label": "child", "budget_credits": 10 })),
        ] {
            let call = async || rig.service.clone().oneshot(post(path, Some(&rig.token), &body));
            drop_everywhere(&rig, path, 1, call).await;
        }
    }
}

#[tokio::test]
async fn a_request_whose_caller_goes_away_is_carried_out_whole() {
    let rig = Rig::start(1).await;
    let body = json!({ "amount_credits": 50 });
    assert!(!drop_after(1, rig.service.clone().oneshot(post("/spend", Some(&rig.token), &body))).await);
    // The pool's only connection serves one after the other, so that this comes after the dropped one.
    rig.assert_nothing_is_left_open("spend").await;
    let spent = format!("{NODES}SELECT spent FROM nodes WHERE depth = 0");
    assert_eq!(rig.one(spent, rig.tenant.as_uuid()).await, 51);
}

#[tokio::test]
async fn a_mint_dropped_without_the_protecting_task_leaves_nothing_open() {
    for max_connections in [1, 2] {
        let rig = Rig::start(max_connections).await;
        let (principal, request) = (rig.principal().await, mint_request("child", 10));
        let call = async || Box::pin(rig.app.mint(&principal, &request, None));
        drop_everywhere(&rig, "mint", 10, call).await;
    }
}

#[tokio::test]
async fn a_spend_dropped_without_the_protecting_task_leaves_nothing_open() {
    let rig = Rig::start(1).await;
    let principal = rig.principal().await;
    let request =
        SpendRequest { amount: Credits::new(2).unwrap(), description: None, metadata: None, dry_run: false };
    drop_everywhere(&rig, "spend", 0, async || rig.app.spend(&principal, request.clone(), None)).await;
}

#[tokio::test]
async fn a_begin_that_is_dropped_never_puts_an_open_transaction_into_the_pool() {
    for max_connections in [1, 2] {
        let rig = Rig::start(max_connections).await;
        let database = rig.app.database();
        drop_everywhere(&rig, "begin", 0, async || database.begin(rig.tenant)).await;
        drop_everywhere(&rig, "begin_read", 0, async || database.begin_read(rig.tenant)).await;
        // Without a pause for the rollback: the next caller waits for the connection and gets a clean one.
        for polls in 1..20 {
            drop_after(polls, database.begin(rig.tenant)).await;
            let tx = database.begin(rig.tenant).await.unwrap();
            tx.commit().await.unwrap();
        }
        rig.assert_nothing_is_left_open("begin").await;
    }
}
