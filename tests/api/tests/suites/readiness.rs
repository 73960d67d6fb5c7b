//! `/livez` and `/readyz`: when a server should be sent work, and when it should be left alone.

use reqwest::Method;
use sqlx::AssertSqlSafe;
use subgrant_tests::{Reply, TestServer};

async fn probe(server: &TestServer, path: &str) -> Reply {
    Reply::of(server.api.request_at(Method::GET, path)).await
}

/// Whether the server is ready, and alive in any case.
async fn ready(server: &TestServer) -> Reply {
    assert_eq!(probe(server, "/livez").await.status, 200);
    probe(server, "/readyz").await
}

async fn execute(server: &TestServer, statement: &str) {
    let superuser = server.database.superuser().await;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&superuser).await.expect("the owner may");
}

/// Fails unless a change makes the server unready for this reason, and undoing it ready again.
async fn assert_unready_while(server: &TestServer, change: &str, undo: &str, code: &str) {
    assert_eq!(ready(server).await.status, 200, "before {change}");
    execute(server, change).await;
    let reply = ready(server).await;
    reply.assert_problem(503, code, change);
    assert!(reply.header("retry-after").is_some());
    execute(server, undo).await;
    assert_eq!(ready(server).await.status, 200, "after {undo}");
}

#[tokio::test]
async fn a_schema_that_is_older_than_the_program_makes_it_unready() {
    let server = TestServer::start().await;
    let (forget, remember) = (
        "UPDATE _sqlx_migrations SET success = false WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
        "UPDATE _sqlx_migrations SET success = true",
    );
    assert_unready_while(&server, forget, remember, "not_migrated").await;
    let (revoke, grant) = (
        "REVOKE SELECT ON _sqlx_migrations FROM subgrant_app",
        "GRANT SELECT ON _sqlx_migrations TO subgrant_app",
    );
    assert_unready_while(&server, revoke, grant, "not_migrated").await;
}

#[tokio::test]
async fn a_newer_schema_does_not() {
    let server = TestServer::start().await;
    let add = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (999999, 'from the future', true, '', 0)";
    execute(&server, add).await;
    assert_eq!(ready(&server).await.status, 200);
}

#[tokio::test]
async fn a_month_without_a_partition_makes_it_unready() {
    let server = TestServer::start().await;
    execute(&server, "SELECT ledger_ensure_partitions(1)").await;
    let rename = |from: &str, to: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER TABLE %I RENAME TO %I',
                '{from}ledger_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'),
                '{to}ledger_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')); END $$"
        )
    };
    assert_unready_while(&server, &rename("", "old_"), &rename("old_", ""), "no_partition").await;
}

#[tokio::test]
async fn a_database_of_another_master_key_makes_it_unready() {
    let server = TestServer::start().await;
    server.enter_master_key().await;
    let (other, own) = (
        "UPDATE master_key_check SET digest = sha256(digest)",
        "UPDATE master_key_check SET digest = earlier FROM (SELECT digest AS earlier FROM kept) AS kept",
    );
    execute(&server, "CREATE TABLE kept AS SELECT digest FROM master_key_check").await;
    assert_unready_while(&server, other, own, "other_key").await;
}

#[tokio::test]
async fn a_database_that_is_away_makes_it_unready_until_it_is_back() {
    let server = TestServer::start().await;
    assert_eq!(ready(&server).await.status, 200);
    server.database.go_away().await;
    ready(&server).await.assert_problem(503, "unavailable", "the database is away");
    assert_eq!(probe(&server, "/metrics").await.status, 200, "whoever watches still sees something");
    server.database.come_back().await;
    assert_eq!(ready(&server).await.status, 200);
}

#[tokio::test]
async fn a_server_that_stops_is_unready_alive_and_watched() {
    let server = TestServer::start().await;
    server.start_draining();
    ready(&server).await.assert_problem(503, "draining", "the server is stopping");
    assert_eq!(probe(&server, "/metrics").await.status, 200);
}
