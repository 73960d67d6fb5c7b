//! What is looked up for a token, and how often; and what is known of its node when it is decided.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use subgrant_domain::{Credits, DelegationId};
use subgrant_server::http::HttpOptions;
use subgrant_service::{AppOptions, SpendRequest};
use subgrant_tests::{Api, TestServer, assert_books_balance, attenuate, ledger_totals};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};
use uuid::Uuid;

/// The statements that the server sends, as sqlx tells them.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<u8>>>);

impl Write for Statements {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Statements {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Statements {
    /// How many look-ups of digests there were since the last call.
    fn look_ups(&self) -> usize {
        let bytes = std::mem::take(&mut *self.0.lock().expect("nobody panics with it"));
        String::from_utf8_lossy(&bytes).matches("t.digest = ANY($2)").count()
    }
}

fn budgets(api: &Api, count: usize) -> Api {
    let caveats = vec![b"budget = 5".as_slice(); count];
    api.with_token(&attenuate(api.token().expect("a token"), &caveats))
}

/// Finding M11: one transaction for each `budget` caveat, and before it was known that the token leads nowhere.
#[tokio::test]
async fn a_token_is_looked_up_once_however_many_budgets_it_has_and_not_at_all_where_there_are_too_many() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,sqlx::query=debug"))
        .with_writer(statements.clone())
        .finish();
    // The server runs in this test's own thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    statements.look_ups();
    assert_eq!(budgets(&root, 32).get("/delegation/self").await.status, 200);
    assert_eq!(statements.look_ups(), 2, "to find its node, and what is known of those that it would enter");
    for count in [33, 63] {
        let api = budgets(&root, count);
        api.spend(1).await.assert_problem(403, "caveat_not_met", "too deep");
        let items = json!({ "items": [{ "amount_credits": 1, "token": api.token() }] });
        assert_eq!(root.post("/spend/batch", &items).await.text("/data/0/code"), "caveat_not_met");
        assert_eq!(statements.look_ups(), 0, "{count} levels");
    }
    let deep = budgets(&root, 32);
    assert_eq!(deep.spend(1).await.status, 201);
    statements.look_ups();
    assert_eq!(budgets(&root, 31).spend(1).await.status, 201);
    assert_eq!(statements.look_ups(), 1, "it is registered now");
}

/// Finding M11: a batch went on for minutes after its caller had been answered.
#[tokio::test]
async fn a_batch_whose_caller_was_answered_spends_nothing_more() {
    let http = HttpOptions { handler_timeout: Duration::from_secs(3), ..HttpOptions::default() };
    let server = TestServer::start_with(http, AppOptions::default()).await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 100).await;
    let pool = server.database.superuser().await;
    let mut other = pool.begin().await.expect("a transaction begins");
    sqlx::query("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE").execute(&mut *other).await.expect("it locks");
    // What is looked up for the first item takes until the caller has been answered.
    let unknown = attenuate(team.token().expect("a token"), &[b"budget = 5"]);
    let items = json!({ "items": [{ "amount_credits": 1, "token": unknown }, { "amount_credits": 1 }] });
    root.post("/spend/batch", &items).await.assert_problem(503, "timeout", "it takes too long");
    other.commit().await.expect("the lock is let go");
    let busy = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'subgrant' AND state <> 'idle'";
    let (mut quiet, mut rounds) = (0, 0);
    while quiet < 20 {
        let found: i64 = sqlx::query_scalar(busy).fetch_one(&pool).await.expect("a count");
        (quiet, rounds) = (if found == 0 { quiet + 1 } else { 0 }, rounds + 1);
        assert!(rounds < 2_000, "the server stays busy");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (0, 0));
}

/// Finding M9: the worker panicked, and the whole batch's outcome was unknown.
#[tokio::test]
async fn a_node_that_was_entered_since_its_token_was_read_has_the_counters_of_its_limits() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 100).await;
    let id = DelegationId::from_uuid(Uuid::now_v7()).to_string();
    let block = [format!("delegation = {id}.{:024x}", 7), "budget = 50".to_owned()];
    let block: Vec<_> = block.iter().map(String::as_bytes).collect();
    let child = team.with_token(&attenuate(team.token().expect("a token"), &block));
    let read_before = server.app.authenticate_token(child.token().expect("a token"), None, None).await;
    let read_before = read_before.expect("the token is good");
    // Meanwhile it is entered, given a limit, and what was counted is forgotten.
    assert_eq!(child.spend(3).await.status, 201);
    let limited = team.update(&id, &json!({ "limits": [{ "per": "day", "credits": 10 }] })).await;
    assert_eq!(limited.status, 200, "{}", limited.body);
    let zone = json!({ "time_zone": "Asia/Tokyo" });
    let changed = server.owner(&tenant).patch("/tenant", &zone).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let spend = |amount: u64| SpendRequest {
        amount: Credits::new(amount).expect("an amount"),
        description: None,
        metadata: None,
        dry_run: false,
    };
    let within = server.app.spend(&read_before, spend(7), None).await;
    assert!(within.is_ok(), "{:?}", within.err());
    let beyond = server.app.spend(&read_before, spend(1), None).await;
    let beyond = beyond.expect_err("the limit binds").to_string();
    assert_eq!(child.spend(1).await.refusal(), (402, "limit_exceeded"), "{beyond}");
    assert_books_balance(&server, &tenant).await;
}

/// Finding L7: a session was looked at when its user asked, and not when the debit was decided.
#[tokio::test]
async fn a_session_that_ends_while_its_debit_waits_spends_nothing() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    assert_eq!(owner.spend(1).await.status, 201);
    let pool = server.database.superuser().await;
    let mut other = pool.begin().await.expect("a transaction begins");
    sqlx::query("SELECT FROM ledger_heads FOR UPDATE")
        .execute(&mut *other)
        .await
        .expect("a row can be locked");
    let waiting = tokio::spawn({
        let owner = owner.clone();
        async move { owner.spend(5).await }
    });
    let is_waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'subgrant' AND wait_event_type = 'Lock'";
    let mut found = 0;
    for _ in 0..1_000 {
        found = sqlx::query_scalar::<_, i64>(is_waiting).fetch_one(&pool).await.expect("a count");
        if found > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found, 1, "the debit waits for the lock");
    sqlx::query("DELETE FROM sessions").execute(&mut *other).await.expect("the session ends");
    other.commit().await.expect("the lock is let go");
    let refused = waiting.await.expect("the debit was answered");
    refused.assert_problem(401, "expired", "its session has ended");
    let root = server.api.with_token(&tenant.root_token);
    assert_eq!(root.get("/delegation/self").await.number("/spent_credits"), 1);
    assert_books_balance(&server, &tenant).await;
}
