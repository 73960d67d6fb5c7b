//! What most would write first, and the floor below which no ledger gets: in tables of the same shape.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::{drive::drive, figures::Load, world::Tenant};

/// A transaction for each spend: every balance of the path, then the entry. No idempotency, no hash chain, no windows, no
/// sums, no tokens; ancestors in one statement, by key.
pub(crate) struct Naive {
    pool: PgPool,
    /// Root first.
    paths: Arc<Vec<Vec<Uuid>>>,
    tenant: Uuid,
}

impl Naive {
    /// Makes its tables, with the tree of `tenant`.
    pub(crate) async fn new(pool: &PgPool, tenant: &Tenant) -> Self {
        let statements = "CREATE SCHEMA naive;
             CREATE TABLE naive.delegations (tenant_id uuid, id uuid, budget bigint NOT NULL,
                 spent bigint NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, id), CHECK (spent <= budget))
                 WITH (fillfactor = 50);
             CREATE SEQUENCE naive.position;
             CREATE TABLE naive.ledger (LIKE public.ledger INCLUDING ALL)";
        sqlx::raw_sql(statements).execute(pool).await.expect("the superuser may make tables");
        let paths: Vec<Vec<_>> = tenant
            .leaves
            .iter()
            .map(|leaf| leaf.principal.path.ids().iter().map(|id| id.as_uuid()).collect())
            .collect();
        let mut ids: Vec<_> = paths.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        sqlx::query(
            "INSERT INTO naive.delegations SELECT $1, id, 1::bigint << 50 FROM unnest($2::uuid[]) AS id",
        )
        .bind(tenant.id.as_uuid())
        .bind(ids)
        .execute(pool)
        .await
        .expect("the table is empty");
        sqlx::raw_sql("VACUUM ANALYZE naive.delegations").execute(pool).await.expect("the owner may");
        Self { pool: pool.clone(), paths: Arc::new(paths), tenant: tenant.id.as_uuid() }
    }

    pub(crate) async fn run(&self, clients: usize, lasts: Duration) -> Load {
        let (pool, paths, tenant) = (self.pool.clone(), Arc::clone(&self.paths), self.tenant);
        drive(clients, lasts, move |_| {
            let (pool, paths) = (pool.clone(), Arc::clone(&paths));
            async move {
                let path = &paths[rand::rng().random_range(..paths.len())];
                spend(&pool, tenant, path).await.expect("no budget is near its end");
                1
            }
        })
        .await
    }
}

async fn spend(pool: &PgPool, tenant: Uuid, path: &[Uuid]) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE naive.delegations SET spent = spent + 1 WHERE tenant_id = $1 AND id = ANY($2)")
        .bind(tenant)
        .bind(path)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO naive.ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department,
             recorded_at, idempotency_key, hash)
         VALUES ($1, nextval('naive.position'), $2, 'spend', $3, 1, 'Department 1', 'Department 1', now(), $4, $5)",
    )
    .bind(tenant)
    .bind(Uuid::now_v7())
    .bind(path.last())
    .bind(Uuid::now_v7().to_string())
    .bind(rand::random::<[u8; 32]>().to_vec())
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Rows for one insert.
struct Rows {
    tenant: Uuid,
    first_seq: i64,
    ids: Vec<Uuid>,
    leaves: Vec<Uuid>,
    keys: Vec<String>,
    hashes: Vec<Vec<u8>>,
}

impl Rows {
    fn new(tenant: Uuid, leaves: &[Uuid], first_seq: i64, count: usize) -> Self {
        let leaf = |_| leaves[rand::rng().random_range(..leaves.len())];
        Self {
            tenant,
            first_seq,
            ids: (0..count).map(|_| Uuid::now_v7()).collect(),
            leaves: (0..count).map(leaf).collect(),
            keys: (0..count).map(|_| Uuid::now_v7().to_string()).collect(),
            hashes: (0..count).map(|_| rand::random::<[u8; 32]>().to_vec()).collect(),
        }
    }

    async fn insert(&self, connection: &mut PgConnection, written: Written) -> sqlx::Result<()> {
        let mut tx = connection.begin().await?;
        sqlx::query(
            "INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department,
                 recorded_at, idempotency_key, hash)
             SELECT $1, $2 + position, id, 'spend', leaf, 1, 'Department 1', 'Department 1', clock_timestamp(), key, hash
             FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::bytea[]) WITH ORDINALITY
                 AS new (id, leaf, key, hash, position)",
        )
        .bind(self.tenant)
        .bind(self.first_seq)
        .bind(&self.ids)
        .bind(&self.leaves)
        .bind(&self.keys)
        .bind(&self.hashes)
        .execute(&mut *tx)
        .await?;
        if written == Written::EntriesAndRecords {
            self.insert_records(&mut tx).await?;
        }
        tx.commit().await
    }

    async fn insert_records(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO idempotency (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
             SELECT $1, leaf, 'POST /spend', key, hash, 201, $5, clock_timestamp()
             FROM unnest($2::uuid[], $3::text[], $4::bytea[]) AS new (leaf, key, hash)",
        )
        .bind(self.tenant)
        .bind(&self.leaves)
        .bind(&self.keys)
        .bind(&self.hashes)
        .bind("an answer ".repeat(23))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// What a bare insert writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Entries,
    /// Also what a spend with a key cannot do without: its answer under that key.
    EntriesAndRecords,
}

/// The bare insert of ledger rows into the real ledger, under a tenant that exists nowhere else: one connection, nothing
/// read, nothing decided. The rows are made outside of the measured time.
pub(crate) async fn ceiling(
    url: &str,
    tenant: &Tenant,
    (rows, written): (usize, Written),
    lasts: Duration,
) -> Load {
    let mut connection = PgConnection::connect(url).await.expect("the superuser may connect");
    let leaves: Vec<_> = tenant.leaves.iter().map(|leaf| leaf.delegation().as_uuid()).collect();
    let spare = Uuid::now_v7();
    let (mut elapsed, mut inserted, mut latencies) = (Duration::ZERO, 0, Vec::new());
    while elapsed < lasts {
        let rows = Rows::new(spare, &leaves, inserted, rows);
        let asked = std::time::Instant::now();
        rows.insert(&mut connection, written).await.expect("nothing forbids these rows");
        let took = asked.elapsed();
        elapsed += took;
        latencies.push(crate::drive::micros(took));
        inserted += i64::try_from(rows.ids.len()).expect("some thousands");
    }
    connection.close().await.expect("the connection works");
    Load::of(inserted.cast_unsigned(), elapsed, latencies)
}
