//! What a resource server must know to refuse a token that it verifies without asking.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use subgrant_domain::{DelegationId, NodePath, ServiceId};

use crate::{
    Result, TenantTx,
    delegations::{Place, row::path},
    tokens::Digest,
};

/// A node that some token must be refused for.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// From the root to the node.
    pub path: NodePath,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was frozen.
    pub frozen_at: Option<Timestamp>,
    /// When its life ends, after which no token of it is good anyway.
    pub expires_at: Option<Timestamp>,
    /// Root only: tokens issued before this instant are refused.
    pub tokens_valid_from: Option<Timestamp>,
}

/// A token in whose place another one was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Of the signature that follows its budget caveat in the service's own chain.
    pub digest: Digest,
    /// From when on it is refused.
    pub valid_until: Timestamp,
    /// When the newest token of its node was issued.
    pub newest_at: Timestamp,
}

/// The nodes that some token must be refused for, by id, from the one after `after` on; at most `limit`.
pub async fn stopped(tx: &mut TenantTx, after: Option<DelegationId>, limit: i64) -> Result<Vec<Stopped>> {
    let rows = sqlx::query!(
        r#"SELECT ancestor_ids || id AS "ids!", revoked_at AS "revoked_at: jiff_sqlx::Timestamp",
               frozen_at AS "frozen_at: jiff_sqlx::Timestamp", expires_at AS "expires_at: jiff_sqlx::Timestamp",
               tokens_valid_from AS "tokens_valid_from: jiff_sqlx::Timestamp"
           FROM delegations
           WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2)
               AND (revoked_at IS NOT NULL OR frozen_at IS NOT NULL OR tokens_valid_from IS NOT NULL
                   OR audience_service_id IS NOT NULL AND token_generation > 0)
           ORDER BY id LIMIT $3"#,
        tx.tenant().as_uuid(),
        after.map(subgrant_domain::Id::as_uuid),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let instant = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
    let stopped = rows.into_iter().map(|row| {
        Ok(Stopped {
            path: path(&row.ids)?,
            revoked_at: instant(row.revoked_at),
            frozen_at: instant(row.frozen_at),
            expires_at: instant(row.expires_at),
            tokens_valid_from: instant(row.tokens_valid_from),
        })
    });
    stopped.collect()
}

/// Those of the given nodes that are for the service, or have anything below them that is.
pub async fn concerning(
    tx: &mut TenantTx,
    service: ServiceId,
    paths: &[&NodePath],
) -> Result<HashSet<DelegationId>> {
    let ids: Vec<_> = paths.iter().map(|path| path.id().as_uuid()).collect();
    let spans: Vec<_> = paths.iter().map(|path| Place::of(path).subtree()).collect();
    let from: Vec<_> = spans.iter().map(|span| span.from.as_bytes().to_vec()).collect();
    let until: Vec<_> = spans.iter().map(|span| span.until.as_bytes().to_vec()).collect();
    let found = sqlx::query_scalar!(
        r#"SELECT node.id AS "id!" FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS node (id, place, until)
           WHERE EXISTS (SELECT FROM delegations d WHERE d.tenant_id = $1 AND d.audience_service_id = $5
               AND d.place >= node.place AND d.place < node.until)"#,
        tx.tenant().as_uuid(),
        &ids,
        &from,
        &until,
        service.as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(found.into_iter().map(DelegationId::from_uuid).collect())
}

/// The replaced tokens of those of the given nodes that are for the service, or for any (`None`).
pub async fn replaced(
    tx: &mut TenantTx,
    nodes: &[DelegationId],
    service: Option<ServiceId>,
) -> Result<HashMap<DelegationId, Vec<Replaced>>> {
    let ids: Vec<_> = nodes.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT t.delegation_id, t.service_digest AS "digest!", t.valid_until AS "valid_until!: jiff_sqlx::Timestamp",
               (SELECT max(n.issued_at) FROM tokens n WHERE n.tenant_id = $1 AND n.delegation_id = t.delegation_id)
                   AS "newest_at!: jiff_sqlx::Timestamp"
           FROM tokens t JOIN delegations d ON d.tenant_id = t.tenant_id AND d.id = t.delegation_id
           WHERE t.tenant_id = $1 AND d.tenant_id = $1 AND t.delegation_id = ANY($2) AND t.valid_until IS NOT NULL
               AND t.service_digest IS NOT NULL
               AND d.audience_service_id IS NOT NULL AND ($3::uuid IS NULL OR d.audience_service_id = $3)
           ORDER BY t.delegation_id, t.issued_at, t.service_digest"#,
        tx.tenant().as_uuid(),
        &ids,
        service.map(subgrant_domain::Id::as_uuid)
    )
    .fetch_all(tx.connection())
    .await?;
    let mut replaced: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        replaced.entry(DelegationId::from_uuid(row.delegation_id)).or_default().push(Replaced {
            digest: crate::error::read(Digest::try_from(row.digest.as_slice()))?,
            valid_until: row.valid_until.to_jiff(),
            newest_at: row.newest_at.to_jiff(),
        });
    }
    Ok(replaced)
}
