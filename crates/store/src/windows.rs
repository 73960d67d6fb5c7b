//! What a window's counter begins with: sums of the rollups, because every window begins at a quarter of an hour.

use jiff_sqlx::ToSqlx;
use subgrant_domain::{Credits, NodePath, Period, WindowKey};

use crate::{
    Result, TenantTx,
    delegations::{Place, row::credits},
};

/// What each of the given nodes, which have no descendants, has spent since its window began; refunds do not count.
pub async fn spent_by_leaves(tx: &mut TenantTx, windows: &[WindowKey]) -> Result<Vec<(WindowKey, Credits)>> {
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let nodes: Vec<_> = windows.iter().map(|window| window.delegation.as_uuid()).collect();
    let starts: Vec<_> = windows.iter().map(|window| window.start.to_sqlx()).collect();
    let sums = sqlx::query_scalar!(
        r#"SELECT (SELECT least(coalesce(sum(r.gross), 0), 9007199254740991)::bigint FROM spend_sums r
               WHERE r.tenant_id = $1 AND r.delegation_id = k.delegation_id AND r.bucket >= k.window_start) AS "spent!"
           FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS k (delegation_id, window_start, position)
           ORDER BY k.position"#,
        tx.tenant().as_uuid(),
        &nodes,
        &starts as _
    )
    .fetch_all(tx.connection())
    .await?;
    windows.iter().zip(sums).map(|(window, spent)| Ok((*window, credits(spent)?))).collect()
}

/// What the subtree of the node at `path` has spent since a window of it began. Days that are summarised are read as such;
/// every window but the hour's begins with a day, and each entry before `through` is in its day's summary.
pub async fn spent_by_subtree(tx: &mut TenantTx, path: &NodePath, window: &WindowKey) -> Result<Credits> {
    let span = Place::of(path).subtree();
    let spent = sqlx::query_scalar!(
        r#"WITH summarised AS MATERIALIZED (
               SELECT h.through FROM spend_summary_heads h JOIN tenants t ON t.tenant_id = h.tenant_id
               WHERE h.tenant_id = $1 AND t.tenant_id = $1 AND h.time_zone = t.time_zone AND $6)
           SELECT least(9007199254740991,
               coalesce((SELECT sum(gross) FROM spend_summaries
                   WHERE tenant_id = $1 AND level = 'day' AND delegation_id = $5 AND bucket >= $2
                       AND EXISTS (SELECT FROM summarised)), 0)
               + coalesce((SELECT sum(r.gross)
                   FROM delegations d JOIN (
                       SELECT delegation_id, sum(gross) AS gross FROM spend_sums
                       WHERE tenant_id = $1 AND bucket >= greatest($2, (SELECT through FROM summarised))
                       GROUP BY delegation_id OFFSET 0) r ON r.delegation_id = d.id
                   WHERE d.tenant_id = $1 AND d.place >= $3 AND d.place < $4), 0))::bigint AS "spent!""#,
        tx.tenant().as_uuid(),
        window.start.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes(),
        path.id().as_uuid(),
        window.period != Period::Hour
    )
    .fetch_one(tx.connection())
    .await?;
    credits(spent)
}
