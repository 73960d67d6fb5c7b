//! Connections, and transactions that carry their tenant.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Postgres, Row, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use subgrant_domain::TenantId;
use subgrant_metrics::{Histogram, SECONDS};

use crate::{
    Result,
    lanes::{Lane, LaneUse, Lanes, Pass, Shares},
};

/// A pool of connections that act as the unprivileged role.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    /// For what is nobody's: counts and look-ups on behalf of strangers may wait for each other's rows, and must not do so
    /// with connections that tenants need. `None`: there are too few to set some apart.
    directory: Option<PgPool>,
    lanes: Arc<Lanes>,
    begin_times: Arc<Histogram>,
}

/// How busy the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that somebody works with.
    pub busy: usize,
    /// Connections that wait for work.
    pub idle: usize,
    /// The most there may be.
    pub most: usize,
}

/// How to connect.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// A PostgreSQL URL.
    pub url: String,
    /// The most connections at once. A quarter of them is for what is no tenant's.
    pub max_connections: u32,
    /// How long a request waits for a free connection, once it is its turn.
    pub acquire_timeout: Duration,
    /// How many of them are for whom.
    pub shares: Shares,
}

/// A transaction of one tenant: row-level security shows nothing else.
pub struct TenantTx {
    // Ended before the next one may begin.
    tx: Transaction<'static, Postgres>,
    tenant: TenantId,
    _pass: Pass,
}

/// A transaction that holds the tenant's lock: nobody else writes the tenant's balances, settings or ledger until it
/// ends. Made by [`crate::delegations::lock`], and by [`crate::tenants::insert`] for a tenant that nobody knows yet.
pub struct LockedTx {
    tx: TenantTx,
    /// What the tenant's revision is once this is committed.
    next_revision: i64,
    /// Whether that was written already.
    is_revised: bool,
}

/// For statements that are planned once and go by keys: see [`Database::begin_for_engine`].
const BY_KEY: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; \
                      SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// Undoes it within a transaction.
const FOR_VALUES: &str = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on; \
                          SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// The role every connection switches to; made by the first migration.
const ROLE: &str = "subgrant_app";

impl Database {
    /// Opens the pool and checks that a connection can be made.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self> {
        let connect: PgConnectOptions = options.url.parse()?;
        // The pool would try again until its time-out, and then say only that time ran out.
        let mut first = PgConnection::connect_with(&connect).await?;
        prepare(&mut first).await?;
        first.close().await?;
        let of_directory = options.max_connections / 4;
        let pool = |connections: u32| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.acquire_timeout)
                .after_connect(|connection, _| Box::pin(prepare(connection)))
                .after_release(|connection, _| Box::pin(is_outside_transaction(connection)))
                .connect_with(connect.clone().application_name("subgrant"))
        };
        let tenants = pool(options.max_connections - of_directory).await?;
        let directory = if of_directory == 0 { None } else { Some(pool(of_directory).await?) };
        let (lanes, begin_times) = (Arc::new(Lanes::new(options.shares)), Histogram::new(SECONDS));
        Ok(Self { pool: tenants, directory, lanes, begin_times: Arc::new(begin_times) })
    }

    /// Opens a transaction for `tenant` that may write, when it is the turn of its tenant's writers.
    ///
    /// Whoever has a transaction of either kind must not wait for another one: all of a tenant's could wait for each other.
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_as("BEGIN", tenant, Lane::Write).await
    }

    /// The same for statements that come again and again, and find few rows by their keys whatever is asked for: they are
    /// planned once, to go by the keys however small a table was then. To plan a posting takes longer than to execute it for
    /// a single spend.
    pub async fn begin_often(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_as(&format!("BEGIN; {BY_KEY}"), tenant, Lane::Write).await
    }

    /// The same for the tenant's spend engine, which has one at a time: it waits for none of the tenant's other writers but
    /// those that are under way.
    pub async fn begin_for_engine(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_with(&format!("BEGIN; {BY_KEY}"), tenant, Pass::of_nobody()).await
    }

    /// Opens a read-only transaction for `tenant` in which all statements see the same instant.
    pub async fn begin_read(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_as(BEGIN_READ, tenant, Lane::Read).await
    }

    /// The same to look a credential up that nobody has proved yet: whoever presents it may name any tenant, and must not
    /// stand in the way of that tenant's own readers.
    pub async fn begin_read_for_stranger(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_as(BEGIN_READ, tenant, Lane::Stranger).await
    }

    /// The same for an export, which lasts as long as its reader takes and must not stand in the way of the tenant's other
    /// readers. Whoever asks has bounded how many there are at once.
    pub async fn begin_read_for_export(&self, tenant: TenantId) -> Result<TenantTx> {
        self.begin_with(BEGIN_READ, tenant, Pass::of_nobody()).await
    }

    async fn begin_as(&self, begin: &str, tenant: TenantId, lane: Lane) -> Result<TenantTx> {
        let pass = self.lanes.enter(tenant, lane).await?;
        self.begin_with(begin, tenant, pass).await
    }

    async fn begin_with(&self, begin: &str, tenant: TenantId, pass: Pass) -> Result<TenantTx> {
        let asked = Instant::now();
        let begun = self.pool.begin_with(start(begin, tenant)).await;
        self.begin_times.observe(asked.elapsed());
        Ok(TenantTx { tx: begun?, tenant, _pass: pass })
    }

    /// How many transactions wait for their turn.
    pub fn lane_use(&self) -> LaneUse {
        self.lanes.lane_use()
    }

    /// How long it took to get a connection and begin a transaction on it.
    pub fn begin_times(&self) -> &Histogram {
        &self.begin_times
    }

    /// How busy the pool is.
    pub fn pool_use(&self) -> PoolUse {
        let pools = std::iter::once(&self.pool).chain(&self.directory);
        let sum = |of: fn(&PgPool) -> usize| pools.clone().map(of).sum::<usize>();
        let (open, idle) = (sum(|pool| pool.size() as usize), sum(PgPool::num_idle));
        let most = sum(|pool| pool.options().get_max_connections() as usize);
        PoolUse { busy: open.saturating_sub(idle), idle, most }
    }

    /// Whether more than half of the connections are free, so that one may be kept for what is about to come.
    pub fn has_spare_connections(&self) -> bool {
        let busy = self.pool.size() as usize - self.pool.num_idle();
        busy * 2 < self.pool.options().get_max_connections() as usize
    }

    /// A connection without a tenant: sees the directory and nothing else.
    pub(crate) fn directory(&self) -> &PgPool {
        self.directory.as_ref().unwrap_or(&self.pool)
    }

    /// Closes every connection, after the work on it has ended.
    pub async fn close(&self) {
        self.pool.close().await;
        if let Some(directory) = &self.directory {
            directory.close().await;
        }
    }
}

/// The one place where a tenant is set. A literal, because Citus passes `SET LOCAL` on to its workers but not
/// `set_config()`; safe, because a UUID's text holds only hexadecimal digits and hyphens.
fn start(begin: &str, tenant: TenantId) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{begin}; SET LOCAL subgrant.tenant_id = '{}'", tenant.as_uuid()))
}

impl TenantTx {
    /// Whose transaction it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Ends the transaction and keeps what it wrote.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }

    /// In a transaction of [`Database::begin_for_engine`] or [`Database::begin_often`]: plans the statements that follow for what they ask for, because that
    /// decides how few rows they find.
    pub(crate) async fn plan_for_values(&mut self) -> Result<()> {
        self.connection().execute(FOR_VALUES).await?;
        Ok(())
    }

    /// Goes back to plans that are made once.
    pub(crate) async fn plan_by_key(&mut self) -> Result<()> {
        self.connection().execute(BY_KEY).await?;
        Ok(())
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Of a tenant whose lock was taken when `revision` writes of it were committed.
    pub(crate) fn into_locked(self, revision: i64) -> LockedTx {
        LockedTx { tx: self, next_revision: revision + 1, is_revised: false }
    }
}

impl LockedTx {
    /// Ends the transaction, keeps what it wrote and gives the lock up. Counts the tenant's revision up, so that nobody
    /// goes on with what they knew before.
    pub async fn commit(mut self) -> Result<()> {
        self.revise().await?;
        self.tx.commit().await
    }

    /// The same, and begins the tenant's next transaction as [`Database::begin_for_engine`] does: one round trip, and a process
    /// of the database that has just seen the same rows.
    pub async fn commit_and_begin_often(mut self) -> Result<TenantTx> {
        self.revise().await?;
        let chain = start(&format!("COMMIT AND CHAIN; {BY_KEY}"), self.tx.tenant);
        self.connection().execute(chain).await?;
        Ok(self.tx)
    }

    async fn revise(&mut self) -> Result<()> {
        if !self.is_revised {
            let (tenant, revision) = (self.tenant_uuid(), self.next_revision);
            sqlx::query!("UPDATE ledger_heads SET revision = $2 WHERE tenant_id = $1", tenant, revision)
                .execute(self.connection())
                .await?;
            self.is_revised = true;
        }
        Ok(())
    }

    /// Whose transaction it is.
    pub fn tenant(&self) -> TenantId {
        self.tx.tenant
    }

    /// The same transaction where the lock does not matter: reading.
    pub fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    /// What the tenant's revision is once this is committed.
    pub(crate) fn next_revision(&self) -> i64 {
        self.next_revision
    }

    /// What it is now, as this transaction sees it.
    pub(crate) fn revision(&self) -> i64 {
        self.next_revision - i64::from(!self.is_revised)
    }

    /// Notes that a statement has written it.
    pub(crate) fn revised(&mut self) {
        self.is_revised = true;
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.tx.connection()
    }

    pub(crate) fn tenant_uuid(&self) -> uuid::Uuid {
        self.tx.tenant.as_uuid()
    }
}

/// Drops privileges and bounds how long anything can hang.
async fn prepare(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    let settings = format!(
        "SET ROLE {ROLE}; SET TIME ZONE 'UTC'; SET statement_timeout = '60s'; SET lock_timeout = '20s'; \
         SET idle_in_transaction_session_timeout = '60s'; SET jit = off"
    );
    connection.execute(AssertSqlSafe(settings)).await?;
    Ok(())
}

/// Whether a connection that comes back to the pool may be used again. A caller that was cancelled while `BEGIN` was
/// under way leaves an open transaction that sqlx does not know of; such a connection is closed.
async fn is_outside_transaction(connection: &mut PgConnection) -> std::result::Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        return Ok(false);
    }
    // Outside a transaction a statement is its own, and the transaction starts when it does. As a simple query, because
    // the extended protocol takes the two times at different messages.
    let row = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?;
    row.try_get(0)
}
