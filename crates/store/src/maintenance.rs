//! What the background worker and the readiness probe need.

use crate::{Database, Result, migrator::newest_migration};

/// How many pages of the table of idempotency records are looked through at a time: 16 MiB.
const PAGES: i32 = 2_000;

/// Makes the ledger's partitions of this month and `months_ahead` following ones; returns how many were missing.
pub async fn ensure_ledger_partitions(database: &Database, months_ahead: i32) -> Result<i32> {
    let created = sqlx::query_scalar!(r#"SELECT ledger_ensure_partitions($1) AS "created!""#, months_ahead)
        .fetch_one(database.directory())
        .await?;
    Ok(created)
}

/// Forgets idempotency records that were kept long enough, of all tenants; returns how many.
pub async fn forget_old_idempotency_records(database: &Database) -> Result<u64> {
    let (mut page, mut forgotten) = (0, 0);
    loop {
        let forget = sqlx::query_scalar!("SELECT idempotency_forget($1, $2)", page, PAGES);
        let Some(count) = forget.fetch_one(database.directory()).await? else { return Ok(forgotten) };
        forgotten += count.cast_unsigned();
        page += i64::from(PAGES);
    }
}

/// Whether there is a partition for ledger entries of this moment.
pub async fn has_ledger_partition(database: &Database) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT to_regclass('public.ledger_' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY_MM')) IS NOT NULL
               AS "found!""#
    )
    .fetch_one(database.directory())
    .await?;
    Ok(found)
}

/// Whether every migration that this program knows was applied. A newer program may have applied more.
pub async fn is_migrated(database: &Database) -> Result<bool> {
    // A database that was last migrated by an older program does not let us look.
    let may_look = sqlx::query_scalar!(
        r#"SELECT coalesce(has_table_privilege(to_regclass('public._sqlx_migrations'), 'SELECT'), false) AS "may_look!""#
    );
    if !may_look.fetch_one(database.directory()).await? {
        return Ok(false);
    }
    // Unlike others this is not checked when it is compiled: the table is the migrator's own, and no migration makes it.
    let newest = sqlx::query_scalar("SELECT max(version) FROM public._sqlx_migrations WHERE success");
    let newest: Option<i64> = newest.fetch_one(database.directory()).await?;
    Ok(newest >= newest_migration())
}

/// The digest of the master key that holds, if one was entered.
pub async fn entered_master_key_digest(database: &Database) -> Result<Option<Vec<u8>>> {
    let digest = sqlx::query_scalar!("SELECT digest FROM master_key_check");
    Ok(digest.fetch_optional(database.directory()).await?)
}

/// Enters the digest of the master key, if none was entered before, and returns the one that holds.
pub async fn master_key_digest(database: &Database, digest: &[u8; 32]) -> Result<Vec<u8>> {
    sqlx::query!("INSERT INTO master_key_check (digest) VALUES ($1) ON CONFLICT DO NOTHING", &digest[..])
        .execute(database.directory())
        .await?;
    Ok(sqlx::query_scalar!("SELECT digest FROM master_key_check").fetch_one(database.directory()).await?)
}
