//! Listing the holds of a subtree, newest first.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use subgrant_domain::{Credits, DelegationId, HoldId};
use uuid::Uuid;

use super::{HoldStatus, Note};
use crate::{
    Result, TenantTx,
    delegations::{Span, row::credits},
};

/// A hold as it is at one instant, whatever its row still says.
#[derive(Debug, Clone)]
pub struct HoldEntry {
    /// Its id.
    pub id: HoldId,
    /// Whose credits are, or were, held.
    pub delegation: DelegationId,
    /// That delegation's name.
    pub label: String,
    /// How much.
    pub amount: Credits,
    /// What has become of it.
    pub status: HoldStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops counting.
    pub expires_at: Timestamp,
    /// When it was closed, where something has closed it.
    pub closed_at: Option<Timestamp>,
    /// What it is for.
    pub note: Note,
}

/// A stretch of a list.
#[derive(Debug)]
pub struct ListedHolds {
    /// Newest first.
    pub holds: Vec<HoldEntry>,
    /// The last one that was looked at, where there are older ones.
    pub looked_until: Option<HoldId>,
}

/// Which holds to list.
#[derive(Debug, Clone)]
pub struct HoldFilter {
    /// Of the delegations in this range.
    pub span: Span,
    /// Only this one.
    pub id: Option<HoldId>,
    /// Only in this state.
    pub status: Option<HoldStatus>,
    /// Only those that are older than this one.
    pub before: Option<HoldId>,
    /// The instant of the decision.
    pub now: Timestamp,
}

/// Lists at most `limit` holds, among the next `most` of the tenant. Ids are in the order of time.
pub async fn list(tx: &mut TenantTx, filter: &HoldFilter, limit: usize, most: i64) -> Result<ListedHolds> {
    let tenant = tx.tenant().as_uuid();
    let mut query =
        QueryBuilder::<Postgres>::new("SELECT * FROM (SELECT h.id, h.delegation_id, d.label, h.amount, ");
    query.push("h.description, h.metadata, h.created_at, h.expires_at, h.closed_at, CASE WHEN h.status <> 'held' THEN h.status ");
    query.push("WHEN r.revoked_at < h.expires_at THEN 'voided' WHEN h.expires_at <= ");
    query.push_bind(filter.now.to_sqlx()).push(" THEN 'expired' ELSE 'held' END AS status FROM (SELECT *");
    push_candidates(&mut query, tenant, filter);
    query
        .push(" ORDER BY h.id DESC LIMIT ")
        .push_bind(most)
        .push(") h JOIN delegations d ON d.id = h.delegation_id ");
    // A revocation voids holds without touching their rows. What is closed stays what it was, so that only for the others
    // the path is looked up.
    query.push(
        "CROSS JOIN LATERAL (SELECT min(a.revoked_at) AS revoked_at FROM delegations a WHERE a.tenant_id = ",
    );
    query
        .push_bind(tenant)
        .push(" AND a.id = ANY(d.ancestor_ids || d.id) AND h.status = 'held') r WHERE d.tenant_id = ");
    query.push_bind(tenant).push(" AND d.place >= ").push_bind(filter.span.from.as_bytes().to_vec());
    query.push(" AND d.place < ").push_bind(filter.span.until.as_bytes().to_vec()).push(") listed");
    if let Some(status) = filter.status {
        query.push(" WHERE status = ").push_bind(status.as_str());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(tx.connection()).await?;
    let holds: Vec<_> = rows.iter().map(read).collect::<Result<_>>()?;
    let looked_until = if holds.len() == limit {
        holds.last().map(|hold| hold.id)
    } else {
        last_candidate(tx, filter, most).await?
    };
    Ok(ListedHolds { holds, looked_until })
}

fn push_candidates(query: &mut QueryBuilder<Postgres>, tenant: Uuid, filter: &HoldFilter) {
    query.push(" FROM (SELECT * FROM holds WHERE tenant_id = ").push_bind(tenant);
    // These alone have an index, and are few. In the order of ids they would be looked for among all that are closed.
    if filter.status == Some(HoldStatus::Held) {
        query.push(" AND status = 'held' OFFSET 0");
    }
    query.push(") h WHERE true");
    if let Some(id) = filter.id {
        query.push(" AND h.id = ").push_bind(id.as_uuid());
    }
    if let Some(before) = filter.before {
        query.push(" AND h.id < ").push_bind(before.as_uuid());
    }
}

/// The last of the holds that a search looks at; `None` where it looks at all there are.
async fn last_candidate(tx: &mut TenantTx, filter: &HoldFilter, most: i64) -> Result<Option<HoldId>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT h.id");
    push_candidates(&mut query, tx.tenant().as_uuid(), filter);
    query.push(" ORDER BY h.id DESC LIMIT 1 OFFSET ").push_bind(most - 1);
    let row = query.build().fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?.map(HoldId::from_uuid))
}

fn read(row: &PgRow) -> Result<HoldEntry> {
    let time = |column| row.try_get::<jiff_sqlx::Timestamp, _>(column).map(jiff_sqlx::Timestamp::to_jiff);
    let status: String = row.try_get("status")?;
    let closed_at: Option<jiff_sqlx::Timestamp> = row.try_get("closed_at")?;
    Ok(HoldEntry {
        id: HoldId::from_uuid(row.try_get("id")?),
        delegation: DelegationId::from_uuid(row.try_get("delegation_id")?),
        label: row.try_get("label")?,
        amount: credits(row.try_get("amount")?)?,
        status: HoldStatus::read(&status),
        created_at: time("created_at")?,
        expires_at: time("expires_at")?,
        closed_at: closed_at.map(jiff_sqlx::Timestamp::to_jiff),
        note: Note { description: row.try_get("description")?, metadata: row.try_get("metadata")? },
    })
}
