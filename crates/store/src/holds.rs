//! Holds.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, Hold, HoldId, NodePath};

use crate::{
    LockedTx, Result, TenantTx,
    delegations::row::{amount, credits, expect_rows, path},
};

/// A stored hold.
#[derive(Debug, Clone)]
pub struct StoredHold {
    /// Its id.
    pub id: HoldId,
    /// What the planner needs.
    pub hold: Hold,
    /// held, captured, released, expired or voided.
    pub status: HoldStatus,
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

/// Which holds to read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// These.
    Ids(&'a [HoldId]),
    /// Those whose time has come but that still count; at most so many, oldest first.
    Due(Timestamp, i64),
    /// The open ones of a subtree.
    OpenWithin(DelegationId, Timestamp),
}

/// Reads holds with the paths of their nodes.
pub async fn read(tx: &mut TenantTx, which: Which<'_>) -> Result<Vec<StoredHold>> {
    let (ids, due, within, open_at, limit) = match which {
        Which::Ids(ids) => {
            (Some(ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>()), None, None, None, i64::MAX)
        }
        Which::Due(now, limit) => (None, Some(now.to_sqlx()), None, None, limit),
        Which::OpenWithin(node, now) => (None, None, Some(node.as_uuid()), Some(now.to_sqlx()), i64::MAX),
    };
    let rows = sqlx::query!(
        r#"SELECT h.id, h.amount, h.status, h.expires_at AS "expires_at: jiff_sqlx::Timestamp",
               d.ancestor_ids || d.id AS "ids!"
           FROM holds h JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1
               AND ($2::uuid[] IS NULL OR h.id = ANY($2))
               AND ($3::timestamptz IS NULL OR (h.status = 'held' AND h.expires_at <= $3))
               AND ($4::uuid IS NULL OR (h.status = 'held' AND h.expires_at > $5 AND (d.id = $4 OR $4 = ANY(d.ancestor_ids))))
           ORDER BY h.expires_at LIMIT $6"#,
        tx.tenant().as_uuid(),
        ids.as_deref(),
        due as _,
        within,
        open_at as _,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredHold {
                id: HoldId::from_uuid(row.id),
                hold: Hold {
                    path: path(&row.ids)?,
                    amount: credits(row.amount)?,
                    expires_at: row.expires_at.to_jiff(),
                },
                status: HoldStatus::read(&row.status),
            })
        })
        .collect()
}

/// Whether [`Which::Due`] would find anything.
pub async fn any_due(tx: &mut TenantTx, now: Timestamp) -> Result<bool> {
    // Not EXISTS: whoever expects many of them would look through the table for the first one.
    let found = sqlx::query_scalar!(
        "SELECT id FROM holds
         WHERE tenant_id = $1 AND status = 'held' AND expires_at <= $2 ORDER BY expires_at LIMIT 1",
        tx.tenant().as_uuid(),
        now.to_sqlx() as _
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.is_some())
}

/// How many holds of a subtree are open at `now`; those that a revocation has voided are not.
pub async fn count_open(tx: &mut TenantTx, within: DelegationId, now: Timestamp) -> Result<u64> {
    let open = sqlx::query_scalar!(
        r#"SELECT count(*) AS "open!" FROM holds h
           JOIN delegations d ON d.tenant_id = h.tenant_id AND d.id = h.delegation_id
           WHERE h.tenant_id = $1 AND d.tenant_id = $1 AND h.status = 'held' AND h.expires_at > $3
               AND (d.id = $2 OR $2 = ANY(d.ancestor_ids))
               AND NOT EXISTS (
                   SELECT FROM delegations a WHERE a.tenant_id = $1 AND a.id = ANY(d.ancestor_ids || d.id)
                       AND a.revoked_at IS NOT NULL)"#,
        tx.tenant().as_uuid(),
        within.as_uuid(),
        now.to_sqlx() as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(open.cast_unsigned())
}

/// Writes a new hold.
pub async fn insert(tx: &mut LockedTx, id: HoldId, hold: &Hold, created_at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO holds (tenant_id, id, delegation_id, amount, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        id.as_uuid(),
        hold.path.id().as_uuid(),
        amount(hold.amount),
        hold.expires_at.to_sqlx() as _,
        created_at.to_sqlx() as _
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

/// The path of a hold's node.
pub async fn path_by_id(tx: &mut TenantTx, id: HoldId) -> Result<Option<NodePath>> {
    Ok(read(tx, Which::Ids(&[id])).await?.pop().map(|stored| stored.hold.path))
}
