//! Work that nobody waits for: it is bounded, it is fair between tenants, and it never ends unseen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::PgPool;
use subgrant_service::{OutboxLane, background::task};
use subgrant_store::alerts;
use subgrant_tests::{Api, Receiver, Scrape, SmtpServer, TestServer};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

/// A receiver that accepts connections and never answers.
struct Silent {
    origin: String,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Silent {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let origin = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, ever) = (Arc::clone(&open), Arc::clone(&most));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                ever.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::spawn(keep(stream, Arc::clone(&now)));
            }
        });
        Self { origin, open, most }
    }
}

/// Reads until the other side gives up.
async fn keep(mut stream: TcpStream, open: Arc<AtomicUsize>) {
    let mut buffer = [0; 1_024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    open.fetch_sub(1, Ordering::SeqCst);
}

async fn execute(pool: &PgPool, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.expect("the owner can do anything");
}

async fn webhook(owner: &Api, origin: &str) -> String {
    let reply = owner.post("/webhook", &json!({ "url": origin })).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.text("/id")
}

/// Lets so many calls wait of the only webhook that there is.
async fn let_wait(pool: &PgPool, calls: usize, due: &str) {
    let statement = format!(
        "WITH made AS (
             INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event, payload, created_at, next_attempt_at)
             SELECT tenant_id, gen_random_uuid(), id, 'webhook.test', '{{}}', now(), {due}
             FROM webhooks, generate_series(1, {calls}) RETURNING tenant_id, id
         )
         INSERT INTO outbox (id, tenant_id, kind, subject_id, next_attempt_at)
         SELECT gen_random_uuid(), tenant_id, 'webhook', id, {due} FROM made"
    );
    execute(pool, &statement).await;
}

#[tokio::test]
async fn no_more_is_claimed_than_asked_for_whatever_the_planner_takes_the_table_for() {
    let server = TestServer::start().await;
    let (tenant, pool) = (server.sign_up().await, server.database.superuser().await);
    let one = "INSERT INTO outbox (id, kind, subject_id, recipient)
        SELECT gen_random_uuid(), 'reset', gen_random_uuid(), i || '@x.example' FROM generate_series(1, 1) i;
        INSERT INTO alert_directory (tenant_id) SELECT tenant_id FROM tenant_directory;
        ANALYZE outbox; ANALYZE alert_directory";
    execute(&pool, one).await;
    let many = "INSERT INTO outbox (id, kind, subject_id, recipient)
        SELECT gen_random_uuid(), 'reset', gen_random_uuid(), i || '@x.example' FROM generate_series(2, 40) i;
        INSERT INTO outbox (id, tenant_id, kind, subject_id)
        SELECT gen_random_uuid(), tenant_id, 'webhook', gen_random_uuid() FROM tenant_directory, generate_series(1, 40);
        WITH made AS (INSERT INTO tenant_directory (tenant_id)
            SELECT gen_random_uuid() FROM generate_series(1, 39) RETURNING tenant_id)
        INSERT INTO alert_directory (tenant_id) SELECT tenant_id FROM made";
    execute(&pool, many).await;
    let claim = async |lane, busy: &[Uuid], limit| {
        server.app.claim_outbox(lane, Uuid::nil(), busy, limit).await.expect("the outbox can be read")
    };
    assert_eq!(claim(OutboxLane::Reset, &[], 1).await.len(), 1);
    assert_eq!(claim(OutboxLane::Reset, &[], 16).await.len(), 16);
    assert_eq!(claim(OutboxLane::Reset, &[], 100).await.len(), 23, "what is claimed is not claimed again");
    assert_eq!(claim(OutboxLane::Reset, &[], 100).await, []);
    let call = claim(OutboxLane::Call, &[], 16).await;
    assert_eq!(call.len(), 1, "a tenant has one turn at a time");
    assert_eq!(call[0].tenant, Some(tenant.id.parse().expect("a tenant's id")));
    assert_eq!(claim(OutboxLane::Call, &[call[0].party], 16).await, [], "and none while it is busy");
    assert_eq!(claim(OutboxLane::Mail, &[], 16).await, []);
    for looked_at in [1, 16, 23, 0] {
        let limit = if looked_at == 0 { 100 } else { looked_at };
        let claimed = alerts::claim_tenants(server.app.database(), limit, Duration::from_mins(5)).await;
        let claimed = claimed.expect("the directory can be read").len();
        assert_eq!(i64::try_from(claimed).expect("a small number"), looked_at, "of {limit}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_delays_nobody_elses_mail_and_calls() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let (noisy, silent) = (server.owner(&server.sign_up().await), Silent::start().await);
    let id = webhook(&noisy, &silent.origin).await;
    let mut refused = 0;
    for attempt in 0..150 {
        let reply = noisy.post(&format!("/webhook/{id}/test"), &json!({})).await;
        if reply.status == 429 {
            reply.assert_problem(429, "rate_limited", "too many tests");
            let wait: u64 = reply.header("retry-after").and_then(|wait| wait.parse().ok()).expect("how long");
            assert!((1..=61).contains(&wait), "{wait}");
            refused += 1;
        } else {
            assert_eq!(reply.status, 202, "test {attempt}: {}", reply.body);
        }
    }
    assert!(refused > 0, "150 tests in a row are too many");
    // As many as may wait: with a bound for all tenants together they would keep everybody waiting for minutes.
    let_wait(&server.database.superuser().await, 800, "now()").await;

    let (quiet, receiver) = (server.owner(&server.sign_up().await), Receiver::start().await);
    let hook = webhook(&quiet, &receiver.origin).await;
    assert_eq!(quiet.post(&format!("/webhook/{hook}/test"), &json!({})).await.status, 202);
    receiver.wait_for(1).await;
    server.join(&quiet, "ann@people.example", "viewer").await;
    let asked = server.api.post("/password/reset", &json!({ "email": "ann@people.example" })).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let mailed = async {
        while !smtp.mails().iter().any(|mail| mail.body.contains("/reset#token=")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), mailed).await.expect("the mail is sent");
    assert!(silent.open.load(Ordering::SeqCst) > 0, "the noisy tenant's calls are still under way");
    assert!(silent.most.load(Ordering::SeqCst) <= 4, "a tenant's calls at the same time are few");
}

#[tokio::test]
async fn calls_beyond_the_backlog_are_written_down_as_not_made() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
    let id = webhook(&owner, "https://hooks.acme.example/").await;
    let (team, team_id) = root.child("team", 100).await;
    let alert = json!({ "delegation_id": team_id, "kind": "budget", "percent": 10 });
    assert_eq!(owner.post("/alert", &alert).await.status, 201);
    let pool = server.database.superuser().await;
    let_wait(&pool, 999, "now() + interval '1 hour'").await;
    let test = async || owner.post(&format!("/webhook/{id}/test"), &json!({})).await;
    assert_eq!(test().await.status, 202, "there is room for one more");
    let full = test().await;
    full.assert_problem(429, "backlog_full", "a full backlog");
    assert_eq!(full.header("retry-after"), Some("301"));
    assert_eq!(team.spend(50).await.status, 201, "spending goes on");
    let id_of = tenant.id.parse().expect("a tenant's id");
    assert_eq!(server.app.check_alerts(id_of).await.expect("alerts can be looked at"), 1);
    let deliveries = owner.all(&format!("/webhook/{id}/delivery?")).await;
    let fired: Vec<_> = deliveries.iter().filter(|delivery| delivery["event"] == "alert.fired").collect();
    assert_eq!(fired.len(), 1, "it is listed");
    assert_eq!(
        (&fired[0]["status"], &fired[0]["attempts"], &fired[0]["next_attempt_at"]),
        (&json!("dead"), &json!(0), &Value::Null)
    );
    assert!(fired[0]["error"].as_str().is_some_and(|error| error.starts_with("not called")), "{}", fired[0]);
    execute(&pool, "DELETE FROM outbox WHERE kind = 'webhook'").await;
    assert_eq!(test().await.status, 202, "once the backlog is gone, it goes on");
}

#[tokio::test]
async fn work_that_panics_is_counted_and_begun_anew() {
    let server = TestServer::start().await;
    let begun = Arc::new(AtomicUsize::new(0));
    let (work, ends) = (Arc::clone(&begun), Arc::clone(&begun));
    let app = server.app.clone();
    let supervised = async {
        app.supervise(task::SENDING, || {
            let begun = Arc::clone(&work);
            async move { assert!(begun.fetch_add(1, Ordering::SeqCst) == 2, "as it may happen to any work") }
        })
        .await;
    };
    tokio::time::timeout(Duration::from_mins(1), supervised).await.expect("the third time it ends by itself");
    assert_eq!(ends.load(Ordering::SeqCst), 3);
    let scrape = Scrape::of(&server.api).await;
    assert_eq!(scrape.count("subgrant_background_panics_total", &["task=\"sending\""]), 2);
    assert_eq!(scrape.count("subgrant_background_panics_total", &["task=\"housekeeping\""]), 0);
    assert_eq!(scrape.count("subgrant_background_tasks_down", &[]), 0);
    let isolated =
        server.app.isolate(task::ALERTS, async move { assert!(scrape.text.is_empty(), "it is not") });
    assert_eq!(isolated.await, None);
    let scrape = Scrape::of(&server.api).await;
    assert_eq!(scrape.count("subgrant_background_panics_total", &["task=\"alerts\""]), 1);
}
