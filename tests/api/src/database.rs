//! A database per test, copied from a migrated template.

use std::sync::OnceLock;

use embedded_postgres::{Cluster, Installation};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

/// A migrated, empty database.
pub struct TestDatabase {
    /// Its URL, as a superuser. The server drops that privilege itself.
    pub url: String,
}

/// An unprivileged role.
pub struct Login {
    /// The role.
    pub name: String,
    /// Where it connects to its database.
    pub url: String,
    owner: PgPool,
}

impl Login {
    /// Deletes the role, which otherwise outlives the test's database.
    pub async fn drop(self) {
        let statement = AssertSqlSafe(format!("DROP ROLE {}", self.name));
        self.owner.execute(statement).await.expect("nothing belongs to the role");
    }
}

/// Where `cargo xtask test` has started a cluster.
const CLUSTER_URL: &str = "SUBGRANT_TEST_DATABASE_URL";

impl TestDatabase {
    /// Copies the template, which the first test of a cluster makes.
    pub async fn create() -> Self {
        let admin_url = cluster_url();
        let mut admin =
            PgConnection::connect(&admin_url).await.expect("the test cluster accepts connections");
        let template = ensure_template(&admin_url, &mut admin).await;
        let name = format!("test_{}", Uuid::now_v7().simple());
        admin
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}")))
            .await
            .expect("a template without connections can be copied");
        Self { url: with_database(&admin_url, &name) }
    }

    /// A database without any schema, for tests of the migration itself.
    pub async fn create_empty() -> Self {
        let admin_url = cluster_url();
        let mut admin =
            PgConnection::connect(&admin_url).await.expect("the test cluster accepts connections");
        let name = format!("empty_{}", Uuid::now_v7().simple());
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        admin.execute(create).await.expect("a database can be created");
        Self { url: with_database(&admin_url, &name) }
    }

    /// A role that may log in to this database and nothing else.
    pub async fn create_login(&self) -> Login {
        let name = format!("login_{}", Uuid::now_v7().simple());
        let statement = AssertSqlSafe(format!("CREATE ROLE {name} LOGIN"));
        self.superuser().await.execute(statement).await.expect("a role can be created");
        let (scheme, rest) = self.url.split_once("://").expect("a database URL has a scheme");
        let (_, place) = rest.split_once('@').expect("the superuser is named");
        Login { url: format!("{scheme}://{name}@{place}"), name, owner: self.superuser().await }
    }

    /// Lets the engine record at this time what is written next: it never records before the newest entry of a ledger. So a test
    /// goes forward in time, and never back.
    pub async fn go_forward_to(&self, time: &str) {
        let statement = "UPDATE ledger_heads SET newest_at = greatest(newest_at, $1::text::timestamptz)";
        let moved = sqlx::query(statement).bind(time).execute(&self.superuser().await).await;
        moved.expect("the time can be set");
    }

    /// Ends every connection and lets nobody in, as if the database were away.
    pub async fn go_away(&self) {
        self.alter("ALLOW_CONNECTIONS false").await;
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
        let mut admin = PgConnection::connect(&cluster_url()).await.expect("the cluster accepts connections");
        sqlx::query(end).bind(self.name()).execute(&mut admin).await.expect("a superuser may");
    }

    /// Lets everybody in again.
    pub async fn come_back(&self) {
        self.alter("ALLOW_CONNECTIONS true").await;
    }

    async fn alter(&self, setting: &str) {
        let mut admin = PgConnection::connect(&cluster_url()).await.expect("the cluster accepts connections");
        let statement = AssertSqlSafe(format!("ALTER DATABASE {} {setting}", self.name()));
        admin.execute(statement).await.expect("a superuser may");
    }

    fn name(&self) -> &str {
        let address = self.url.split('?').next().unwrap_or_default();
        address.rsplit('/').next().unwrap_or_default()
    }

    /// Connections of a superuser, who sees every tenant.
    pub async fn superuser(&self) -> PgPool {
        PgPool::connect(&self.url).await.expect("the test database accepts connections")
    }
}

/// The cluster that `cargo xtask test` started, or one of this process's own.
fn cluster_url() -> String {
    static OWN: OnceLock<Cluster> = OnceLock::new();
    std::env::var(CLUSTER_URL).unwrap_or_else(|_| {
        let start = || {
            let installation = Installation::find().expect("PostgreSQL is installed");
            Cluster::start_temporary(&installation).expect("a private cluster starts")
        };
        OWN.get_or_init(start).superuser_url("postgres")
    })
}

async fn ensure_template(admin_url: &str, admin: &mut PgConnection) -> String {
    let name = format!("template_{}", subgrant_store::schema_fingerprint());
    // One of the tests that start at once makes the template; the others wait for it.
    admin.execute("SELECT pg_advisory_lock(8402)").await.expect("a lock can be taken");
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("the catalogue can be read");
    if !exists {
        let draft = format!("draft_{}", Uuid::now_v7().simple());
        let create = AssertSqlSafe(format!("CREATE DATABASE {draft}"));
        admin.execute(create).await.expect("a database can be created");
        subgrant_store::migrate(&with_database(admin_url, &draft), None).await.expect("the migrations apply");
        let rename = AssertSqlSafe(format!("ALTER DATABASE {draft} RENAME TO {name}"));
        admin.execute(rename).await.expect("a database without connections can be renamed");
    }
    admin.execute("SELECT pg_advisory_unlock(8402)").await.expect("the lock is held");
    name
}

/// The same URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').expect("a database URL has a path");
    format!("{server}/{database}?{query}")
}
