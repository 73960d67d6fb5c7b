//! Who did what: append-only, and kept apart from application logs.

use std::net::IpAddr;

use subgrant_domain::RequestId;
use uuid::Uuid;

use crate::{LockedTx, Result};

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
