//! Who did what: append-only, and kept apart from application logs.

use std::net::IpAddr;

use jiff::Timestamp;
use subgrant_domain::RequestId;
use uuid::Uuid;

use crate::{LockedTx, Result, TenantTx, error::read};

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A fresh `UUIDv7`.
    pub id: Uuid,
    /// The node or user that acted, as a prefixed id.
    pub actor: String,
    /// What was done, as `<thing>.<verb>`.
    pub action: &'static str,
    /// What it was done to, as a prefixed id.
    pub target: String,
    /// Before and after, or a receipt, as JSON.
    pub details: String,
    /// From where.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Appends an entry to the audit log.
pub async fn append(tx: &mut LockedTx, entry: &Entry) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO audit (tenant_id, id, actor, action, target, details, source_ip, request_id)
         VALUES ($1, $2, $3, $4, $5, $6::text::json, $7::text::inet, $8)",
        tenant,
        entry.id,
        entry.actor,
        entry.action,
        entry.target,
        entry.details,
        entry.source_ip.map(|address| address.to_string()),
        entry.request_id.map(subgrant_domain::Id::as_uuid)
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An entry as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The entry's id, ordered by time.
    pub id: Uuid,
    /// When it was recorded, by the database's clock.
    pub at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// Before and after, or a receipt, as JSON.
    pub details: String,
    /// From where.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Lists entries, oldest first, from the one after `after` on; at most `limit`.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> Result<Vec<Recorded>> {
    let rows = sqlx::query!(
        r#"SELECT id, at AS "at: jiff_sqlx::Timestamp", actor, action, target, details::text AS "details!",
               host(source_ip) AS source_ip, request_id
           FROM audit WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"#,
        tx.tenant().as_uuid(),
        after,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Recorded {
                id: row.id,
                at: row.at.to_jiff(),
                actor: row.actor,
                action: row.action,
                target: row.target,
                details: row.details,
                source_ip: row.source_ip.map(|text| read(text.parse())).transpose()?,
                request_id: row.request_id.map(RequestId::from_uuid),
            })
        })
        .collect()
}
