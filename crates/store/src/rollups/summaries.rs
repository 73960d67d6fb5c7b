//! Keeping summaries: made from the rollups, piece by piece, each entry once.
//!
//! Whoever makes them holds the summaries' own lock, not the tenant's: what they are made of does not change any more,
//! because entries are recorded in the order of time.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Summarised, sums::Level};
use crate::{LockedTx, Result, TenantTx};

/// Locks the summaries of the transaction's tenant and says how far they reach; `None` where there are none yet. In that
/// case a second maker is kept out when it enters the first [`advance`].
pub async fn lock(tx: &mut TenantTx) -> Result<Option<Summarised>> {
    let row = sqlx::query!(
        r#"SELECT through AS "through: jiff_sqlx::Timestamp", time_zone FROM spend_summary_heads
           WHERE tenant_id = $1 FOR UPDATE"#,
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Summarised { through: row.through.to_jiff(), time_zone: row.time_zone }))
}

/// Begins anew: nothing before `through` has been spent. Says whether nobody else has begun.
pub async fn begin(tx: &mut TenantTx, head: &Summarised) -> Result<bool> {
    let begun = sqlx::query!(
        "INSERT INTO spend_summary_heads (tenant_id, time_zone, through) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id) DO NOTHING",
        tx.tenant().as_uuid(),
        head.time_zone,
        head.through.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    Ok(begun > 0)
}

/// Forgets every summary of the tenant.
pub async fn reset(tx: &mut TenantTx) -> Result<()> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!("DELETE FROM spend_summary_heads WHERE tenant_id = $1", tenant)
        .execute(tx.connection())
        .await?;
    sqlx::query!("DELETE FROM spend_summaries WHERE tenant_id = $1", tenant).execute(tx.connection()).await?;
    Ok(())
}

/// Adds what was spent from `from` until before `to` to the periods of a level that begin at `starts`, the first of
/// which contains `from`. Hours are kept for the root alone. What is read together is written side by side.
pub async fn add(
    tx: &mut TenantTx,
    level: Level,
    (from, to): (Timestamp, Timestamp),
    starts: &[Timestamp],
) -> Result<()> {
    let starts: Vec<_> = starts.iter().map(|start| start.to_sqlx()).collect();
    sqlx::query!(
        "WITH own AS (
             SELECT ($4::timestamptz[])[width_bucket(bucket, $4)] AS bucket, delegation_id, cost_center, department,
                 sum(gross) AS gross, sum(refunded) AS refunded, sum(entries)::bigint AS entries
             FROM spend_sums WHERE tenant_id = $1 AND entries > 0 AND bucket >= $2 AND bucket < $3
             GROUP BY 1, 2, 3, 4
         ), spread AS (
             SELECT own.*, node, node = own.delegation_id AS is_own
             FROM own JOIN delegations d ON d.tenant_id = $1 AND d.id = own.delegation_id
             CROSS JOIN LATERAL unnest((d.ancestor_ids || d.id)[1:$5]) AS node
         )
         INSERT INTO spend_summaries AS s (tenant_id, level, delegation_id, bucket, cost_center, department,
             own_gross, own_refunded, own_entries, gross, refunded, entries)
         SELECT $1, $6, node, bucket, cost_center, department, coalesce(sum(gross) FILTER (WHERE is_own), 0),
             coalesce(sum(refunded) FILTER (WHERE is_own), 0), coalesce(sum(entries) FILTER (WHERE is_own), 0),
             sum(gross), sum(refunded), sum(entries)
         FROM spread GROUP BY node, bucket, cost_center, department ORDER BY node, bucket, cost_center, department
         ON CONFLICT (tenant_id, level, delegation_id, bucket, cost_center, department) DO UPDATE
             SET own_gross = s.own_gross + excluded.own_gross,
                 own_refunded = s.own_refunded + excluded.own_refunded,
                 own_entries = s.own_entries + excluded.own_entries, gross = s.gross + excluded.gross,
                 refunded = s.refunded + excluded.refunded, entries = s.entries + excluded.entries",
        tx.tenant().as_uuid(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        &starts as _,
        levels_of_nodes(level),
        level.as_str()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// How many nodes of each path, from the root down, have summaries of a level.
pub(super) fn levels_of_nodes(level: Level) -> i32 {
    match level {
        Level::Hour => 1,
        Level::Day | Level::Month => i32::MAX,
    }
}

/// The start of the first quarter of an hour from `from` on in which something was spent.
pub async fn next_quarter(tx: &mut TenantTx, from: Timestamp) -> Result<Option<Timestamp>> {
    let next = sqlx::query_scalar!(
        r#"SELECT min(bucket) AS "bucket: jiff_sqlx::Timestamp" FROM spend_sums
           WHERE tenant_id = $1 AND entries > 0 AND bucket >= $2"#,
        tx.tenant().as_uuid(),
        from.to_sqlx() as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(next.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Says how far summaries now reach.
pub async fn advance(tx: &mut TenantTx, through: Timestamp) -> Result<()> {
    sqlx::query!(
        "UPDATE spend_summary_heads SET through = $2 WHERE tenant_id = $1",
        tx.tenant().as_uuid(),
        through.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Makes the sums of a stretch of time anew from the ledger, all as rollups; `from` and `to` begin a quarter of an hour.
pub async fn rebuild_rollups(tx: &mut LockedTx, (from, to): (Timestamp, Timestamp)) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "DELETE FROM spend_rollups WHERE tenant_id = $1 AND bucket >= $2 AND bucket < $3",
        tenant,
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "UPDATE balances SET quarter_gross = 0, quarter_refunded = 0, quarter_entries = 0
         WHERE tenant_id = $1 AND quarter_start >= $2 AND quarter_start < $3",
        tenant,
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO spend_rollups
             (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
         SELECT $1, date_bin('15 minutes', recorded_at, 'epoch'), delegation_id, coalesce(cost_center, ''),
             coalesce(department, ''), coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0),
             coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0), count(*)
         FROM ledger WHERE tenant_id = $1 AND recorded_at >= $2 AND recorded_at < $3
         GROUP BY 2, 3, 4, 5",
        tenant,
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
