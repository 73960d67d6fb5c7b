//! Which delegations of a subtree have spent. Row-level security keeps PostgreSQL from finding a subtree by its `path`, and of
//! a large one hardly any node spends: so those that spent are found first, and which of them are in the subtree then.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, NodePath};

use super::sums::Level;
use crate::{Result, TenantTx, delegations::Place};

/// More spenders than these are not looked up one by one.
const MOST_LOOKED_UP: i64 = 5_000;

/// Every node of a subtree, whether it has spent or not, where there are no more than `most`.
pub async fn all_of(tx: &mut TenantTx, within: &NodePath, most: usize) -> Result<Option<Vec<DelegationId>>> {
    let span = Place::of(within).subtree();
    let ids = sqlx::query_scalar!(
        "SELECT id FROM delegations WHERE tenant_id = $1 AND place >= $2 AND place < $3 ORDER BY place LIMIT $4",
        tx.tenant().as_uuid(),
        span.from.as_bytes(),
        span.until.as_bytes(),
        i64::try_from(most + 1).unwrap_or(i64::MAX)
    )
    .fetch_all(tx.connection())
    .await?;
    Ok((ids.len() <= most).then(|| ids.into_iter().map(DelegationId::from_uuid).collect()))
}

/// Those that have summaries of their own in the periods that begin in a range. Each is looked up, unless there are so many
/// that going through the subtree takes less.
pub async fn within(
    tx: &mut TenantTx,
    level: Level,
    (from, to): (Timestamp, Timestamp),
    within: &NodePath,
) -> Result<Vec<DelegationId>> {
    let span = Place::of(within).subtree();
    let ids = sqlx::query_scalar!(
        r#"WITH s AS MATERIALIZED (
               SELECT DISTINCT delegation_id AS id FROM spend_summaries
               WHERE tenant_id = $1 AND level = $2 AND own_entries > 0 AND bucket >= $3 AND bucket < $4
           ), n AS MATERIALIZED (
               SELECT id FROM delegations
               WHERE (SELECT count(*) FROM s) > $7 AND tenant_id = $1 AND place >= $5 AND place < $6
           )
           SELECT s.id AS "id!" FROM s WHERE (SELECT count(*) FROM s) <= $7
               AND (SELECT d.place >= $5 AND d.place < $6 FROM delegations d WHERE d.tenant_id = $1 AND d.id = s.id)
           UNION ALL
           SELECT n.id FROM n JOIN s ON s.id = n.id"#,
        tx.tenant().as_uuid(),
        level.as_str(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes(),
        MOST_LOOKED_UP
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(ids.into_iter().map(DelegationId::from_uuid).collect())
}

/// Whether more than `most` of the tenant have summaries of their own in the periods that begin in a range, as far as twice
/// as many summaries tell: a `true` is certain.
pub async fn are_more_than(
    tx: &mut TenantTx,
    level: Level,
    (from, to): (Timestamp, Timestamp),
    most: usize,
) -> Result<bool> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let count = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT s.delegation_id) AS "count!" FROM (
               SELECT delegation_id FROM spend_summaries
               WHERE tenant_id = $1 AND level = $2 AND own_entries > 0 AND bucket >= $3 AND bucket < $4 LIMIT $5
           ) s"#,
        tx.tenant().as_uuid(),
        level.as_str(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        most.saturating_mul(2).saturating_add(1)
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count > most)
}
