//! Row-level security beneath the application: in every table, and a test of the test.

use serde_json::json;
use sqlx::Executor;
use subgrant_domain::TenantId;
use subgrant_server::http::HttpOptions;
use subgrant_service::{AppOptions, MailRoute, OutboxLane};
use subgrant_tests::{Reply, Tenant, TestServer, faults, role_faults};
use uuid::Uuid;

/// Two tenants that have rows in every table.
async fn stage() -> (TestServer, Uuid, Uuid) {
    let options = AppOptions { mail: MailRoute::Screen, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let (visitor, other) = (server.sign_up().await, server.sign_up().await);
    for tenant in [&visitor, &other] {
        let root = server.api.with_token(&tenant.root_token);
        let body = json!({ "label": "x", "budget_credits": 10, "limits": [{ "per": "day", "credits": 5 }] });
        let minted = root.post_with_key("/delegation", "key", &body).await;
        let child = root.with_token(&minted.text("/token"));
        let invitation = json!({ "email": "guest@tenant.example", "role": "viewer" });
        assert_eq!(server.owner(tenant).post("/invite", &invitation).await.status, 201);
        assert_eq!((child.spend(1).await.status, child.hold(1, "1h").await.status), (201, 201));
        assert_eq!(root.get("/ledger/proof").await.status, 200);
        // Summaries are made of what was spent before the current quarter of an hour.
        let later = "UPDATE ledger_heads SET newest_at = newest_at + interval '15 minutes'";
        server.database.superuser().await.execute(later).await.expect("the owner can do anything");
        assert_eq!(child.spend(1).await.status, 201);
        let id = tenant.id.parse().expect("a tenant's id");
        server.app.summarise_spend(id).await.expect("summaries can be made");
        let owner = server.owner(tenant);
        assert_eq!(owner.post("/alert", &json!({ "kind": "spend", "credits": 1 })).await.status, 201);
        assert_eq!(owner.post("/webhook", &json!({ "url": "https://a.example/" })).await.status, 201);
        let older = "UPDATE tenants SET created_at = '2025-12-31'";
        server.database.superuser().await.execute(older).await.expect("the owner can do anything");
        assert_eq!(owner.post("/period/2026-01/close", &json!({})).await.status, 200);
        let service = owner.post("/service", &json!({ "name": "x" })).await.text("/id");
        let prices = json!({ "service_id": service, "routes": [{ "route": "/*", "price_credits": 1 }] });
        let priced = owner.request(reqwest::Method::PUT, "/route").json(&prices);
        assert_eq!(Reply::of(priced).await.status, 200);
        assert_eq!(server.app.check_alerts(id).await.expect("alerts can be looked at"), 1);
        let people = owner.get("/user").await;
        let reset = json!({ "email": people.text("/data/0/email") });
        assert_eq!(server.api.post("/password/reset", &reset).await.status, 202);
    }
    for lane in OutboxLane::ALL {
        let claimed = server.app.claim_outbox(lane, Uuid::nil(), &[], 100).await;
        for item in claimed.expect("the outbox can be read") {
            assert!(server.app.compose(&item).await.expect("it can be written").is_some());
        }
    }
    let uuid = |tenant: &Tenant| tenant.id.parse::<TenantId>().expect("a tenant's id").as_uuid();
    let (visitor, other) = (uuid(&visitor), uuid(&other));
    (server, visitor, other)
}

#[tokio::test]
async fn no_table_shows_or_takes_rows_of_another_tenant() {
    let (server, visitor, other) = stage().await;
    assert_eq!(faults(&server.database, visitor, other).await, Vec::<String>::new());
    assert_eq!(faults(&server.database, other, visitor).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_servers_role_owns_nothing_and_cannot_pass_policies_by() {
    let (server, ..) = stage().await;
    assert_eq!(role_faults(&server.database).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_server_acts_as_that_role() {
    let (server, ..) = stage().await;
    // What a connection acts as can be seen from its rights only: where the role loses one, the server has lost it.
    let pool = server.database.superuser().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    assert_eq!(root.get("/delegation/self").await.status, 200);
    pool.execute("REVOKE SELECT ON delegations FROM subgrant_app").await.unwrap();
    let reply = root.get("/delegation/self").await;
    assert_eq!(reply.refusal(), (500, "internal"), "the server does not act as the role: {}", reply.body);
}

#[tokio::test]
async fn ledger_and_audit_only_grow() {
    let (server, visitor, _) = stage().await;
    let pool = server.database.superuser().await;
    let mut relations: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(relations.len() >= 12, "partitions are made ahead");
    relations.extend(["ledger".to_owned(), "audit".to_owned()]);
    for relation in relations {
        for statement in [
            format!("UPDATE {relation} SET id = id"),
            format!("DELETE FROM {relation}"),
            format!("TRUNCATE {relation}"),
            format!("TRUNCATE {relation} CASCADE"),
            format!("DROP TABLE {relation}"),
            format!("ALTER TABLE {relation} DISABLE ROW LEVEL SECURITY"),
            format!("SELECT FROM {relation} FOR UPDATE"),
        ] {
            let mut connection = pool.acquire().await.unwrap();
            let begin =
                format!("BEGIN; SET LOCAL ROLE subgrant_app; SET LOCAL subgrant.tenant_id = '{visitor}'");
            connection.execute(sqlx::AssertSqlSafe(begin)).await.unwrap();
            let error =
                connection.execute(sqlx::AssertSqlSafe(statement.clone())).await.expect_err(&statement);
            connection.execute("ROLLBACK").await.unwrap();
            let code =
                error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
            assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
        }
    }
}

#[tokio::test]
async fn the_check_reports_every_way_of_losing_the_policy() {
    for (damage, table, words) in [
        (
            "DROP POLICY tenant_only ON delegations; ALTER TABLE delegations DISABLE ROW LEVEL SECURITY",
            "delegations",
            "reading the other tenant gives Ok(",
        ),
        ("ALTER TABLE ledger DISABLE ROW LEVEL SECURITY", "ledger", "reading the other tenant gives Ok("),
        ("ALTER TABLE holds DISABLE ROW LEVEL SECURITY", "holds", "reading the other tenant gives Ok("),
        ("ALTER TABLE tokens NO FORCE ROW LEVEL SECURITY", "tokens", "not forced"),
        ("CREATE POLICY open ON users USING (true)", "users", "reading the other tenant gives Ok("),
        ("CREATE POLICY open ON audit FOR INSERT WITH CHECK (true)", "audit", "inserting gives"),
        ("CREATE POLICY open ON balances FOR UPDATE USING (true)", "balances", "UPDATE"),
        ("ALTER TABLE spend_rollups DISABLE ROW LEVEL SECURITY", "spend_rollups", "reading the other tenant"),
        ("ALTER VIEW spend_sums SET (security_invoker = false)", "spend_sums", "not forced"),
        ("CREATE POLICY open ON spend_summaries USING (true)", "spend_summaries", "reading the other tenant"),
        (
            "DROP POLICY tenant_only ON sessions; CREATE POLICY lax ON sessions USING (tenant_id = nullif(current_setting('subgrant.tenant_id', true), '')::uuid)",
            "sessions",
            "before a tenant was set",
        ),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO subgrant_app", "ledger_", "partition"),
        (
            "CREATE TABLE invoices (tenant_id uuid); GRANT SELECT ON invoices TO subgrant_app",
            "invoices",
            "not forced",
        ),
        (
            "CREATE VIEW everything AS SELECT * FROM delegations; GRANT SELECT ON everything TO subgrant_app",
            "everything",
            "reading the other tenant gives",
        ),
    ] {
        let (server, visitor, other) = stage().await;
        server.database.superuser().await.execute(damage).await.unwrap();
        let found = faults(&server.database, visitor, other).await;
        let is_reported = found.iter().any(|fault| fault.starts_with(table) && fault.contains(words));
        assert!(is_reported, "{damage} goes unnoticed: {found:?}");
    }
}
