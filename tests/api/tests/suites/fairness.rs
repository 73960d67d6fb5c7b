//! One tenant's requests, however many, and what another notices of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use subgrant_domain::{DelegationId, TenantId};
use subgrant_server::http::{HttpOptions, Rates};
use subgrant_service::AppOptions;
use subgrant_store::Shares;
use subgrant_tests::{Api, Parts, Scrape, Tenant, TestServer, assert_books_balance, attenuate};
use tokio::task::JoinSet;
use uuid::Uuid;

const FLOOD: usize = 150;

/// Only the order of requests is looked at here, on machines that may be busy: nothing ends because it takes long.
fn patient() -> HttpOptions {
    let handler_timeout = Duration::from_mins(10);
    HttpOptions { handler_timeout, rates: Rates::boundless(), ..HttpOptions::default() }
}

async fn start() -> TestServer {
    TestServer::start_with(patient(), AppOptions::default()).await
}

/// A new tenant's root, and a leaf below it.
async fn tenant(server: &TestServer) -> (Tenant, Api, Api) {
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (leaf, _) = root.child("leaf", 1_000_000).await;
    assert_eq!(leaf.spend(1).await.status, 201);
    (tenant, root, leaf)
}

/// Holds a tenant's lock, so that nothing of it is written for as long as a test wants.
async fn hold_lock(pool: &PgPool, tenant: &Tenant) -> Transaction<'static, Postgres> {
    let mut lock = pool.begin().await.expect("a transaction");
    let id: TenantId = tenant.id.parse().expect("an id");
    let statement = "SELECT FROM ledger_heads WHERE tenant_id = $1 FOR UPDATE";
    let connection: &mut PgConnection = &mut lock;
    sqlx::query(statement).bind(id.as_uuid()).fetch_one(connection).await.expect("a tenant has a head");
    lock
}

async fn waiting(server: &TestServer, lane: &str) -> u64 {
    Scrape::of(&server.api).await.count("subgrant_database_waiting", &[&format!(r#"lane="{lane}""#)])
}

async fn wait_until_waiting(server: &TestServer, lane: &str, is_reached: impl Fn(u64) -> bool) {
    while !is_reached(waiting(server, lane).await) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A spend, a look and a mint of somebody who has nothing to do with a flood.
async fn bystand(root: &Api, leaf: &Api) {
    let spent = leaf.spend(1).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    let looked = root.get("/delegation/self").await;
    assert_eq!(looked.status, 200, "{}", looked.body);
    let minted = root.mint("child", 1).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
}

/// Tokens of new children of a delegation, made without the server.
fn offline_children(parent: &Api, count: usize) -> Vec<String> {
    let token = parent.token().expect("a token");
    let child = |number: usize| {
        let id = DelegationId::from_uuid(Uuid::now_v7());
        let block = [format!("delegation = {id}.{number:024x}"), "budget = 5".to_owned()];
        attenuate(token, &block.each_ref().map(String::as_bytes))
    };
    (0..count).map(child).collect()
}

fn batch_of(tokens: &[String]) -> Value {
    let items: Vec<_> = tokens.iter().map(|token| json!({ "amount_credits": 1, "token": token })).collect();
    json!({ "items": items })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_all_of_whose_writers_wait_keeps_no_other_tenant_waiting() {
    let server = start().await;
    let ((flooding, flood_root, _), (_, root, leaf)) = (tenant(&server).await, tenant(&server).await);
    let pool = server.database.superuser().await;
    let lock = hold_lock(&pool, &flooding).await;
    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let root = flood_root.clone();
        flood.spawn(async move {
            match number % 3 {
                0 => root.mint("flood", 1).await,
                1 => {
                    root.update(&root.get("/delegation/self").await.text("/id"), &json!({ "label": "x" }))
                        .await
                }
                _ => root.spend(1).await,
            }
        });
    }
    wait_until_waiting(&server, "write", |waiting| waiting >= 90).await;
    for _ in 0..50 {
        bystand(&root, &leaf).await;
    }
    assert_eq!(flood_root.get("/delegation/self").await.status, 200, "its own readers do not wait either");
    // Those at the lock itself give up after a while.
    let left = flood.len() - std::iter::from_fn(|| flood.try_join_next()).count();
    assert!(left > 50, "only {left} are still waiting");
    lock.rollback().await.expect("the connection works");
    while let Some(reply) = flood.join_next().await {
        let reply = reply.expect("nobody panics");
        assert!(matches!(reply.status, 200 | 201 | 503), "{}", reply.body);
    }
    assert_books_balance(&server, &flooding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_mints_and_a_batch_of_offline_children_take_turns_with_others() {
    let server = start().await;
    let ((flooding, flood_root, flood_leaf), (calm, root, leaf)) =
        (tenant(&server).await, tenant(&server).await);
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let (root, is_over, answered) = (flood_root.clone(), Arc::clone(&is_over), Arc::clone(&answered));
        flood.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let reply = root.mint("flood", 1).await;
                assert_eq!(reply.status, 201, "{}", reply.body);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let body = batch_of(&offline_children(&flood_leaf, 3_000));
    let batch = tokio::spawn(async move { flood_leaf.post("/spend/batch", &body).await });
    wait_until_waiting(&server, "write", |waiting| waiting > 100).await;
    let before = answered.load(Ordering::Relaxed);
    for _ in 0..30 {
        bystand(&root, &leaf).await;
    }
    // The same holds for the tenant's own agents: the engine stands in no line.
    let (own, _) = server.api.with_token(&calm.root_token).child("own", 100).await;
    for _ in 0..10 {
        assert_eq!(own.spend(1).await.status, 201);
    }
    let others = answered.load(Ordering::Relaxed) - before;
    assert!(others < 30 * 3 * 20, "{others} requests of the flood were answered during 100 others");
    is_over.store(true, Ordering::Relaxed);
    while let Some(task) = flood.join_next().await {
        task.expect("every mint succeeds");
    }
    let reply = batch.await.expect("nobody panics");
    let outcomes = reply.body["data"].as_array().expect("outcomes");
    assert!(outcomes.iter().all(|outcome| outcome["status"] == 201), "{:?}", outcomes.first());
    assert_eq!(outcomes.len(), 3_000);
    assert_books_balance(&server, &flooding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_agents_do_not_stand_in_line_behind_its_mints() {
    let server = start().await;
    let (_, root, leaf) = tenant(&server).await;
    let mut mints = JoinSet::new();
    for _ in 0..FLOOD {
        let root = root.clone();
        mints.spawn(async move {
            for _ in 0..5 {
                assert_eq!(root.mint("flood", 1).await.status, 201);
            }
        });
    }
    wait_until_waiting(&server, "write", |waiting| waiting > 100).await;
    for _ in 0..20 {
        assert_eq!(leaf.spend(1).await.status, 201);
    }
    let ended = std::iter::from_fn(|| mints.try_join_next()).count();
    assert!(ended < FLOOD / 2, "{ended} of {FLOOD} were through with all their mints before 20 spends");
    while let Some(task) = mints.join_next().await {
        task.expect("every mint succeeds");
    }
}

#[tokio::test]
async fn offline_children_are_entered_some_at_a_time_and_each_of_them_wholly() {
    let server = start().await;
    let (owner, root, leaf) = tenant(&server).await;
    let committed = || async {
        Scrape::of(&server.api).await.count("subgrant_engine_batches_total", &[r#"result="committed""#])
    };
    let before = committed().await;
    let tokens = offline_children(&leaf, 500);
    let reply = leaf.post("/spend/batch", &batch_of(&tokens)).await;
    let outcomes = reply.body["data"].as_array().expect("outcomes");
    assert!(outcomes.iter().all(|outcome| outcome["status"] == 201), "{:?}", outcomes.first());
    let transactions = committed().await - before;
    assert!((5..=20).contains(&transactions), "500 were entered in {transactions} transactions");
    let pool = server.database.superuser().await;
    for (what, statement) in [
        ("delegations", "SELECT count(*) FROM delegations WHERE made_offline"),
        (
            "tokens",
            "SELECT count(*) FROM tokens t JOIN delegations d ON d.id = t.delegation_id WHERE d.made_offline",
        ),
        ("entries of the audit log", "SELECT count(*) FROM audit WHERE action = 'delegation.adopt'"),
        ("events", "SELECT count(*) FROM events WHERE kind = 'delegation.adopted'"),
    ] {
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&pool).await.expect("the superuser may");
        assert_eq!(count, 500, "{what}");
    }
    let found = root.get("/delegation?q=offline&limit=100").await;
    assert_eq!(found.body["data"].as_array().map(Vec::len), Some(100), "{}", found.body);
    // Each of them is a delegation like any other.
    let child = leaf.with_token(&tokens[499]);
    assert_eq!(child.spend(4).await.number("/remaining_credits"), 0);
    assert_eq!(child.spend(1).await.refusal(), (402, "budget_exhausted"));
    assert_books_balance(&server, &owner).await;
}

#[tokio::test]
async fn many_debits_of_one_offline_child_share_a_transaction() {
    let server = start().await;
    let (owner, _, leaf) = tenant(&server).await;
    let tokens = vec![offline_children(&leaf, 1).remove(0); 300];
    let reply = leaf.post("/spend/batch", &batch_of(&tokens)).await;
    let outcomes = reply.body["data"].as_array().expect("outcomes");
    let spent = outcomes.iter().filter(|outcome| outcome["status"] == 201).count();
    assert_eq!(spent, 5, "its budget is five credits");
    let scrape = Scrape::of(&server.api).await;
    let committed = scrape.count("subgrant_engine_batches_total", &[r#"result="committed""#]);
    assert!(committed <= 3, "{committed} transactions");
    assert_books_balance(&server, &owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_queue_is_bounded_and_whoever_finds_it_full_is_told_at_once() {
    let shares = Shares { waiting: 10, ..Shares::of(10) };
    let server = TestServer::start_with_shares(patient(), AppOptions::default(), shares).await;
    let ((flooding, flood_root, _), (_, root, leaf)) = (tenant(&server).await, tenant(&server).await);
    let pool = server.database.superuser().await;
    let lock = hold_lock(&pool, &flooding).await;
    let mut flood = JoinSet::new();
    for _ in 0..30 {
        let root = flood_root.clone();
        flood.spawn(async move { root.mint("flood", 1).await });
    }
    for _ in 0..30 - 10 - shares.writers {
        let refused = flood.join_next().await.expect("there are more").expect("nobody panics");
        assert_eq!(refused.refusal(), (503, "overloaded"), "{}", refused.body);
        let seconds = refused.header("retry-after").expect("when to come again").parse::<u64>();
        assert!(seconds.is_ok_and(|seconds| (1..=60).contains(&seconds)));
    }
    bystand(&root, &leaf).await;
    lock.rollback().await.expect("the connection works");
    while let Some(reply) = flood.join_next().await {
        let reply = reply.expect("nobody panics");
        assert!(matches!(reply.status, 201 | 503), "{}", reply.body);
    }
    assert_eq!(flood_root.mint("after", 1).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_while_waiting_leaves_the_queue_and_nothing_is_done_for_them() {
    let server = start().await;
    let (owner, root, _) = tenant(&server).await;
    let pool = server.database.superuser().await;
    let lock = hold_lock(&pool, &owner).await;
    let mut callers = JoinSet::new();
    for _ in 0..30 {
        let root = root.clone();
        callers.spawn(async move { root.mint("gone", 1).await });
    }
    wait_until_waiting(&server, "write", |waiting| waiting == 28).await;
    callers.shutdown().await;
    wait_until_waiting(&server, "write", |waiting| waiting == 0).await;
    lock.rollback().await.expect("the connection works");
    assert_eq!(root.mint("after", 1).await.status, 201);
    let minted: i64 = sqlx::query_scalar("SELECT count(*) FROM delegations WHERE label = 'gone'")
        .fetch_one(&pool)
        .await
        .expect("the superuser may");
    assert!(minted <= 2, "{minted} children were minted for nobody");
    assert_books_balance(&server, &owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_told_that_it_takes_too_long_leaves_the_queue() {
    let http = HttpOptions { handler_timeout: Duration::from_millis(500), ..patient() };
    let server = TestServer::start_with(http, AppOptions::default()).await;
    let (owner, root, _) = tenant(&server).await;
    let pool = server.database.superuser().await;
    let lock = hold_lock(&pool, &owner).await;
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let root = root.clone();
        callers.spawn(async move { root.mint("late", 1).await });
    }
    while let Some(reply) = callers.join_next().await {
        assert_eq!(reply.expect("nobody panics").refusal(), (503, "timeout"));
    }
    wait_until_waiting(&server, "write", |waiting| waiting == 0).await;
    lock.rollback().await.expect("the connection works");
    let _ = root.mint("after", 1).await;
    let minted: i64 = sqlx::query_scalar("SELECT count(*) FROM delegations WHERE label = 'late'")
        .fetch_one(&pool)
        .await
        .expect("the superuser may");
    assert!(minted <= 2, "{minted} children were minted for callers who had been answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_name_a_tenant_do_not_stand_in_its_way() {
    let server = start().await;
    let (owner, root, leaf) = tenant(&server).await;
    let leaf_id = leaf.get("/delegation/self").await.text("/id");
    let dashboard = server.api.with_session(&owner.session);
    assert_eq!(dashboard.get("/delegation/self").await.status, 200);
    // Nobody can look a key up for as long as this test wants; those that are known need not be.
    let pool = server.database.superuser().await;
    let mut lock = pool.begin().await.expect("a transaction");
    let connection: &mut PgConnection = &mut lock;
    sqlx::query("LOCK TABLE root_keys").execute(connection).await.expect("the superuser may");
    let mut strangers = JoinSet::new();
    for _ in 0..50 {
        // The tenant's id, which is no secret, and a key that does not exist.
        let mut parts = Parts::of(&owner.root_token);
        let length = parts.identifier.len();
        parts.identifier[length - 16..].copy_from_slice(Uuid::now_v7().as_bytes());
        let stranger = root.with_token(&Parts::text(&parts.v2()));
        strangers.spawn(async move { stranger.get("/delegation/self").await });
    }
    wait_until_waiting(&server, "stranger", |waiting| waiting > 40).await;
    for _ in 0..20 {
        assert_eq!(leaf.spend(1).await.status, 201);
        assert_eq!(leaf.get(&format!("/delegation/{leaf_id}")).await.status, 200);
        assert_eq!(dashboard.get(&format!("/delegation/{leaf_id}")).await.status, 200);
    }
    assert!(strangers.try_join_next().is_none(), "all strangers are still waiting");
    lock.rollback().await.expect("the connection works");
    while let Some(reply) = strangers.join_next().await {
        assert_eq!(reply.expect("nobody panics").refusal(), (401, "forged"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_wait_for_each_other_take_no_connection_that_a_tenant_needs() {
    let server = start().await;
    let (_, root, leaf) = tenant(&server).await;
    // Attempts of one address are counted in one row, for which they wait.
    let pool = server.database.superuser().await;
    let mut lock = pool.begin().await.expect("a transaction");
    let connection: &mut PgConnection = &mut lock;
    sqlx::query("LOCK TABLE attempt_levels").execute(connection).await.expect("the superuser may");
    let mut strangers = JoinSet::new();
    for number in 0..100 {
        let api = server.api.clone();
        let body = json!({ "email": format!("nobody{number}@flood.example"), "password": "wrong" });
        strangers.spawn(async move { api.post("/session", &body).await });
    }
    let mut waiting = 0_i64;
    while waiting == 0 {
        let statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND datname = current_database()";
        waiting = sqlx::query_scalar(statement).fetch_one(&pool).await.expect("the superuser may");
    }
    for _ in 0..20 {
        bystand(&root, &leaf).await;
    }
    assert!(strangers.try_join_next().is_none(), "all strangers are still waiting");
    lock.rollback().await.expect("the connection works");
    while let Some(reply) = strangers.join_next().await {
        assert!(matches!(reply.expect("nobody panics").status, 401 | 429 | 503));
    }
}
