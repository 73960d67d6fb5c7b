//! What the background worker and the readiness probe need.

use subgrant_domain::TenantId;

use crate::{Database, Result, idempotency::KEPT_HOURS};

/// Makes the ledger's partitions of this month and `months_ahead` following ones; returns how many were missing.
pub async fn ensure_ledger_partitions(database: &Database, months_ahead: i32) -> Result<i32> {
    let created = sqlx::query_scalar!(r#"SELECT ledger_ensure_partitions($1) AS "created!""#, months_ahead)
        .fetch_one(database.directory())
        .await?;
    Ok(created)
}

/// Forgets idempotency records of a tenant that were kept long enough; returns how many.
pub async fn forget_old_idempotency_records(database: &Database, tenant: TenantId) -> Result<u64> {
    let mut tx = database.begin(tenant).await?;
    let forgotten = sqlx::query!(
        "DELETE FROM idempotency WHERE tenant_id = $1 AND created_at < clock_timestamp() - make_interval(hours => $2)",
        tenant.as_uuid(),
        KEPT_HOURS
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}

/// Whether the database answers, is migrated, and has a partition for today's ledger entries.
pub async fn is_ready(database: &Database) -> Result<bool> {
    let ready = sqlx::query_scalar!(
        r#"SELECT to_regclass('public.ledger_' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY_MM')) IS NOT NULL
               AS "ready!""#
    )
    .fetch_one(database.directory())
    .await?;
    Ok(ready)
}

/// Enters the digest of the master key, if none was entered before, and returns the one that holds.
pub async fn master_key_digest(database: &Database, digest: &[u8; 32]) -> Result<Vec<u8>> {
    sqlx::query!("INSERT INTO master_key_check (digest) VALUES ($1) ON CONFLICT DO NOTHING", &digest[..])
        .execute(database.directory())
        .await?;
    Ok(sqlx::query_scalar!("SELECT digest FROM master_key_check").fetch_one(database.directory()).await?)
}
