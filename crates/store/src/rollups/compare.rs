//! Comparing sums with what they are sums of.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, RollupKey, Tally};

use super::{attributed, summaries::levels_of_nodes, sums::Level, tally};
use crate::{Result, TenantTx};

/// A sum that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is summed up; the bucket begins the period.
    pub key: RollupKey,
    /// What it must be.
    pub expected: Tally,
    /// What is stored; nothing where no row is.
    pub stored: Tally,
}

struct Row {
    bucket: jiff_sqlx::Timestamp,
    delegation_id: uuid::Uuid,
    cost_center: String,
    department: String,
    expected_gross: String,
    expected_refunded: String,
    expected_entries: i64,
    gross: String,
    refunded: String,
    entries: i64,
}

impl Row {
    fn into_difference(self) -> Result<Difference> {
        Ok(Difference {
            key: RollupKey {
                bucket: self.bucket.to_jiff(),
                delegation: DelegationId::from_uuid(self.delegation_id),
                cost_center: attributed(self.cost_center)?,
                department: attributed(self.department)?,
            },
            expected: tally(&self.expected_gross, &self.expected_refunded, self.expected_entries)?,
            stored: tally(&self.gross, &self.refunded, self.entries)?,
        })
    }
}

/// How many entries were recorded in a stretch of time.
pub async fn count_entries(tx: &mut TenantTx, (from, to): (Timestamp, Timestamp)) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM ledger
           WHERE tenant_id = $1 AND recorded_at >= $2 AND recorded_at < $3"#,
        tx.tenant().as_uuid(),
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.cast_unsigned())
}

/// When the first entry was recorded, or the first quarter of an hour with a sum begins, whichever is earlier.
pub async fn beginning(tx: &mut TenantTx) -> Result<Option<Timestamp>> {
    let first = sqlx::query_scalar!(
        r#"SELECT least((SELECT min(recorded_at) FROM ledger WHERE tenant_id = $1 AND seq = 1),
               (SELECT min(bucket) FROM spend_sums WHERE tenant_id = $1 AND entries > 0)) AS "first: jiff_sqlx::Timestamp""#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(first.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The end of the last quarter of an hour with a sum.
pub async fn end(tx: &mut TenantTx) -> Result<Option<Timestamp>> {
    let last = sqlx::query_scalar!(
        r#"SELECT max(bucket) + interval '15 minutes' AS "last: jiff_sqlx::Timestamp" FROM spend_sums
           WHERE tenant_id = $1 AND entries > 0"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(last.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The first rollup of a stretch of time that is not what the ledger adds up to; `from` and `to` begin a quarter.
pub async fn rollups(tx: &mut TenantTx, (from, to): (Timestamp, Timestamp)) -> Result<Option<Difference>> {
    let row = sqlx::query_as!(
        Row,
        r#"WITH expected AS (
               SELECT date_bin('15 minutes', recorded_at, 'epoch') AS bucket, delegation_id,
                   coalesce(cost_center, '') AS cost_center, coalesce(department, '') AS department,
                   coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0) AS gross,
                   coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded, count(*) AS entries
               FROM ledger WHERE tenant_id = $1 AND recorded_at >= $2 AND recorded_at < $3 GROUP BY 1, 2, 3, 4
           ), stored AS (
               SELECT bucket, delegation_id, cost_center, department, sum(gross) AS gross, sum(refunded) AS refunded,
                   sum(entries)::bigint AS entries
               FROM spend_sums WHERE tenant_id = $1 AND entries > 0 AND bucket >= $2 AND bucket < $3 GROUP BY 1, 2, 3, 4
           )
           SELECT bucket AS "bucket!: _", delegation_id AS "delegation_id!", cost_center AS "cost_center!",
               department AS "department!", coalesce(e.gross, 0)::text AS "expected_gross!",
               coalesce(e.refunded, 0)::text AS "expected_refunded!", coalesce(e.entries, 0) AS "expected_entries!",
               coalesce(s.gross, 0)::text AS "gross!", coalesce(s.refunded, 0)::text AS "refunded!",
               coalesce(s.entries, 0) AS "entries!"
           FROM expected e FULL JOIN stored s USING (bucket, delegation_id, cost_center, department)
           WHERE (e.gross, e.refunded, e.entries) IS DISTINCT FROM (s.gross, s.refunded, s.entries)
           ORDER BY 1, 2, 3, 4 LIMIT 1"#,
        tx.tenant().as_uuid(),
        from.to_sqlx() as _,
        to.to_sqlx() as _
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::into_difference).transpose()
}

/// The first summary of a level, among the periods that begin at `starts` and end before the last of these, that is not
/// what the rollups before `through` add up to: of subtrees, or else of a node's own.
pub async fn summaries(
    tx: &mut TenantTx,
    level: Level,
    starts: &[Timestamp],
    through: Timestamp,
) -> Result<Option<Difference>> {
    let (Some(from), Some(to)) = (starts.first(), starts.last()) else { return Ok(None) };
    let times: Vec<_> = starts.iter().map(|start| start.to_sqlx()).collect();
    let row = sqlx::query_as!(
        Row,
        r#"WITH own AS (
               SELECT ($4::timestamptz[])[width_bucket(bucket, $4)] AS bucket, delegation_id, cost_center, department,
                   sum(gross) AS gross, sum(refunded) AS refunded, sum(entries)::bigint AS entries
               FROM spend_sums WHERE tenant_id = $1 AND entries > 0 AND bucket >= $2 AND bucket < least($3::timestamptz, $5::timestamptz)
               GROUP BY 1, 2, 3, 4
           ), expected AS (
               SELECT bucket, node AS delegation_id, own.cost_center, own.department, sum(gross) AS gross,
                   sum(refunded) AS refunded, sum(entries)::bigint AS entries,
                   coalesce(sum(gross) FILTER (WHERE node = own.delegation_id), 0) AS own_gross,
                   coalesce(sum(refunded) FILTER (WHERE node = own.delegation_id), 0) AS own_refunded,
                   coalesce(sum(entries) FILTER (WHERE node = own.delegation_id), 0)::bigint AS own_entries
               FROM own JOIN delegations d ON d.tenant_id = $1 AND d.id = own.delegation_id
               CROSS JOIN LATERAL unnest((d.ancestor_ids || d.id)[1:$6]) AS node GROUP BY 1, 2, 3, 4
           ), stored AS (
               SELECT * FROM spend_summaries
               WHERE tenant_id = $1 AND level = $7 AND bucket >= $2 AND bucket < $3
           ), compared AS (
               SELECT bucket, delegation_id, cost_center, department,
                   (e.gross, e.refunded, e.entries) IS NOT DISTINCT FROM (s.gross, s.refunded, s.entries) AS same,
                   (e.own_gross, e.own_refunded, e.own_entries)
                       IS NOT DISTINCT FROM (s.own_gross, s.own_refunded, s.own_entries) AS own_same,
                   e.gross AS e_gross, e.refunded AS e_refunded, e.entries AS e_entries,
                   e.own_gross AS e_own_gross, e.own_refunded AS e_own_refunded, e.own_entries AS e_own_entries,
                   s.gross, s.refunded, s.entries, s.own_gross, s.own_refunded, s.own_entries
               FROM expected e FULL JOIN stored s USING (bucket, delegation_id, cost_center, department)
           )
           SELECT bucket AS "bucket!: _", delegation_id AS "delegation_id!", cost_center AS "cost_center!",
               department AS "department!",
               coalesce(CASE WHEN same THEN e_own_gross ELSE e_gross END, 0)::text AS "expected_gross!",
               coalesce(CASE WHEN same THEN e_own_refunded ELSE e_refunded END, 0)::text AS "expected_refunded!",
               coalesce(CASE WHEN same THEN e_own_entries ELSE e_entries END, 0) AS "expected_entries!",
               coalesce(CASE WHEN same THEN own_gross ELSE gross END, 0)::text AS "gross!",
               coalesce(CASE WHEN same THEN own_refunded ELSE refunded END, 0)::text AS "refunded!",
               coalesce(CASE WHEN same THEN own_entries ELSE entries END, 0) AS "entries!"
           FROM compared WHERE NOT same OR NOT own_same ORDER BY 1, 2, 3, 4 LIMIT 1"#,
        tx.tenant().as_uuid(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        &times as _,
        through.to_sqlx() as _,
        levels_of_nodes(level),
        level.as_str()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::into_difference).transpose()
}
