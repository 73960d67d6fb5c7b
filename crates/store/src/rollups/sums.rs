//! Reading sums: of one stretch of time, from one table, by whatever a report asks for.

mod periods;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, DelegationId, NodePath, Tally};

use super::{attributed, tally};
use crate::{Result, TenantTx, delegations::Place, ledger};

pub use periods::of_summaries;

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
    /// What is known of the delegations in that subtree.
    pub nodes: Nodes<'a>,
    /// The newest entry's position.
    pub head: u64,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
    /// Where intervals begin, in order; the first not after `from`.
    pub intervals: &'a [Timestamp],
    /// By what.
    pub group_by: GroupBy,
    /// Whether each period of the summaries that are read is an interval of its own.
    pub is_by_period: bool,
    /// At most so many rows.
    pub limit: i64,
}

/// Which delegations have sums to read. No index knows of subtrees, and of a large one hardly any node spends.
#[derive(Debug, Clone, Copy)]
pub enum Nodes<'a> {
    /// All, because the subtree is the whole tenant.
    All,
    /// No others than these.
    EachOf(&'a [DelegationId]),
    /// Whichever are found in the subtree.
    Within,
}

impl Nodes<'_> {
    /// The ids to look for; `None` where others are looked at as well.
    fn ids(self) -> Option<Vec<uuid::Uuid>> {
        match self {
            Self::EachOf(ids) => Some(ids.iter().map(|id| id.as_uuid()).collect()),
            Self::All | Self::Within => None,
        }
    }
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
    /// Where the sum is of a period, that period's beginning instead of the interval.
    bucket: Option<jiff_sqlx::Timestamp>,
    delegation_id: Option<uuid::Uuid>,
    cost_center: Option<String>,
    department: Option<String>,
    is_unallocated: bool,
    gross: String,
    refunded: String,
    entries: i64,
}

impl Row {
    fn into_sum(self, query: &Query<'_>) -> Result<Sum> {
        let interval = match self.bucket.map(jiff_sqlx::Timestamp::to_jiff) {
            Some(bucket) => query.intervals.partition_point(|start| *start <= bucket).saturating_sub(1),
            None => usize::try_from(self.interval - 1).unwrap_or_default(),
        };
        // Where cost centres are told apart, they tell it, and it need not be grouped by.
        let is_unallocated = if query.group_by.cost_center {
            self.cost_center.as_deref().is_none_or(str::is_empty)
        } else {
            self.is_unallocated
        };
        Ok(Sum {
            interval,
            delegation: self.delegation_id.map(DelegationId::from_uuid),
            cost_center: self.cost_center.map(attributed).transpose()?.flatten(),
            department: self.department.map(attributed).transpose()?.flatten(),
            is_unallocated,
            tally: tally(&self.gross, &self.refunded, self.entries)?,
        })
    }
}

fn sums(rows: Vec<Row>, query: &Query<'_>) -> Result<Vec<Sum>> {
    rows.into_iter().map(|row| row.into_sum(query)).collect()
}

fn starts(query: &Query<'_>) -> Vec<jiff_sqlx::Timestamp> {
    query.intervals.iter().map(|start| start.to_sqlx()).collect()
}

/// Prepares the transaction for reading sums. The planner can know neither that a tenant's rows of one level stand side by
/// side nor how few groups they make, and would read the whole table and sort it. What is asked for decides which index
/// serves, so that a plan for whatever may be asked would be none.
pub async fn prepare(tx: &mut TenantTx) -> Result<()> {
    let settings = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL work_mem = '32MB'; \
                    SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL plan_cache_mode = force_custom_plan";
    sqlx::raw_sql(settings).execute(tx.connection()).await?;
    Ok(())
}

/// Reads the ledger itself: for the edges of a range that are no quarters of an hour. Entries are found by position, because
/// the ledger has no index by time.
pub async fn of_entries(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let first_seq = ledger::first_seq_since(tx, query.from, query.head).await?;
    let end_seq = ledger::first_seq_since(tx, query.to, query.head).await?;
    let span = Place::of(query.within).subtree();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH e AS MATERIALIZED (
               SELECT width_bucket(recorded_at, $2::timestamptz[]) AS interval, delegation_id,
                   coalesce(cost_center, '') AS cost_center, coalesce(department, '') AS department,
                   coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0) AS gross,
                   coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded, count(*) AS entries
               FROM ledger WHERE tenant_id = $1 AND seq >= $8 AND seq < $9 AND recorded_at >= $6 AND recorded_at < $7
               GROUP BY 1, 2, 3, 4
           )
           SELECT interval AS "interval!", NULL::timestamptz AS "bucket: _",
               CASE WHEN $3 THEN delegation_id END AS delegation_id, CASE WHEN $4 THEN cost_center END AS cost_center,
               CASE WHEN $5 THEN department END AS department, cost_center = '' AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM e WHERE $10 OR (SELECT d.place >= $11 AND d.place < $12 FROM delegations d
               WHERE d.tenant_id = $1 AND d.id = e.delegation_id)
           GROUP BY 1, 2, 3, 4, 5, 6 LIMIT $13"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        first_seq.cast_signed(),
        end_seq.cast_signed(),
        query.within.depth() == 0,
        span.from.as_bytes(),
        span.until.as_bytes(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows, query)
}

/// Reads the quarters of an hour; `from` and `to` begin one.
pub async fn of_quarters(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    match query.nodes {
        Nodes::All | Nodes::EachOf(_) => quarters_of(tx, query).await,
        Nodes::Within => quarters_within(tx, query).await,
    }
}

async fn quarters_of(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT width_bucket(bucket, $2::timestamptz[]) AS "interval!", NULL::timestamptz AS "bucket: _",
               CASE WHEN $3 THEN delegation_id END AS delegation_id,
               CASE WHEN $4 THEN cost_center END AS cost_center,
               CASE WHEN $5 THEN department END AS department,
               CASE WHEN $4 THEN false ELSE cost_center = '' END AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM spend_sums WHERE tenant_id = $1 AND entries > 0 AND bucket >= $6 AND bucket < $7
               AND ($8::uuid[] IS NULL OR delegation_id = ANY($8))
           GROUP BY 1, 2, 3, 4, 5, 6 LIMIT $9"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        query.nodes.ids() as _,
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows, query)
}

/// Adds up first and asks then which delegations are in the subtree, each once in an interval.
async fn quarters_within(tx: &mut TenantTx, query: &Query<'_>) -> Result<Vec<Sum>> {
    let span = Place::of(query.within).subtree();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH r AS MATERIALIZED (
               SELECT width_bucket(bucket, $2::timestamptz[]) AS interval, delegation_id, cost_center, department,
                   sum(gross) AS gross, sum(refunded) AS refunded, sum(entries) AS entries
               FROM spend_sums WHERE tenant_id = $1 AND entries > 0 AND bucket >= $6 AND bucket < $7 GROUP BY 1, 2, 3, 4
           )
           SELECT interval AS "interval!", NULL::timestamptz AS "bucket: _",
               CASE WHEN $3 THEN delegation_id END AS delegation_id, CASE WHEN $4 THEN cost_center END AS cost_center,
               CASE WHEN $5 THEN department END AS department, cost_center = '' AS "is_unallocated!",
               sum(gross)::text AS "gross!", sum(refunded)::text AS "refunded!", sum(entries)::bigint AS "entries!"
           FROM r WHERE (SELECT d.place >= $8 AND d.place < $9 FROM delegations d
               WHERE d.tenant_id = $1 AND d.id = r.delegation_id)
           GROUP BY 1, 2, 3, 4, 5, 6 LIMIT $10"#,
        tx.tenant().as_uuid(),
        &starts(query) as _,
        query.group_by.delegation,
        query.group_by.cost_center,
        query.group_by.department,
        query.from.to_sqlx() as _,
        query.to.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes(),
        query.limit
    )
    .fetch_all(tx.connection())
    .await?;
    sums(rows, query)
}
