//! More than can be decided, and nobody who sweeps.

use serde_json::json;
use sqlx::{Connection, PgConnection};
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Scrape, TestServer, assert_books_balance, ledger_totals};
use tokio::task::JoinSet;

const CALLERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_queue_full_is_told_at_once_and_everybody_else_gets_through() {
    let options = AppOptions { queue_capacity: 20, batch_size: 5, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let (tenant, other) = (server.sign_up().await, server.sign_up().await);
    let (leaf, _) = server.api.with_token(&tenant.root_token).child("leaf", 1_000).await;
    let (elsewhere, _) = server.api.with_token(&other.root_token).child("leaf", 1_000).await;
    assert_eq!(leaf.spend(1).await.status, 201);

    // Somebody else holds the tenant's lock, so that nothing of it is decided for as long as this test wants.
    let mut holder = PgConnection::connect(&server.database.url).await.expect("the superuser may connect");
    let mut lock = holder.begin().await.expect("a transaction");
    let id: subgrant_domain::TenantId = tenant.id.parse().expect("an id");
    let statement = "SELECT FROM ledger_heads WHERE tenant_id = $1 FOR UPDATE";
    sqlx::query(statement).bind(id.as_uuid()).fetch_one(&mut *lock).await.expect("a tenant has a head");

    let mut waiting = JoinSet::new();
    for _ in 0..CALLERS {
        let leaf = leaf.clone();
        waiting.spawn(async move { leaf.spend(1).await });
    }
    // What waits is no more than the queue holds, and what was taken out of it for two batches.
    for _ in 0..CALLERS - 20 - 2 * 5 {
        let refused = waiting.join_next().await.expect("there are more").expect("nobody panics");
        assert_eq!(refused.refusal(), (503, "overloaded"), "{}", refused.body);
        let seconds = refused.header("retry-after").expect("when to come again").parse::<u64>();
        assert!(seconds.is_ok_and(|seconds| (1..=60).contains(&seconds)));
        assert_eq!(elsewhere.spend(1).await.status, 201, "another tenant's queue is its own");
    }
    let scrape = Scrape::of(&server.api).await;
    let shed = scrape.count("subgrant_engine_items_total", &[r#"outcome="overloaded""#]);
    assert!(shed >= (CALLERS - 20 - 2 * 5) as u64, "{shed} were shed");
    let fullest = scrape.count("subgrant_engine_fullest_queue_items", &[]);
    assert!((1..=20).contains(&fullest), "{fullest} wait in the fullest queue");
    assert_eq!(scrape.count("subgrant_engine_queue_capacity_items", &[]), 20);
    assert!(scrape.count("subgrant_engine_waiting_items", &[]) >= fullest);
    lock.rollback().await.expect("the connection works");

    let mut decided = 0;
    while let Some(reply) = waiting.join_next().await {
        let reply = reply.expect("nobody panics");
        decided += u64::from(reply.status == 201);
        assert!(matches!(reply.status, 201 | 503), "{}", reply.body);
    }
    assert!(decided > 0, "those in the queue were decided");
    for _ in 0..10 {
        assert_eq!(leaf.spend(1).await.status, 201, "the flood is over");
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (decided + 11, decided + 11));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_answer_that_was_kept_long_enough_is_forgotten_whether_or_not_anybody_sweeps() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (leaf, _) = root.child("leaf", 1_000).await;
    let (debit, child) = (json!({ "amount_credits": 5 }), json!({ "label": "child", "budget_credits": 5 }));
    let batch = json!({ "items": [{ "amount_credits": 2, "idempotency_key": "item" }] });
    let again = async |replayed: Option<&str>| {
        let mut ids = Vec::new();
        for (path, body) in [("/spend", &debit), ("/delegation", &child)] {
            let reply = leaf.post_with_key(path, "key", body).await;
            assert_eq!(
                (reply.status, reply.header("idempotent-replayed")),
                (201, replayed),
                "{}",
                reply.body
            );
            ids.push(reply.text("/id"));
        }
        let reply = leaf.post("/spend/batch", &batch).await;
        ids.push(reply.text("/data/0/id"));
        ids
    };
    let first = again(None).await;
    assert_eq!(again(Some("true")).await, first);
    let pool = server.database.superuser().await;
    let age = "UPDATE idempotency SET created_at = created_at - interval '7 days'";
    sqlx::query(age).execute(&pool).await.expect("the superuser may");
    // The server that has used the key, and one that has not.
    let second = again(None).await;
    assert!(second.iter().all(|id| !first.contains(id)), "{first:?} {second:?}");
    assert_eq!(again(Some("true")).await, second);
    sqlx::query(age).execute(&pool).await.expect("the superuser may");
    let replica = server.replica().await;
    let elsewhere = replica.api.with_token(leaf.token().expect("a token"));
    let reply = elsewhere.post_with_key("/spend", "key", &debit).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, None), "{}", reply.body);
    assert_books_balance(&server, &tenant).await;
}
