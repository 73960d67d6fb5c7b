//! Tenants and their users.

use jiff::{Timestamp, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use subgrant_domain::{DelegationId, Role, TenantId, UserId};

use uuid::Uuid;

use crate::{Database, LockedTx, Result, TenantTx, accounts, error::read};

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The organisation's name.
    pub name: String,
    /// The root of its tree.
    pub root: DelegationId,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A person who signs in.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The lower-case address.
    pub email: String,
    /// What the user may do.
    pub role: Role,
}

/// Enters a tenant into the directory and into its shard, and its owner as a member with an account, which must exist.
/// Nobody else knows the tenant yet, so that it needs no lock.
pub async fn insert(mut tx: TenantTx, tenant: &Tenant, owner: &User, account: Uuid) -> Result<LockedTx> {
    let id = tenant.id.as_uuid();
    sqlx::query!("INSERT INTO tenant_directory (tenant_id) VALUES ($1)", id).execute(tx.connection()).await?;
    accounts::join(&mut tx, account, owner.id).await?;
    sqlx::query!(
        "INSERT INTO tenants (tenant_id, name, root_delegation_id, created_at) VALUES ($1, $2, $3, $4)",
        id,
        tenant.name,
        tenant.root.as_uuid(),
        tenant.created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!("INSERT INTO ledger_heads (tenant_id) VALUES ($1)", id).execute(tx.connection()).await?;
    sqlx::query!(
        "INSERT INTO users (tenant_id, id, email, role) VALUES ($1, $2, $3, $4)",
        id,
        owner.id.as_uuid(),
        owner.email,
        owner.role.as_str()
    )
    .execute(tx.connection())
    .await?;
    Ok(tx.into_locked(0))
}

/// The time zone in which the tenant counts windows.
pub async fn time_zone(tx: &mut TenantTx) -> Result<TimeZone> {
    let name =
        sqlx::query_scalar!("SELECT time_zone FROM tenants WHERE tenant_id = $1", tx.tenant().as_uuid())
            .fetch_one(tx.connection())
            .await?;
    read(TimeZone::get(&name))
}

/// Every tenant, oldest first.
pub async fn all_ids(database: &Database) -> Result<Vec<TenantId>> {
    let ids = sqlx::query_scalar!("SELECT tenant_id FROM tenant_directory ORDER BY tenant_id")
        .fetch_all(database.directory())
        .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// Takes it on to keep house for a tenant; `false`: some server has done so within the last half an hour.
pub async fn claim_housekeeping(database: &Database, tenant: TenantId) -> Result<bool> {
    let claimed = sqlx::query!(
        "UPDATE tenant_directory SET kept_at = clock_timestamp()
         WHERE tenant_id = $1 AND kept_at < clock_timestamp() - interval '30 minutes'",
        tenant.as_uuid()
    )
    .execute(database.directory())
    .await?
    .rows_affected();
    Ok(claimed > 0)
}

/// The transaction's tenant.
pub async fn current(tx: &mut TenantTx) -> Result<Option<Tenant>> {
    let row = sqlx::query!(
        r#"SELECT tenant_id, name, root_delegation_id, created_at AS "created_at: jiff_sqlx::Timestamp"
           FROM tenants WHERE tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Tenant {
        id: TenantId::from_uuid(row.tenant_id),
        name: row.name,
        root: DelegationId::from_uuid(row.root_delegation_id),
        created_at: row.created_at.to_jiff(),
    }))
}

/// A user of the transaction's tenant.
pub async fn user_by_id(tx: &mut TenantTx, id: UserId) -> Result<Option<User>> {
    let row = sqlx::query!(
        "SELECT email, role FROM users WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL",
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| Ok(User { id, email: row.email, role: read(row.role.parse())? })).transpose()
}
