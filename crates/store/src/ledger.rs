//! The ledger: appended to under the tenant's lock, never changed.

mod list;
mod proof;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::Row as _;
use subgrant_domain::{Credits, DelegationId, EntryHash, EntryKind, LedgerEntry, SpendId};

use crate::{
    Result, StoreError, TenantTx,
    delegations::row::{credits, text},
    error::read,
};

pub use list::{Listed, Range, Scope, by_id, first_seq_since, hash_at, list};
pub use proof::{
    Checkpoint, NodeSpent, NodeSums, OwnEntries, Verified, checkpoint, nodes_after, own_entries, root_totals,
    save_checkpoint, spent_after,
};

/// What every decision starts from: the database's clock, the tenant's zone, and the end of its ledger.
#[derive(Debug, Clone)]
pub struct Head {
    /// The instant of the decision. Never before the newest entry, even where the clock was set back.
    pub now: Timestamp,
    /// The zone in which windows are counted.
    pub zone: TimeZone,
    /// The newest entry's position; 0 where there is none.
    pub seq: u64,
    /// The newest entry's hash.
    pub hash: EntryHash,
}

/// Reads the clock after the lock was taken: `now()` would be the time at which the transaction began to wait.
pub async fn head(tx: &mut TenantTx) -> Result<Head> {
    let row = sqlx::query!(
        r#"SELECT greatest(clock_timestamp(), h.newest_at) AS "now!: jiff_sqlx::Timestamp", t.time_zone, h.seq, h.hash
           FROM tenants t JOIN ledger_heads h ON h.tenant_id = t.tenant_id WHERE t.tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(Head {
        now: row.now.to_jiff(),
        zone: read(TimeZone::get(&row.time_zone))?,
        seq: row.seq.cast_unsigned(),
        hash: EntryHash(read(row.hash.as_slice().try_into())?),
    })
}

/// A row of `ledger`, as selected.
struct EntryRow {
    seq: i64,
    id: uuid::Uuid,
    kind: String,
    delegation_id: uuid::Uuid,
    amount: i64,
    cost_center: Option<String>,
    department: Option<String>,
    recorded_at: jiff_sqlx::Timestamp,
    idempotency_key: Option<String>,
    description: Option<String>,
    metadata: Option<String>,
    reverses: Option<uuid::Uuid>,
}

/// Reads a row of a statement that was put together.
fn row_of(row: &sqlx::postgres::PgRow) -> Result<EntryRow> {
    Ok(EntryRow {
        seq: row.try_get("seq")?,
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        delegation_id: row.try_get("delegation_id")?,
        amount: row.try_get("amount")?,
        cost_center: row.try_get("cost_center")?,
        department: row.try_get("department")?,
        recorded_at: row.try_get("recorded_at")?,
        idempotency_key: row.try_get("idempotency_key")?,
        description: row.try_get("description")?,
        metadata: row.try_get("metadata")?,
        reverses: row.try_get("reverses")?,
    })
}

impl EntryRow {
    fn into_entry(self) -> Result<LedgerEntry> {
        Ok(LedgerEntry {
            seq: self.seq.cast_unsigned(),
            id: SpendId::from_uuid(self.id),
            kind: kind(&self.kind)?,
            delegation: DelegationId::from_uuid(self.delegation_id),
            amount: credits(self.amount)?,
            cost_center: self.cost_center.map(text).transpose()?,
            department: self.department.map(text).transpose()?,
            recorded_at: self.recorded_at.to_jiff(),
            idempotency_key: self.idempotency_key,
            description: self.description,
            metadata: self.metadata,
            reverses: self.reverses.map(SpendId::from_uuid),
        })
    }
}

/// Reads the tenant's whole ledger in the order of its chain, each entry with the hash that is stored for it; from the
/// position after `after_seq` on, at most `limit`.
pub async fn chain(tx: &mut TenantTx, after_seq: u64, limit: i64) -> Result<Vec<(LedgerEntry, EntryHash)>> {
    let rows = sqlx::query!(
        r#"SELECT seq, id, kind, delegation_id, amount, cost_center, department,
               recorded_at AS "recorded_at: jiff_sqlx::Timestamp", idempotency_key, description,
               metadata::text AS metadata, reverses, hash
           FROM ledger WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"#,
        tx.tenant().as_uuid(),
        after_seq.cast_signed(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let hash = EntryHash(read(row.hash.as_slice().try_into())?);
            let entry = EntryRow {
                seq: row.seq,
                id: row.id,
                kind: row.kind,
                delegation_id: row.delegation_id,
                amount: row.amount,
                cost_center: row.cost_center,
                department: row.department,
                recorded_at: row.recorded_at,
                idempotency_key: row.idempotency_key,
                description: row.description,
                metadata: row.metadata,
                reverses: row.reverses,
            };
            Ok((entry.into_entry()?, hash))
        })
        .collect()
}

/// What was given back of each of the given entries; those of which nothing was are left out.
pub async fn refunded(tx: &mut TenantTx, ids: &[SpendId]) -> Result<Vec<(SpendId, Credits)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT reverses AS "id!", sum(amount)::bigint AS "refunded!" FROM ledger
           WHERE tenant_id = $1 AND reverses = ANY($2) GROUP BY reverses"#,
        tx.tenant().as_uuid(),
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| Ok((SpendId::from_uuid(row.id), credits(row.refunded)?))).collect()
}

fn kind(text: &str) -> Result<EntryKind> {
    [EntryKind::Spend, EntryKind::Refund, EntryKind::Adjustment]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| StoreError::Malformed(format!("the entry kind {text}")))
}
