//! Reading sums: of one stretch of time, from one table, by whatever a report asks for.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, DelegationId, NodePath, Tally};

use super::{attributed, tally};
use crate::{Result, TenantTx};

/// What the lines of a report are distinguished by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupBy {
    /// One line for each cost centre.
    pub cost_center: bool,
    /// One line for each department.
    pub department: bool,
    /// One line for each delegation that spent.
    pub delegation: bool,
}

/// Which sums to read. Times are half-open ranges.
#[derive(Debug)]
pub struct Query<'a> {
    /// Of the subtree at this path.
    pub within: &'a NodePath,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
    /// Where intervals begin, in order; the first not after `from`.
    pub intervals: &'a [Timestamp],
    /// By what.
    pub group_by: GroupBy,
    /// At most so many rows.
    pub limit: i64,
}

/// A sum. Attributes that were not asked for are `None`.
#[derive(Debug)]
pub struct Sum {
    /// In which interval, counted from 0.
    pub interval: usize,
    /// Of which delegation.
    pub delegation: Option<DelegationId>,
    /// Of which cost centre.
    pub cost_center: Option<AttributeText>,
    /// Of which department.
    pub department: Option<AttributeText>,
    /// Whether its entries have no cost centre, asked for or not.
    pub is_unallocated: bool,
    /// The sum.
    pub tally: Tally,
}

/// The length of a summary's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the root alone.
    Hour,
    /// A day of the tenant's zone.
    Day,
    /// A month of the tenant's zone.
    Month,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

struct Row {
    interval: i32,
    delegation_id: Option<uuid::Uuid>,
    cost_center: Option<String>,
    department: Option<String>,
    is_unallocated: bool,
    gross: String,
    refunded: String,
    entries: i64,
}

impl Row {
    fn into_sum(self) -> Result<Sum> {
        Ok(Sum {
            interval: usize::try_from(self.interval - 1).unwrap_or_default(),
            delegation: self.delegation_id.map(DelegationId::from_uuid),
            cost_center: self.cost_center.map(attributed).transpose()?.flatten(),
            department: self.department.map(attributed).transpose()?.flatten(),
            is_unallocated: self.is_unallocated,
            tally: tally(&self.gross, &self.refunded, self.entries)?,
        })
    }
}

fn sums(rows: Vec<Row>) -> Result<Vec<Sum>> {
    rows.into_iter().map(Row::into_sum).collect()
}

fn starts(query: &Query<'_>) -> Vec<jiff_sqlx::Timestamp> {
    query.intervals.iter().map(|start| start.to_sqlx()).collect()
}

/// Prepares the transaction for reading sums. The planner can know neither that a tenant's rows of one level stand side by
/// side nor how few groups they make, and would read the whole table and sort it.
pub async fn prepare(tx: &mut TenantTx) -> Result<()> {
    let settings = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL work_mem = '32MB'; \
                    SET LOCAL max_parallel_workers_per_gather = 0";
    sqlx::raw_sql(settings).execute(tx.connection()).await?;
    Ok(())
}

/// Reads the ledger itself: for the edges of a range that are no quarters of an hour.
pub async fn of_entries(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(recorded_at, $2::timestamptz[]) AS "interval!",
               CASE WHEN $3 THEN delegation_id END AS delegation_id,
               CASE WHEN $4 THEN cost_center END AS cost_center,
               CASE WHEN $5 THEN department END AS department,
               cost_center IS NULL AS "is_unallocated!",
               coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0)::text AS "gross!",
               coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0)::text AS "refunded!",
               count(*) AS "entries!"
           FROM ledger WHERE tenant_id = $1 AND recorded_at >= $6 AND recorded_at < $7
               AND ($8 OR delegation_id IN
                   (SELECT id FROM delegations WHERE tenant_id = $1 AND path <@ $9::text::ltree))
           GROUP BY 1, 2, 3, 4, 5 LIMIT $10"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        query.within.depth() == 0,
        query.within.to_string(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}

/// Reads the quarters of an hour; `from` and `to` begin one.
pub async fn of_quarters(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    if query.within.depth() > 0 { quarters_below(tx, query).await } else { quarters_of_all(tx, query).await }
}

async fn quarters_of_all(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(bucket, $2::timestamptz[]) AS "interval!",
               CASE WHEN $3 THEN delegation_id END AS delegation_id,
               CASE WHEN $4 THEN cost_center END AS cost_center,
               CASE WHEN $5 THEN department END AS department,
               cost_center = '' AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM spend_rollups WHERE tenant_id = $1 AND bucket >= $6 AND bucket < $7
           GROUP BY 1, 2, 3, 4, 5 LIMIT $8"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}

async fn quarters_below(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(r.bucket, $2::timestamptz[]) AS "interval!",
               CASE WHEN $3 THEN r.delegation_id END AS delegation_id,
               CASE WHEN $4 THEN r.cost_center END AS cost_center,
               CASE WHEN $5 THEN r.department END AS department,
               r.cost_center = '' AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM delegations d JOIN spend_rollups r ON r.tenant_id = d.tenant_id AND r.delegation_id = d.id
           WHERE d.tenant_id = $1 AND r.tenant_id = $1 AND d.path <@ $8::text::ltree
               AND r.bucket >= $6 AND r.bucket < $7
           GROUP BY 1, 2, 3, 4, 5 LIMIT $9"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        query.within.to_string(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}

/// Reads summaries; `from` and `to` begin a period of `level`. Where delegations are told apart, each one's own;
/// otherwise those of the node at `within`, which count its whole subtree.
pub async fn of_summaries(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    match (query.group_by.delegation, query.within.depth()) {
        (false, _) => summaries_of_subtree(tx, level, query).await,
        (true, 0) => own_summaries_of_all(tx, level, query).await,
        (true, _) => own_summaries_below(tx, level, query).await,
    }
}

async fn summaries_of_subtree(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(bucket, $2::timestamptz[]) AS "interval!", NULL::uuid AS delegation_id,
               CASE WHEN $3 THEN cost_center END AS cost_center,
               CASE WHEN $4 THEN department END AS department,
               cost_center = '' AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM spend_summaries
           WHERE tenant_id = $1 AND level = $7 AND delegation_id = $8 AND bucket >= $5 AND bucket < $6
           GROUP BY 1, 2, 3, 4, 5 LIMIT $9"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        level.as_str(),
        query.within.id().as_uuid(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}

async fn own_summaries_of_all(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(bucket, $2::timestamptz[]) AS "interval!", delegation_id AS "delegation_id?",
               CASE WHEN $3 THEN cost_center END AS cost_center,
               CASE WHEN $4 THEN department END AS department,
               cost_center = '' AS "is_unallocated!", sum(own_gross)::text AS "gross!",
               sum(own_refunded)::text AS "refunded!", sum(own_entries)::bigint AS "entries!"
           FROM spend_summaries
           WHERE tenant_id = $1 AND level = $7 AND own_entries > 0 AND bucket >= $5 AND bucket < $6
           GROUP BY 1, 2, 3, 4, 5 LIMIT $8"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        level.as_str(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}

async fn own_summaries_below(tx: &mut TenantTx, level: Level, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(s.bucket, $2::timestamptz[]) AS "interval!", s.delegation_id AS "delegation_id?",
               CASE WHEN $3 THEN s.cost_center END AS cost_center,
               CASE WHEN $4 THEN s.department END AS department,
               s.cost_center = '' AS "is_unallocated!", sum(own_gross)::text AS "gross!",
               sum(own_refunded)::text AS "refunded!", sum(own_entries)::bigint AS "entries!"
           FROM delegations d JOIN spend_summaries s ON s.tenant_id = d.tenant_id AND s.delegation_id = d.id
           WHERE d.tenant_id = $1 AND s.tenant_id = $1 AND d.path <@ $8::text::ltree
               AND s.level = $7 AND s.own_entries > 0 AND s.bucket >= $5 AND s.bucket < $6
           GROUP BY 1, 2, 3, 4, 5 LIMIT $9"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        level.as_str(),
        query.within.to_string(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows)
}
