//! Holds.

mod list;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{Hold, HoldId, NodePath};

use crate::{
    LockedTx, Result, TenantTx,
    delegations::{
        Place,
        row::{amount, credits, expect_rows, path},
    },
};

pub use list::{HoldEntry, HoldFilter, ListedHolds, list};

/// What a hold or a spend is for, in its maker's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's JSON object, as text.
    pub metadata: Option<String>,
}

/// A stored hold.
#[derive(Debug, Clone)]
pub struct StoredHold {
    /// Its id.
    pub id: HoldId,
    /// What the planner needs.
    pub hold: Hold,
    /// held, captured, released, expired or voided.
    pub status: HoldStatus,
    /// What it is for.
    pub note: Note,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStatus {
    /// Open, unless its time has come or its path was revoked.
    Held,
    /// Spent, wholly or in part.
    Captured,
    /// Returned unused.
    Released,
    /// Ended by its time.
    Expired,
    /// Ended by a revoked or frozen node above.
    Voided,
}

impl HoldStatus {
    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Captured => "captured",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Voided => "voided",
        }
    }

    fn read(text: &str) -> Self {
        let known = [Self::Captured, Self::Released, Self::Expired, Self::Voided];
        known.into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Held)
    }
}

/// A hold with the path of its node, as selected.
struct Row {
    id: uuid::Uuid,
    amount: i64,
    status: String,
    expires_at: jiff_sqlx::Timestamp,
    ids: Vec<uuid::Uuid>,
    description: Option<String>,
    metadata: Option<String>,
}

impl Row {
    fn into_hold(self) -> Result<StoredHold> {
        Ok(StoredHold {
            id: HoldId::from_uuid(self.id),
            hold: Hold {
                path: path(&self.ids)?,
                amount: credits(self.amount)?,
                expires_at: self.expires_at.to_jiff(),
            },
            status: HoldStatus::read(&self.status),
            note: Note { description: self.description, metadata: self.metadata },
        })
    }
}

/// Reads holds; unknown ids are left out.
pub async fn by_ids(tx: &mut TenantTx, ids: &[HoldId]) -> Result<Vec<StoredHold>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT h.id, h.amount, h.status, h.expires_at AS "expires_at: _", d.ancestor_ids || d.id AS "ids!",
               h.description, h.metadata
           FROM holds h JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND h.id = ANY($2)"#,
        tx.tenant().as_uuid(),
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_hold).collect()
}

/// The holds whose time has come but that still count; at most `limit`, oldest first.
pub async fn due(tx: &mut TenantTx, now: Timestamp, limit: i64) -> Result<Vec<StoredHold>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT h.id, h.amount, h.status, h.expires_at AS "expires_at: _", d.ancestor_ids || d.id AS "ids!",
               h.description, h.metadata
           FROM holds h JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND h.status = 'held' AND h.expires_at <= $2
           ORDER BY h.expires_at LIMIT $3"#,
        tx.tenant().as_uuid(),
        now.to_sqlx() as _,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_hold).collect()
}

/// The holds of a subtree that are open at `now`.
pub async fn open_within(tx: &mut LockedTx, top: &NodePath, now: Timestamp) -> Result<Vec<StoredHold>> {
    let (tx, span) = (tx.tx(), Place::of(top).subtree());
    tx.plan_for_values().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT h.id, h.amount, h.status, h.expires_at AS "expires_at: _", d.ancestor_ids || d.id AS "ids!",
               h.description, h.metadata
           FROM holds h JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND h.status = 'held' AND h.expires_at > $2
               AND d.place >= $3 AND d.place < $4
           ORDER BY h.expires_at"#,
        tx.tenant().as_uuid(),
        now.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes()
    )
    .fetch_all(tx.connection())
    .await?;
    tx.plan_by_key().await?;
    rows.into_iter().map(Row::into_hold).collect()
}

/// How many holds of a subtree are open at `now`; those that a revocation has voided are not.
pub async fn count_open(tx: &mut LockedTx, top: &NodePath, now: Timestamp) -> Result<u64> {
    let (tx, span) = (tx.tx(), Place::of(top).subtree());
    tx.plan_for_values().await?;
    let open = sqlx::query_scalar!(
        r#"SELECT count(*) AS "open!" FROM holds h
           JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND h.status = 'held' AND h.expires_at > $3
               AND d.place >= $2 AND d.place < $4
               AND NOT EXISTS (
                   SELECT FROM delegations a WHERE a.tenant_id = $1 AND a.id = ANY(d.ancestor_ids || d.id)
                       AND a.revoked_at IS NOT NULL)"#,
        tx.tenant().as_uuid(),
        span.from.as_bytes(),
        now.to_sqlx() as _,
        span.until.as_bytes()
    )
    .fetch_one(tx.connection())
    .await?;
    tx.plan_by_key().await?;
    Ok(open.cast_unsigned())
}

/// Writes new holds.
pub async fn insert(tx: &mut LockedTx, holds: &[(HoldId, Hold, Note)], created_at: Timestamp) -> Result<()> {
    if holds.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let ids: Vec<_> = holds.iter().map(|(id, ..)| id.as_uuid()).collect();
    let nodes: Vec<_> = holds.iter().map(|(_, hold, _)| hold.path.id().as_uuid()).collect();
    let amounts: Vec<_> = holds.iter().map(|(_, hold, _)| amount(hold.amount)).collect();
    let ends: Vec<_> = holds.iter().map(|(_, hold, _)| hold.expires_at.to_sqlx()).collect();
    let descriptions: Vec<_> = holds.iter().map(|(.., note)| note.description.as_deref()).collect();
    let metadata: Vec<_> = holds.iter().map(|(.., note)| note.metadata.as_deref()).collect();
    sqlx::query!(
        "INSERT INTO holds (tenant_id, id, delegation_id, amount, expires_at, created_at, description, metadata)
         SELECT $1, id, delegation_id, amount, expires_at, $6, description, metadata
         FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $7::text[], $8::text[])
             AS new (id, delegation_id, amount, expires_at, description, metadata)",
        tenant,
        &ids,
        &nodes,
        &amounts,
        &ends as _,
        created_at.to_sqlx() as _,
        &descriptions as _,
        &metadata as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Closes open holds.
pub async fn close(tx: &mut LockedTx, holds: &[(HoldId, HoldStatus)], at: Timestamp) -> Result<()> {
    if holds.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let ids: Vec<_> = holds.iter().map(|(id, _)| id.as_uuid()).collect();
    let statuses: Vec<_> = holds.iter().map(|(_, status)| status.as_str().to_owned()).collect();
    let closed = sqlx::query!(
        "UPDATE holds SET status = new.status, closed_at = $4
         FROM unnest($2::uuid[], $3::text[]) AS new (id, status)
         WHERE holds.tenant_id = $1 AND holds.id = new.id AND holds.status = 'held'",
        tenant,
        &ids,
        &statuses,
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(closed, holds.len())
}

/// Lets an open hold end at another time.
pub async fn extend(tx: &mut LockedTx, id: HoldId, expires_at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let extended = sqlx::query!(
        "UPDATE holds SET expires_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'held'",
        tenant,
        id.as_uuid(),
        expires_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(extended, 1)
}

/// Lets the open holds of a subtree end at `end` at the latest; returns how many ended later.
pub async fn shorten_within(tx: &mut LockedTx, top: &NodePath, end: Timestamp) -> Result<u64> {
    let (tenant, span) = (tx.tenant_uuid(), Place::of(top).subtree());
    tx.tx().plan_for_values().await?;
    let shortened = sqlx::query!(
        "UPDATE holds h SET expires_at = $2 FROM delegations d
         WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND d.id = h.delegation_id AND h.status = 'held'
             AND h.expires_at > $2 AND d.place >= $3 AND d.place < $4",
        tenant,
        end.to_sqlx() as _,
        span.from.as_bytes(),
        span.until.as_bytes()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.tx().plan_by_key().await?;
    Ok(shortened)
}

/// The path of a hold's node.
pub async fn path_by_id(tx: &mut TenantTx, id: HoldId) -> Result<Option<NodePath>> {
    Ok(by_ids(tx, &[id]).await?.pop().map(|stored| stored.hold.path))
}
