//! Resource servers with their sealed keys.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, ServiceId};

use crate::{LockedTx, Result, TenantTx, delegations::row};

/// A registered resource server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// What people call it.
    pub name: AttributeText,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
    /// The user, or the root, that registered it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// From when on nothing of it is accepted.
    pub deleted_at: Option<Timestamp>,
}

/// Registers a service.
pub async fn insert(tx: &mut LockedTx, service: &Service) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO services (tenant_id, id, name, sealed, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        service.id.as_uuid(),
        service.name.as_str(),
        service.sealed,
        service.created_by,
        service.created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A service of the transaction's tenant, a deleted one too.
pub async fn by_id(tx: &mut TenantTx, id: ServiceId) -> Result<Option<Service>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, name, sealed, created_by, created_at AS "created_at: _", deleted_at AS "deleted_at: _"
           FROM services WHERE tenant_id = $1 AND id = $2"#,
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::into_service).transpose()
}

/// The same, unless it was deleted.
pub async fn live(tx: &mut TenantTx, id: ServiceId) -> Result<Option<Service>> {
    Ok(by_id(tx, id).await?.filter(|service| service.deleted_at.is_none()))
}

/// The tenant's services that were not deleted, oldest first. They are few.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<Service>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, name, sealed, created_by, created_at AS "created_at: _", deleted_at AS "deleted_at: _"
           FROM services WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY id"#,
        tx.tenant().as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_service).collect()
}

/// Marks a service as deleted; says whether there was one.
pub async fn delete(tx: &mut LockedTx, id: ServiceId, at: Timestamp) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let deleted = sqlx::query!(
        "UPDATE services SET deleted_at = $3 WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
        tenant,
        id.as_uuid(),
        at.to_sqlx() as _
    );
    Ok(deleted.execute(tx.connection()).await?.rows_affected() > 0)
}

struct Row {
    id: uuid::Uuid,
    name: String,
    sealed: Vec<u8>,
    created_by: String,
    created_at: jiff_sqlx::Timestamp,
    deleted_at: Option<jiff_sqlx::Timestamp>,
}

impl Row {
    fn into_service(self) -> Result<Service> {
        Ok(Service {
            id: ServiceId::from_uuid(self.id),
            name: row::text(self.name)?,
            sealed: self.sealed,
            created_by: self.created_by,
            created_at: self.created_at.to_jiff(),
            deleted_at: self.deleted_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}
