//! How PostgreSQL answers lists of a large tenant: through indexes, whatever is filtered, as the role that row-level
//! security binds.
//!
//! The plans are those of the real statements: `auto_explain` tells them to the server's own connections.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;
use sqlx::Executor;
use subgrant_domain::TenantId;
use subgrant_service::{App, OutboxLane};
use subgrant_tests::{Api, Loaded, Size, Tenant, TestServer, load};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

/// The most rows that one statement may read to answer a page.
const MOST_ROWS: u64 = 6_000;

/// A page of holds looks at 5,000, and at the delegation of each.
const MOST_ROWS_OF_HOLDS: u64 = 11_000;

/// A report on a month reads a row for each day and pair of cost centre and department, 13,336 of them, which count twice
/// where the index and the table are read one after the other.
const MOST_ROWS_OF_REPORTS: u64 = 30_000;

/// Tables that grow with the tenant. Small ones are better read as a whole.
const LARGE: [&str; 13] = [
    "delegations",
    "balances",
    "ledger",
    "label_grams",
    "audit",
    "tokens",
    "spend_rollups",
    "spend_summaries",
    "holds",
    "outbox",
    "alert_directory",
    "alert_firings",
    "webhook_deliveries",
];

const SIZE: Size = Size { nodes: 40_000, siblings: 15_000, entries: 40_000 };

#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<u8>>>);

impl Write for Plans {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Plans {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Plans {
    /// Every plan that was told since the last call, one per statement.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("nobody panics with it"));
        let text = String::from_utf8_lossy(&bytes).replace("\\n", "\n");
        text.split("duration: ").skip(1).map(str::to_owned).collect()
    }
}

/// A number that follows `name` in a line.
fn number(line: &str, name: &str) -> Option<u64> {
    let rest = &line[line.rfind(name)? + name.len()..];
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// What is wrong with a plan: a table read as a whole, or more rows read than there may be.
fn faults(plan: &str, most: u64) -> Vec<String> {
    let (mut found, mut rows, mut loops) = (Vec::new(), 0, 1);
    for line in plan.lines() {
        if line.contains(" Scan ") {
            loops = number(line, "loops=").unwrap_or(0);
            let read = number(line, " rows=").unwrap_or(0) * loops;
            rows += read;
            // Of the ledger, its partitions too; the table of its heads has one row for each tenant.
            let is_large = LARGE.iter().any(|table| line.contains(&format!("Seq Scan on {table}")))
                && !line.contains("Seq Scan on ledger_heads");
            if is_large && (read > 0 || !line.contains("never executed") && !line.contains("ledger_")) {
                found.push(format!("reads a table as a whole: {}", line.trim()));
            }
        } else if line.contains("Rows Removed by") {
            rows += number(line, ": ").unwrap_or(0) * loops;
        }
    }
    found.extend((rows > most).then(|| format!("reads {rows} rows")));
    found
}

/// A large tenant at a server whose statements tell their plans.
struct Stage {
    root: Api,
    /// A browser in which the tenant's owner is signed in.
    owner: Api,
    app: App,
    tenant: TenantId,
    everything: Api,
    tiny: Api,
    loaded: Loaded,
    pool: sqlx::PgPool,
    _servers: [TestServer; 2],
}

impl Stage {
    async fn set() -> Self {
        let first = TestServer::start().await;
        let tenant = first.sign_up().await;
        let principal = first.app.authenticate_token(&tenant.root_token, None, None).await;
        let principal = principal.expect("the root token is good");
        let loaded = load(&first.app, &first.database.url, &principal, SIZE).await;
        let pool = first.database.superuser().await;
        crowd(&pool, &tenant, &loaded).await;
        let name: String = one(&pool, "SELECT current_database()").await;
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
            "auto_explain.log_level = 'notice'",
        ] {
            let set = sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} SET {setting}"));
            pool.execute(set).await.expect("a superuser may set this");
        }
        let server = first.replica().await;
        Self {
            root: server.api.with_token(&tenant.root_token),
            owner: server.owner(&tenant),
            app: server.app.clone(),
            tenant: tenant.id.parse().expect("a tenant's id"),
            everything: server.api.with_token(&loaded.everything_token),
            tiny: server.api.with_token(&loaded.tiny_token),
            loaded,
            pool,
            _servers: [first, server],
        }
    }

    /// Every kind of page.
    async fn queries(&self) -> Vec<String> {
        let Loaded { wide, deep, team, tiny, everything, .. } = self.loaded;
        let first = self.root.get("/ledger?limit=2").await;
        let (start, second) = (first.text("/data/0/recorded_at"), first.text("/data/1/recorded_at"));
        let last: String = one(&self.pool, LAST).await;
        let mut queries: Vec<String> = [
            "/delegation?x",
            "/delegation?cost_center=Rare%20centre",
            "/delegation?cost_center=Nowhere",
            "/delegation?department=Rare%20department",
            "/delegation?department=Rare%20department&cost_center=Rare%20centre",
            "/delegation?department=Rare%20department&cost_center=Centre%200",
            "/delegation?q=needle",
            "/delegation?q=no-such-label",
            "/delegation?q=agent-00003-0007",
            "/delegation?q=sibling",
            "/delegation?q=%7E",
            "/delegation?q=needle&status=frozen&cost_center=Rare%20centre",
            "/delegation?status=active",
            "/delegation?status=frozen",
            "/delegation?status=revoked",
            "/delegation?status=expired",
            "/delegation?status=exhausted",
            "/delegation?status=frozen&department=Rare%20department",
            "/delegation?status=revoked&cost_center=Centre%200",
            "/delegation?status=exhausted&cost_center=Centre%200&department=Nowhere",
            "/ledger?x",
            "/ledger?x&order=newest",
            "/delegation?with=last_used,ancestors",
            "/delegation?q=needle&with=last_used,ancestors",
            "/audit?x",
            "/delegation/tree?x",
            "/delegation/self?x",
        ]
        .iter()
        .map(|path| {
            path.replace("?x", "?limit=50").replace("tree?limit=50", "tree").replace("self?limit=50", "self")
        })
        .collect();
        for (parent, filter) in [
            (wide, ""),
            (wide, "&status=frozen"),
            (wide, "&cost_center=Rare%20centre"),
            (wide, "&q=needle"),
            (deep, "&status=active"),
        ] {
            queries.push(format!("/delegation?parent_id={parent}{filter}"));
        }
        queries.push(format!("/delegation/tree?root={wide}"));
        for top in [wide, deep, team, tiny, everything] {
            queries.push(format!("/ledger?delegation_id={top}"));
            queries.push(format!("/ledger?delegation_id={top}&from={last}"));
            queries.push(format!("/ledger?delegation_id={top}&to={start}"));
            queries.push(format!("/ledger?delegation_id={top}&order=newest"));
            queries.push(format!("/ledger?delegation_id={top}&order=newest&to={second}"));
            queries.push(format!("/report/spend?delegation_id={top}&to={second}"));
            queries.push(format!("/report/spend?delegation_id={top}&to={second}&group_by=delegation"));
        }
        // Above some ten thousand nodes with an attribute of their own a report on budgets is refused.
        for top in [deep, team, tiny] {
            for group in ["cost_center", "department"] {
                let range = format!("from={start}&to={second}");
                queries.push(format!("/report/budget?delegation_id={top}&{range}&group_by={group}"));
            }
        }
        queries
    }

    /// Reports that read the whole time in which there are entries.
    fn long_reports(&self) -> Vec<String> {
        let Loaded { everything, wide, deep, team, tiny, .. } = &self.loaded;
        let mut queries = Vec::new();
        for top in [everything, wide, deep, team, tiny] {
            queries.push(format!("/report/forecast?delegation_id={top}"));
            for group in ["cost_center&interval=day", "cost_center,department", "department&interval=week"] {
                queries.push(format!("/report/spend?delegation_id={top}&from=2020-01-01&group_by={group}"));
            }
        }
        for top in [deep, team, tiny] {
            queries.push(format!("/report/spend?delegation_id={top}&from=2020-01-01&group_by=delegation"));
            queries.push(format!("/report/budget?delegation_id={top}&group_by=cost_center"));
        }
        queries
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_reads_a_table_as_a_whole_or_sorts_more_than_it_shows() {
    let plans = Plans::default();
    tracing_subscriber::fmt()
        .with_env_filter("off,sqlx::postgres::notice=info")
        .with_writer(plans.clone())
        .init();
    let stage = Stage::set().await;
    let queries = stage.queries().await;
    plans.take();
    let mut read = 0;
    for api in [&stage.root, &stage.everything, &stage.tiny] {
        for query in &queries {
            // The same statement again and again: PostgreSQL may then plan it once for whatever is asked.
            for _ in 0..7 {
                let reply = api.get(query).await;
                assert!([200, 404, 403].contains(&reply.status), "{query}: {}", reply.body);
                for plan in plans.take() {
                    read += 1;
                    assert_eq!(faults(&plan, MOST_ROWS), Vec::<String>::new(), "{query}:\n{plan}");
                }
            }
        }
    }
    assert!(read > 1_000, "plans are told: {read}");
    let mut few = |what: &str| check(&plans, what, MOST_ROWS);
    for _ in 0..7 {
        move_money(&stage, &mut few).await;
        send(&stage, &mut few).await;
    }
    summarise(&stage).await;
    plans.take();
    for _ in 0..7 {
        for query in stage.long_reports() {
            let reply = stage.root.get(&query).await;
            assert_eq!(reply.status, 200, "{query}: {}", reply.body);
            check(&plans, &query, MOST_ROWS_OF_REPORTS);
        }
    }
    for _ in 0..7 {
        for api in [&stage.root, &stage.everything, &stage.tiny] {
            for query in ["/hold", "/hold?status=held", "/hold?status=captured", "/hold?status=voided"] {
                assert_eq!(api.get(query).await.status, 200, "{query}");
                check(&plans, query, MOST_ROWS_OF_HOLDS);
            }
        }
    }
}

/// What housekeeping has done for a tenant whose delegations are older than its first entry.
async fn summarise(stage: &Stage) {
    let older = "UPDATE delegations SET created_at = created_at - interval '60 days'";
    stage.pool.execute(older).await.expect("the owner can do anything");
    stage.app.summarise_spend(stage.tenant).await.expect("summaries can be made");
    stage.pool.execute("ANALYZE spend_summaries").await.expect("the owner can do anything");
}

/// Fails unless something was done, and each statement of it read few rows.
fn check(plans: &Plans, what: &str, most: u64) {
    let plans = plans.take();
    assert!(!plans.is_empty(), "{what} has no plan");
    for plan in plans {
        assert_eq!(faults(&plan, most), Vec::<String>::new(), "{what}:\n{plan}");
    }
}

/// Everything that moves or stops money, once: what it takes must not grow with the tenant.
async fn move_money(stage: &Stage, check: &mut impl FnMut(&str)) {
    let (agent, id) = stage.everything.child("agent", 100).await;
    check("a child");
    let spent = agent.spend(3).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    check("a spend");
    assert_eq!(agent.spend(3).await.status, 201);
    check("a spend after another");
    assert_eq!(agent.spend(200).await.status, 402);
    check("a refused spend");
    let items: Vec<_> = (1..5).map(|amount| json!({ "amount_credits": amount })).collect();
    assert_eq!(agent.post("/spend/batch", &json!({ "items": items })).await.status, 200);
    check("a batch");
    let hold = agent.held(5).await;
    check("a hold");
    assert_eq!(agent.capture(&hold, 2).await.status, 201);
    check("a capture");
    assert_eq!(stage.everything.refund(&spent.text("/id"), Some(1)).await.status, 201);
    check("a refund");
    agent.held(5).await;
    for verb in ["freeze", "unfreeze", "revoke"] {
        assert_eq!(stage.everything.act(&id, verb).await.status, 200, "{verb}");
        check(verb);
    }
}

/// What is done for nobody in particular: looking at alerts, and sending what is due.
async fn send(stage: &Stage, check: &mut impl FnMut(&str)) {
    assert_eq!(stage.app.watch_alerts().await.expect("the database answers"), 20);
    check("looking at alerts");
    let claimed = stage.app.claim_outbox(OutboxLane::Reset, Uuid::nil(), &[], 16).await;
    assert_eq!(claimed.expect("the database answers").len(), 16);
    check("what is to be sent");
    for path in ["/alert", "/webhook"] {
        let list = stage.owner.get(path).await;
        assert_eq!(list.status, 200, "{}", list.body);
        assert_eq!(list.body["data"].as_array().map(Vec::len), Some(3), "{path}");
        check(path);
    }
    let webhook = stage.owner.get("/webhook").await.text("/data/0/id");
    let deliveries = stage.owner.get(&format!("/webhook/{webhook}/delivery")).await;
    assert_eq!(deliveries.body["data"].as_array().map(Vec::len), Some(50), "{}", deliveries.body);
    check("the deliveries of a webhook");
}

/// What piles up beside the tree: holds, firings of alerts, what webhooks were told, what is to be sent and looked at.
async fn crowd(pool: &sqlx::PgPool, tenant: &Tenant, loaded: &Loaded) {
    let team = loaded.team.as_uuid();
    let tenant = tenant.id.parse::<TenantId>().expect("a tenant's id").as_uuid();
    for statement in CROWD {
        // The one place where values are written into a statement: each is an id that the test has read.
        let statement = statement.replace("$tenant", &format!("'{tenant}'::uuid"));
        let statement = statement.replace("$team", &format!("'{team}'::uuid"));
        let filled = pool.execute(sqlx::AssertSqlSafe(statement)).await;
        filled.expect("the owner can do anything");
    }
}

/// Most of the holds are over, and most of what is to be sent and looked at is not due.
const CROWD: [&str; 10] = [
    "INSERT INTO holds (tenant_id, id, delegation_id, amount, status, expires_at, created_at, closed_at)
     SELECT $tenant, gen_random_uuid(), $team, 1, CASE WHEN n % 40 = 0 THEN 'held' ELSE 'captured' END,
         now() + interval '1 day', now(), CASE WHEN n % 40 > 0 THEN now() END
     FROM generate_series(1, 30000) n",
    "INSERT INTO alerts (tenant_id, id, delegation_id, kind, credits, period, recipients, created_by, created_at)
     SELECT $tenant, gen_random_uuid(), $team, 'spend', 9007199254740991, 'hour', ARRAY[gen_random_uuid()],
         gen_random_uuid(), now() FROM generate_series(1, 3)",
    "INSERT INTO alert_firings (tenant_id, alert_id, occasion, id, at, current, of_credits)
     SELECT $tenant, a.id, n::text, gen_random_uuid(), now() - n * interval '1 hour', 1, 1
     FROM alerts a, generate_series(1, 8760) n WHERE a.tenant_id = $tenant",
    "INSERT INTO webhooks (tenant_id, id, url, events, created_by, created_at)
     SELECT $tenant, gen_random_uuid(), 'https://a.example/', ARRAY['alert.fired'], gen_random_uuid(), now()
     FROM generate_series(1, 3)",
    "INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event, payload, created_at, status)
     SELECT $tenant, gen_random_uuid(), w.id, 'alert.fired', '{}', now(), 'delivered'
     FROM webhooks w, generate_series(1, 10000) n WHERE w.tenant_id = $tenant",
    "INSERT INTO tenant_directory (tenant_id) SELECT gen_random_uuid() FROM generate_series(1, 20000)",
    "INSERT INTO alert_directory (tenant_id, next_check_at)
     SELECT tenant_id, now() + CASE WHEN random() < 0.05 THEN interval '-1 hour' ELSE interval '1 day' END
     FROM tenant_directory ON CONFLICT DO NOTHING",
    "UPDATE alert_directory SET next_check_at = now() - interval '1 day' WHERE tenant_id = $tenant",
    "INSERT INTO outbox (id, kind, subject_id, recipient, next_attempt_at)
     SELECT gen_random_uuid(), 'reset', gen_random_uuid(), n % 501 || '@b.example',
         now() + CASE WHEN n % 20 = 0 THEN interval '-1 hour' ELSE interval '1 day' END
     FROM generate_series(1, 30000) n",
    "ANALYZE holds, alerts, alert_firings, webhooks, webhook_deliveries, alert_directory, outbox",
];

/// When the newest entry was recorded.
const LAST: &str =
    "SELECT to_char(max(recorded_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM ledger";

async fn one(pool: &sqlx::PgPool, statement: &'static str) -> String {
    sqlx::query_scalar(statement).fetch_one(pool).await.expect("the database answers")
}
