//! Which delegations of a subtree have spent. Row-level security keeps PostgreSQL from finding a subtree by its `path`, and of
//! a large one hardly any node spends: so those that spent are found first, and which of them are in the subtree then.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, NodePath};

use super::sums::Level;
use crate::{Result, TenantTx, delegations::Place};

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

/// Those that have summaries of their own in a range of periods that begin in it.
pub async fn within(
    tx: &mut TenantTx,
    level: Level,
    (from, to): (Timestamp, Timestamp),
    within: &NodePath,
) -> Result<Vec<DelegationId>> {
    let span = Place::of(within).subtree();
    let ids = sqlx::query_scalar!(
        "SELECT s.id FROM (
             SELECT DISTINCT delegation_id AS id FROM spend_summaries
             WHERE tenant_id = $1 AND level = $2 AND own_entries > 0 AND bucket >= $3 AND bucket < $4
         ) s WHERE (SELECT d.place >= $5 AND d.place < $6 FROM delegations d WHERE d.tenant_id = $1 AND d.id = s.id)",
        tx.tenant().as_uuid(),
        level.as_str(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes()
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(ids.into_iter().map(DelegationId::from_uuid).collect())
}

/// Whether more than `most` of the subtree have spent in a range, as far as a multiple of so many summaries tells: a `true`
/// is certain.
pub async fn are_more_than(
    tx: &mut TenantTx,
    level: Level,
    (from, to): (Timestamp, Timestamp),
    within: &NodePath,
    most: usize,
) -> Result<bool> {
    let span = Place::of(within).subtree();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let count = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT s.delegation_id) AS "count!" FROM (
               SELECT delegation_id FROM spend_summaries
               WHERE tenant_id = $1 AND level = $2 AND own_entries > 0 AND bucket >= $3 AND bucket < $4
                   AND ($5 OR (SELECT d.place >= $6 AND d.place < $7 FROM delegations d
                       WHERE d.tenant_id = $1 AND d.id = delegation_id))
               LIMIT $8
           ) s"#,
        tx.tenant().as_uuid(),
        level.as_str(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        within.depth() == 0,
        span.from.as_bytes(),
        span.until.as_bytes(),
        most.saturating_mul(2).saturating_add(1)
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count > most)
}
