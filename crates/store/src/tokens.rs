//! Which token leads to which node.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, NodePath};

use crate::{LockedTx, Result, TenantTx, delegations};

/// A registered token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The node that it leads to.
    pub delegation: DelegationId,
    /// When it was issued, or adopted.
    pub issued_at: Timestamp,
    /// From when on it is refused, if it is.
    pub valid_until: Option<Timestamp>,
}

/// A digest of the signature that follows a node's budget caveat.
pub type Digest = [u8; 32];

/// The path of the node that a digest leads to. Never changes, so it may be cached.
pub async fn path_by_digest(tx: &mut TenantTx, digest: &Digest) -> Result<Option<NodePath>> {
    let row = sqlx::query!(
        "SELECT delegation_id FROM tokens WHERE tenant_id = $1 AND digest = $2",
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    match row {
        Some(row) => delegations::path_by_id(tx, DelegationId::from_uuid(row.delegation_id)).await,
        None => Ok(None),
    }
}

/// The registered ones among `digests`.
pub async fn by_digests(tx: &mut TenantTx, digests: &[Digest]) -> Result<HashMap<Digest, Token>> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let digests: Vec<_> = digests.iter().map(|digest| digest.to_vec()).collect();
    let rows = sqlx::query!(
        r#"SELECT digest, delegation_id, issued_at AS "issued_at: jiff_sqlx::Timestamp",
               valid_until AS "valid_until: jiff_sqlx::Timestamp"
           FROM tokens WHERE tenant_id = $1 AND digest = ANY($2)"#,
        tx.tenant().as_uuid(),
        &digests
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let digest = crate::error::read(Digest::try_from(row.digest.as_slice()))?;
            let token = Token {
                delegation: DelegationId::from_uuid(row.delegation_id),
                issued_at: row.issued_at.to_jiff(),
                valid_until: row.valid_until.map(jiff_sqlx::Timestamp::to_jiff),
            };
            Ok((digest, token))
        })
        .collect()
}

/// Registers a token.
pub async fn insert(
    tx: &mut LockedTx,
    digest: &Digest,
    node: DelegationId,
    issued_at: Timestamp,
) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO tokens (tenant_id, digest, delegation_id, issued_at) VALUES ($1, $2, $3, $4)",
        tenant,
        &digest[..],
        node.as_uuid(),
        issued_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends the life of every token of a node but one, at `at` or earlier.
pub async fn expire_others(
    tx: &mut LockedTx,
    node: DelegationId,
    keep: &Digest,
    at: Timestamp,
) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "UPDATE tokens SET valid_until = least(valid_until, $4)
         WHERE tenant_id = $1 AND delegation_id = $2 AND digest <> $3",
        tenant,
        node.as_uuid(),
        &keep[..],
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
