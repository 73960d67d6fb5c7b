//! What changed, for those who watch: written with the change, numbered under the tenant's lock.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, EventPosition, NodePath, TenantId};

use crate::{Database, LockedTx, Result, TenantTx, delegations::row::path};

/// An event to be written.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The ledger's position after which it comes.
    pub ledger_seq: u64,
    /// What happened, as `<thing>.<participle>`.
    pub kind: &'static str,
    /// To which delegation, if it is one.
    pub delegation: Option<DelegationId>,
    /// Further facts, as a JSON object without secrets.
    pub data: String,
}

/// An event as it was written.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its place.
    pub position: EventPosition,
    /// What happened.
    pub kind: String,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// From the root to the delegation that it is about; `None` where it is about none.
    pub path: Option<NodePath>,
    /// Further facts, as JSON.
    pub data: String,
}

/// Appends events, in order, behind those that have the same position in the ledger.
pub async fn append(tx: &mut LockedTx, events: &[NewEvent], at: Timestamp) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let seqs: Vec<_> = events.iter().map(|event| event.ledger_seq.cast_signed()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.to_owned()).collect();
    let delegations: Vec<_> =
        events.iter().map(|event| event.delegation.map(subgrant_domain::Id::as_uuid)).collect();
    let data: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    sqlx::query!(
        "INSERT INTO events (tenant_id, ledger_seq, number, kind, at, delegation_id, data)
         SELECT $1, new.ledger_seq,
             row_number() OVER (PARTITION BY new.ledger_seq ORDER BY new.position) + coalesce(
                 (SELECT max(e.number) FROM events e WHERE e.tenant_id = $1 AND e.ledger_seq = new.ledger_seq), 0),
             new.kind, $6, new.delegation_id, new.data::json
         FROM unnest($2::bigint[], $3::text[], $4::uuid[], $5::text[]) WITH ORDINALITY
             AS new (ledger_seq, kind, delegation_id, data, position)",
        tenant,
        &seqs,
        &kinds,
        &delegations as _,
        &data,
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The newest place of the transaction's tenant, entries of the ledger included.
pub async fn newest(tx: &mut TenantTx) -> Result<EventPosition> {
    let row = sqlx::query!(
        r#"SELECT h.seq, coalesce((SELECT max(e.number) FROM events e
               WHERE e.tenant_id = $1 AND e.ledger_seq = h.seq), 0) AS "number!"
           FROM ledger_heads h WHERE h.tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(EventPosition { ledger_seq: row.seq.cast_unsigned(), number: row.number.cast_unsigned() })
}

/// The events after a place, in order; at most `limit`.
pub async fn after(tx: &mut TenantTx, position: EventPosition, limit: i64) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query!(
        r#"SELECT e.ledger_seq, e.number, e.kind, e.at AS "at: jiff_sqlx::Timestamp", e.data::text AS "data!",
               d.ancestor_ids || d.id AS ids
           FROM events e LEFT JOIN delegations d ON d.tenant_id = $1 AND d.id = e.delegation_id
           WHERE e.tenant_id = $1 AND (e.ledger_seq, e.number) > ($2, $3)
           ORDER BY e.ledger_seq, e.number LIMIT $4"#,
        tx.tenant().as_uuid(),
        position.ledger_seq.cast_signed(),
        position.number.cast_signed(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredEvent {
                position: EventPosition {
                    ledger_seq: row.ledger_seq.cast_unsigned(),
                    number: row.number.cast_unsigned(),
                },
                kind: row.kind,
                at: row.at.to_jiff(),
                path: row.ids.map(|ids| path(&ids)).transpose()?,
                data: row.data,
            })
        })
        .collect()
}

/// Forgets a tenant's events after eight days, except the newest one, which the numbering goes on from; returns how
/// many. A day more than anybody may resume from, so that nobody loses what is deleted at that moment.
pub async fn forget_old(database: &Database, tenant: TenantId) -> Result<u64> {
    let mut tx = database.begin(tenant).await?;
    let forgotten = sqlx::query!(
        "DELETE FROM events WHERE tenant_id = $1 AND at < clock_timestamp() - interval '8 days'
             AND (ledger_seq, number) < (SELECT n.ledger_seq, n.number FROM events n WHERE n.tenant_id = $1
                 ORDER BY n.ledger_seq DESC, n.number DESC LIMIT 1)",
        tenant.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
