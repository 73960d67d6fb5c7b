//! Listing the entries of a subtree in the order of the ledger, or against it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder, Row as _};
use subgrant_domain::{EntryHash, LedgerEntry, NodePath, SpendId};

use super::row_of;
use crate::{
    Order, Result, TenantTx,
    delegations::{Span, row},
    error::read,
};

/// Whose entries to list. The ledger has no index by subtree, which every debit would have to pay for; how a subtree's
/// entries are found depends on its size.
#[derive(Debug, Clone)]
pub enum Scope {
    /// The whole tenant's.
    All,
    /// Those of a small subtree: each node's own entries, merged.
    EachOf(Span),
    /// Those of a large subtree: the entries in turn, of which many are in it.
    Among(Span),
}

/// Which entries to list, by position: after one and before another, from either end.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// After this position.
    pub after_seq: u64,
    /// Before this position.
    pub before_seq: u64,
    /// The instant of the decision: nothing is recorded later.
    pub now: Timestamp,
    /// In which order.
    pub order: Order,
}

impl Range {
    /// The next `most` positions of it.
    fn next(self, most: u64) -> Self {
        match self.order {
            Order::OldestFirst => {
                let end = self.after_seq.saturating_add(most).saturating_add(1);
                Self { before_seq: self.before_seq.min(end), ..self }
            }
            Order::NewestFirst => {
                let end = self.before_seq.saturating_sub(most).saturating_sub(1);
                Self { after_seq: self.after_seq.max(end), ..self }
            }
        }
    }

    /// The last position, where `whole` goes on behind it.
    fn end_within(self, whole: Self) -> Option<u64> {
        let goes_on = (self.after_seq, self.before_seq) != (whole.after_seq, whole.before_seq);
        goes_on.then(|| match self.order {
            Order::OldestFirst => self.before_seq - 1,
            Order::NewestFirst => self.after_seq + 1,
        })
    }
}

/// A stretch of a list.
#[derive(Debug)]
pub struct Listed {
    /// In the order asked for.
    pub entries: Vec<LedgerEntry>,
    /// The last position that was looked at, where that is not the end of the range.
    pub looked_until: Option<u64>,
}

const COLUMNS: &str =
    "l.seq, l.id, l.kind, l.delegation_id, l.amount, l.cost_center, l.department, l.recorded_at,
    l.idempotency_key, l.description, l.metadata::text AS metadata, l.reverses";

/// Lists entries, at most `limit`; of a large subtree, those among the next `most` entries.
pub async fn list(tx: &mut TenantTx, scope: &Scope, range: Range, limit: usize, most: u64) -> Result<Listed> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    let tenant = tx.tenant().as_uuid();
    let direction = range.order.direction();
    let mut looked_at = range;
    match scope {
        Scope::All => {
            query.push(COLUMNS).push(" FROM ledger l");
            push_range(&mut query, tenant, range);
        }
        Scope::EachOf(span) => {
            // Partitions before the range's beginning and after now hold nothing to look for.
            let since = time_at(tx, range.after_seq + 1).await?;
            query
                .push("l.* FROM delegations d CROSS JOIN LATERAL (SELECT ")
                .push(COLUMNS)
                .push(" FROM ledger l");
            push_range(&mut query, tenant, range);
            query
                .push(" AND l.recorded_at <= ")
                .push_bind(range.now.to_sqlx())
                .push(" AND l.recorded_at >= ");
            query
                .push_bind(since.map(ToSqlx::to_sqlx))
                .push(" AND l.delegation_id = d.id ORDER BY l.seq ")
                .push(direction);
            query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX)).push(") l");
            push_span(&mut query, tenant, span);
        }
        Scope::Among(span) => {
            looked_at = range.next(most);
            query.push(COLUMNS).push(" FROM ledger l JOIN delegations d ON d.id = l.delegation_id");
            push_span(&mut query, tenant, span);
            query.push(" AND l.tenant_id = ").push_bind(tenant);
            push_positions(&mut query, looked_at);
        }
    }
    query.push(" ORDER BY l.seq ").push(direction);
    query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(tx.connection()).await?;
    let entries: Vec<_> = rows.iter().map(|row| row_of(row)?.into_entry()).collect::<Result<_>>()?;
    let looked_until = if entries.len() == limit {
        entries.last().map(|entry| entry.seq)
    } else {
        looked_at.end_within(range)
    };
    Ok(Listed { entries, looked_until })
}

fn push_range(query: &mut QueryBuilder<Postgres>, tenant: uuid::Uuid, range: Range) {
    query.push(" WHERE l.tenant_id = ").push_bind(tenant);
    push_positions(query, range);
}

fn push_positions(query: &mut QueryBuilder<Postgres>, range: Range) {
    query.push(" AND l.seq > ").push_bind(range.after_seq.cast_signed());
    query.push(" AND l.seq < ").push_bind(range.before_seq.cast_signed());
}

fn push_span(query: &mut QueryBuilder<Postgres>, tenant: uuid::Uuid, span: &Span) {
    query.push(" WHERE d.tenant_id = ").push_bind(tenant);
    query.push(" AND d.place >= ").push_bind(span.from.as_bytes().to_vec());
    query.push(" AND d.place < ").push_bind(span.until.as_bytes().to_vec());
}

/// One entry, with the path of its node.
pub async fn by_id(tx: &mut TenantTx, id: SpendId) -> Result<Option<(LedgerEntry, NodePath)>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT d.ancestor_ids || d.id AS ids, ");
    query
        .push(COLUMNS)
        .push(" FROM ledger l JOIN delegations d ON d.tenant_id = l.tenant_id AND d.id = l.delegation_id");
    query.push(" WHERE l.tenant_id = ").push_bind(tx.tenant().as_uuid());
    query.push(" AND d.tenant_id = ").push_bind(tx.tenant().as_uuid());
    query.push(" AND l.id = ").push_bind(id.as_uuid());
    let Some(found) = query.build().fetch_optional(tx.connection()).await? else { return Ok(None) };
    let ids: Vec<uuid::Uuid> = found.try_get("ids")?;
    Ok(Some((row_of(&found)?.into_entry()?, row::path(&ids)?)))
}

/// When the entry at a position, or the next one there is, was recorded.
async fn time_at(tx: &mut TenantTx, seq: u64) -> Result<Option<Timestamp>> {
    let found = sqlx::query_scalar!(
        r#"SELECT recorded_at AS "at: jiff_sqlx::Timestamp" FROM ledger
           WHERE tenant_id = $1 AND seq >= $2 ORDER BY seq LIMIT 1"#,
        tx.tenant().as_uuid(),
        seq.cast_signed()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The first position, up to `head`, whose entry was recorded at `instant` or later; the one after `head` where there is
/// none. Entries never go back in time, so that it is found by halving, in one statement.
pub async fn first_seq_since(tx: &mut TenantTx, instant: Timestamp, head: u64) -> Result<u64> {
    let first = sqlx::query_scalar!(
        r#"WITH RECURSIVE halving AS (
               SELECT 1::bigint AS low, $3::bigint + 1 AS high
               UNION ALL
               SELECT CASE WHEN is_before THEN middle + 1 ELSE low END, CASE WHEN is_before THEN high ELSE middle END
               FROM (
                   SELECT low, high, middle, coalesce((SELECT recorded_at FROM ledger
                       WHERE tenant_id = $1 AND seq >= middle ORDER BY seq LIMIT 1) < $2, false) AS is_before
                   FROM (SELECT low, high, low + (high - low) / 2 AS middle FROM halving WHERE low < high) h
                   OFFSET 0
               ) h
           )
           SELECT low AS "low!" FROM halving WHERE low >= high"#,
        tx.tenant().as_uuid(),
        instant.to_sqlx() as _,
        head.cast_signed()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(first.cast_unsigned())
}

/// The hash of the entry at a position; what stands before the first one at 0.
pub async fn hash_at(tx: &mut TenantTx, seq: u64) -> Result<Option<EntryHash>> {
    if seq == 0 {
        return Ok(Some(EntryHash::GENESIS));
    }
    let found = sqlx::query_scalar!(
        "SELECT hash FROM ledger WHERE tenant_id = $1 AND seq = $2",
        tx.tenant().as_uuid(),
        seq.cast_signed()
    )
    .fetch_optional(tx.connection())
    .await?;
    found.map(|hash| Ok(EntryHash(read(hash.as_slice().try_into())?))).transpose()
}
