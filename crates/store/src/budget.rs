//! Which delegations a report on budgets adds up.

use sqlx::{AssertSqlSafe, Row};
use subgrant_domain::{DelegationId, NodePath};

use crate::{Result, TenantTx, delegations::Place};

/// What a path carries once: everything below the node where it is set inherits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// The cost centre.
    CostCenter,
    /// The department.
    Department,
}

/// The nodes of the subtree at `within` that have an attribute which the node above them, if that is in the subtree, does
/// not have; at most `limit`. Leaps from each over all that is below it, so that it costs a look-up per node found.
pub async fn topmost(
    tx: &mut TenantTx,
    attribute: Attribute,
    within: &NodePath,
    limit: i64,
) -> Result<Vec<DelegationId>> {
    let column = match attribute {
        Attribute::CostCenter => "cost_center",
        Attribute::Department => "department",
    };
    // No place below a node comes after the node's own with the greatest ids there are behind it.
    let statement = format!(
        "WITH RECURSIVE names (name) AS (
             (SELECT {column} FROM delegations WHERE tenant_id = $1 AND {column} IS NOT NULL ORDER BY {column} LIMIT 1)
             UNION ALL
             SELECT (SELECT d.{column} FROM delegations d WHERE d.tenant_id = $1 AND d.{column} > names.name
                     ORDER BY d.{column} LIMIT 1)
             FROM names WHERE names.name IS NOT NULL)
         SELECT found.id FROM names CROSS JOIN LATERAL (
             WITH RECURSIVE tops (id, place) AS (
                 (SELECT d.id, d.place FROM delegations d WHERE d.tenant_id = $1 AND d.{column} = names.name
                      AND d.place >= $2 AND d.place < $3 ORDER BY d.place LIMIT 1)
                 UNION ALL
                 SELECT later.id, later.place FROM tops CROSS JOIN LATERAL (
                     SELECT d.id, d.place FROM delegations d WHERE d.tenant_id = $1 AND d.{column} = names.name
                         AND d.place > tops.place || decode(repeat('ff', 512), 'hex') AND d.place < $3
                     ORDER BY d.place LIMIT 1) later)
             SELECT id FROM tops) found
         WHERE names.name IS NOT NULL LIMIT $4"
    );
    let span = Place::of(within).subtree();
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(tx.tenant().as_uuid())
        .bind(span.from.as_bytes())
        .bind(span.until.as_bytes())
        .bind(limit)
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| Ok(DelegationId::from_uuid(row.try_get(0)?))).collect()
}

/// The nodes of the subtree at `within`, parents before children; at most `limit`.
pub async fn all(tx: &mut TenantTx, within: &NodePath, limit: i64) -> Result<Vec<DelegationId>> {
    let span = Place::of(within).subtree();
    let ids = sqlx::query_scalar!(
        "SELECT id FROM delegations WHERE tenant_id = $1 AND place >= $2 AND place < $3 ORDER BY place LIMIT $4",
        tx.tenant().as_uuid(),
        span.from.as_bytes(),
        span.until.as_bytes(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(ids.into_iter().map(DelegationId::from_uuid).collect())
}
