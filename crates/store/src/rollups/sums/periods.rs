//! Reading summaries.

use jiff_sqlx::ToSqlx;

use super::{Level, Nodes, Query, Row, Sum, starts, sums};
use crate::{Result, TenantTx, rollups::spenders};

/// Reads summaries; `from` and `to` begin a period of `level`. Where delegations are told apart, each one's own;
/// otherwise those of the node at `within`, which count its whole subtree.
pub async fn of_summaries(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    if !query.group_by.delegation {
        return in_order(tx, level, query).await;
    }
    match query.nodes {
        Nodes::All => in_order(tx, level, query).await,
        Nodes::EachOf(_) => own(tx, level, query).await,
        Nodes::Within => {
            let range = (query.from, query.to);
            let spenders = spenders::within(tx, level, range, query.within).await?;
            own(tx, level, &Query { nodes: Nodes::EachOf(&spenders), ..*query }).await
        }
    }
}

/// Where every period is an interval, rows are taken in the order in which the index has them, and no more of them than
/// there may be lines. The planner believes in hashing all of them first.
async fn in_order(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let is_own = query.group_by.delegation;
    if !query.is_by_period {
        return if is_own { own(tx, level, query).await } else { of_subtree(tx, level, query).await };
    }
    sqlx::raw_sql("SET LOCAL enable_hashagg = off").execute(tx.connection()).await?;
    let sums = if is_own { own(tx, level, query).await? } else { of_subtree(tx, level, query).await? };
    sqlx::raw_sql("SET LOCAL enable_hashagg = on").execute(tx.connection()).await?;
    Ok(sums)
}

async fn of_subtree(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT CASE WHEN $9 THEN 0 ELSE width_bucket(bucket, $2::timestamptz[]) END AS "interval!",
               CASE WHEN $9 THEN bucket END AS "bucket: _", NULL::uuid AS delegation_id,
               CASE WHEN $3 THEN cost_center END AS cost_center,
               CASE WHEN $4 THEN department END AS department,
               CASE WHEN $3 THEN false ELSE cost_center = '' END AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM spend_summaries
           WHERE tenant_id = $1 AND level = $7 AND delegation_id = $8 AND bucket >= $5 AND bucket < $6
           GROUP BY 1, 2, 3, 4, 5, 6 LIMIT $10"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        level.as_str(),
        query.within.id().as_uuid(),
        query.is_by_period,
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows, query)
}

async fn own(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT CASE WHEN $9 THEN 0 ELSE width_bucket(bucket, $2::timestamptz[]) END AS "interval!",
               CASE WHEN $9 THEN bucket END AS "bucket: _", delegation_id AS "delegation_id?",
               CASE WHEN $3 THEN cost_center END AS cost_center,
               CASE WHEN $4 THEN department END AS department,
               CASE WHEN $3 THEN false ELSE cost_center = '' END AS "is_unallocated!",
               sum(own_gross)::text AS "gross!", sum(own_refunded)::text AS "refunded!",
               sum(own_entries)::bigint AS "entries!"
           FROM spend_summaries
           WHERE tenant_id = $1 AND level = $7 AND own_entries > 0 AND bucket >= $5 AND bucket < $6
               AND ($8::uuid[] IS NULL OR delegation_id = ANY($8))
           GROUP BY 1, 2, 3, 4, 5, 6 LIMIT $10"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        level.as_str(),
        query.nodes.ids() as _,
        query.is_by_period,
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows, query)
}
