//! Passwords that are about to be set anew.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::UserId;
use uuid::Uuid;

use crate::{Database, LockedTx, Result, TenantTx, delegations::row::expect_rows};

/// A permission to set a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// Its id, from which the secret is derived.
    pub id: Uuid,
    /// Whose password.
    pub user: UserId,
    /// The number of the password that it replaces, unless it was made before that was noted.
    pub password_version: Option<i32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// Makes a permission in place of older ones that were not used; says whether it holds. It does not where a newer one was
/// made: ids are in the order of time. One that was made before stays as it is.
pub async fn insert(tx: &mut LockedTx, reset: &Reset, digest: &[u8; 32]) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let is_outdated = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM password_resets WHERE tenant_id = $1 AND user_id = $2 AND id > $3) AS "newer!""#,
        tenant,
        reset.user.as_uuid(),
        reset.id
    )
    .fetch_one(tx.connection())
    .await?;
    if is_outdated {
        return Ok(false);
    }
    sqlx::query!(
        "DELETE FROM password_resets WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND used_at IS NULL",
        tenant,
        reset.user.as_uuid(),
        reset.id
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO password_resets (tenant_id, id, user_id, digest, created_at, expires_at, password_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant,
        reset.id,
        reset.user.as_uuid(),
        &digest[..],
        reset.created_at.to_sqlx() as _,
        reset.expires_at.to_sqlx() as _,
        reset.password_version
    )
    .execute(tx.connection())
    .await?;
    Ok(true)
}

/// The permission whose secret has this digest.
pub async fn by_digest(tx: &mut TenantTx, digest: &[u8; 32]) -> Result<Option<Reset>> {
    let row = sqlx::query!(
        r#"SELECT id, user_id, password_version, created_at AS "created_at: jiff_sqlx::Timestamp",
               expires_at AS "expires_at: jiff_sqlx::Timestamp", used_at AS "used_at: jiff_sqlx::Timestamp"
           FROM password_resets WHERE tenant_id = $1 AND digest = $2"#,
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Reset {
        id: row.id,
        user: UserId::from_uuid(row.user_id),
        password_version: row.password_version,
        created_at: row.created_at.to_jiff(),
        expires_at: row.expires_at.to_jiff(),
        used_at: row.used_at.map(jiff_sqlx::Timestamp::to_jiff),
    }))
}

/// Notes that a permission was used.
pub async fn mark_used(tx: &mut LockedTx, id: Uuid, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let used = sqlx::query!(
        "UPDATE password_resets SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL",
        tenant,
        id,
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(used, 1)
}

/// Takes back a user's permissions that were not used.
pub async fn withdraw(tx: &mut LockedTx, user: UserId) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "DELETE FROM password_resets WHERE tenant_id = $1 AND user_id = $2 AND used_at IS NULL",
        tenant,
        user.as_uuid()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets a tenant's permissions a day after their end; returns how many.
pub async fn forget_old(database: &Database, tenant: subgrant_domain::TenantId) -> Result<u64> {
    let mut tx = database.begin(tenant).await?;
    let forgotten = sqlx::query!(
        "DELETE FROM password_resets WHERE tenant_id = $1 AND expires_at < clock_timestamp() - interval '1 day'",
        tenant.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
