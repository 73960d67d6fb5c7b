//! Which token leads to which node.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{ActionSet, AttributeText, DelegationId, NodePath, ServiceId};

use crate::{LockedTx, Result, TenantTx, delegations::row};

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

/// What never changes about a registered token.
#[derive(Debug, Clone)]
pub struct Issued {
    /// From the root to the node that it leads to.
    pub path: NodePath,
    /// How many caveats it was issued with; what follows in a presented token was appended by its holder.
    pub caveats: usize,
    /// What its node may do.
    pub actions: ActionSet,
    /// The service that its node is for.
    pub audience: Option<ServiceId>,
    /// Attribution of its node, inherited.
    pub cost_center: Option<AttributeText>,
    /// Attribution of its node, inherited.
    pub department: Option<AttributeText>,
    /// What its node was called by the token with which it was entered, if it was made offline.
    pub first_label: Option<AttributeText>,
}

/// A token to be registered.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its digest.
    pub digest: Digest,
    /// The same in the chain of the service that it is for.
    pub service_digest: Option<Digest>,
    /// How many caveats it is issued with.
    pub caveats: usize,
    /// What it calls its node, if that was made offline.
    pub first_label: Option<AttributeText>,
}

/// A digest of the signature that follows a node's budget caveat.
pub type Digest = [u8; 32];

/// What each of the given digests leads to that is registered. Never changes, so it may be cached.
pub async fn issued(tx: &mut TenantTx, digests: &[Digest]) -> Result<HashMap<Digest, Issued>> {
    let digests: Vec<_> = digests.iter().map(|digest| digest.to_vec()).collect();
    let rows = sqlx::query!(
        r#"SELECT t.digest, t.issued_caveats, d.actions, d.ancestor_ids || d.id AS "ids!", d.audience_service_id,
               d.cost_center, d.department, t.first_label
           FROM tokens t JOIN delegations d ON d.tenant_id = t.tenant_id AND d.id = t.delegation_id
           WHERE t.tenant_id = $1 AND d.tenant_id = $1 AND t.digest = ANY($2)"#,
        tx.tenant().as_uuid(),
        &digests
    )
    .fetch_all(tx.connection())
    .await?;
    let issued = rows.into_iter().map(|row| {
        let issued = Issued {
            path: row::path(&row.ids)?,
            caveats: crate::error::read(usize::try_from(row.issued_caveats))?,
            actions: crate::error::read(row.actions.parse())?,
            audience: row.audience_service_id.map(ServiceId::from_uuid),
            cost_center: row.cost_center.map(row::text).transpose()?,
            department: row.department.map(row::text).transpose()?,
            first_label: row.first_label.map(row::text).transpose()?,
        };
        Ok((crate::error::read(Digest::try_from(row.digest.as_slice()))?, issued))
    });
    issued.collect()
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

/// The newest tokens of a node, at most `limit`.
pub async fn of_delegation(tx: &mut TenantTx, delegation: DelegationId, limit: i64) -> Result<Vec<Token>> {
    let rows = sqlx::query!(
        r#"SELECT issued_at AS "issued_at: jiff_sqlx::Timestamp", valid_until AS "valid_until: jiff_sqlx::Timestamp"
           FROM tokens WHERE tenant_id = $1 AND delegation_id = $2 ORDER BY issued_at DESC, digest LIMIT $3"#,
        tx.tenant().as_uuid(),
        delegation.as_uuid(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let token = |issued: jiff_sqlx::Timestamp, until: Option<jiff_sqlx::Timestamp>| Token {
        delegation,
        issued_at: issued.to_jiff(),
        valid_until: until.map(jiff_sqlx::Timestamp::to_jiff),
    };
    Ok(rows.into_iter().map(|row| token(row.issued_at, row.valid_until)).collect())
}

/// Registers a token of a node.
pub async fn insert(
    tx: &mut LockedTx,
    token: &NewToken,
    delegation: DelegationId,
    issued_at: Timestamp,
) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let caveats = crate::error::read(i16::try_from(token.caveats))?;
    sqlx::query!(
        "INSERT INTO tokens (tenant_id, digest, service_digest, delegation_id, issued_at, issued_caveats, first_label)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant,
        &token.digest[..],
        token.service_digest.as_ref().map(|digest| &digest[..]),
        delegation.as_uuid(),
        issued_at.to_sqlx() as _,
        caveats,
        token.first_label.as_ref().map(AttributeText::as_str)
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Registers tokens of several nodes.
pub async fn insert_all(
    tx: &mut LockedTx,
    registered: &[(&NewToken, DelegationId)],
    issued_at: Timestamp,
) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let digests: Vec<_> = registered.iter().map(|(token, _)| token.digest.to_vec()).collect();
    let of_services: Vec<_> =
        registered.iter().map(|(token, _)| token.service_digest.map(|digest| digest.to_vec())).collect();
    let ids: Vec<_> = registered.iter().map(|(_, id)| id.as_uuid()).collect();
    let counts = registered.iter().map(|(token, _)| crate::error::read(i16::try_from(token.caveats)));
    let counts = counts.collect::<Result<Vec<_>>>()?;
    let labels: Vec<_> =
        registered.iter().map(|(token, _)| token.first_label.as_ref().map(AttributeText::as_str)).collect();
    sqlx::query!(
        "INSERT INTO tokens (tenant_id, digest, service_digest, delegation_id, issued_at, issued_caveats, first_label)
         SELECT $1, digest, service_digest, id, $2, caveats, label
         FROM unnest($3::bytea[], $4::bytea[], $5::uuid[], $6::smallint[], $7::text[])
             AS new (digest, service_digest, id, caveats, label)",
        tenant,
        issued_at.to_sqlx() as _,
        &digests,
        &of_services as _,
        &ids,
        &counts,
        &labels as _
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

/// Ends the life of every token that is for a service, at `at` or earlier.
pub async fn expire_of_service(tx: &mut LockedTx, service: ServiceId, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "UPDATE tokens t SET valid_until = least(t.valid_until, $3) FROM delegations d
         WHERE t.tenant_id = $1 AND d.tenant_id = $1 AND d.id = t.delegation_id AND d.audience_service_id = $2",
        tenant,
        service.as_uuid(),
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
