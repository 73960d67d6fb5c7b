//! Sessions of the dashboard: of the secret in a browser's cookie only a digest is stored.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{SessionId, TenantId, UserId};

use crate::{
    Database, LockedTx, Result, TenantTx,
    delegations::row::expect_rows,
    error::read,
    tenants::{User, user_by_id},
};

/// A secret as it is stored.
pub type Digest = [u8; 32];

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// By which its user can end it.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// From where it was opened.
    pub source_ip: Option<IpAddr>,
    /// What the browser called itself.
    pub user_agent: Option<String>,
}

/// Opens a session.
pub async fn insert(tx: &mut TenantTx, session: &Session, digest: &Digest) -> Result<()> {
    sqlx::query!(
        "INSERT INTO sessions (tenant_id, digest, id, user_id, created_at, expires_at, source_ip, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::inet, $8)",
        tx.tenant().as_uuid(),
        &digest[..],
        session.id.as_uuid(),
        session.user.as_uuid(),
        session.created_at.to_sqlx() as _,
        session.expires_at.to_sqlx() as _,
        session.source_ip.map(|address| address.to_string()),
        session.user_agent
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The user of a session that has not expired.
pub async fn user_by_digest(tx: &mut TenantTx, digest: &Digest) -> Result<Option<User>> {
    let user = sqlx::query_scalar!(
        "SELECT user_id FROM sessions WHERE tenant_id = $1 AND digest = $2 AND expires_at > clock_timestamp()",
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    match user {
        Some(user) => user_by_id(tx, UserId::from_uuid(user)).await,
        None => Ok(None),
    }
}

/// The sessions of a user that have not expired, newest first, each with whether it has the digest `own`.
pub async fn of_user(tx: &mut TenantTx, user: UserId, own: &Digest) -> Result<Vec<(Session, bool)>> {
    let rows = sqlx::query!(
        r#"SELECT id, created_at AS "created_at: jiff_sqlx::Timestamp", expires_at AS "expires_at: jiff_sqlx::Timestamp",
               host(source_ip) AS source_ip, user_agent, digest = $3 AS "is_own!"
           FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND expires_at > clock_timestamp()
           ORDER BY created_at DESC, id DESC"#,
        tx.tenant().as_uuid(),
        user.as_uuid(),
        &own[..]
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let session = Session {
                id: SessionId::from_uuid(row.id),
                user,
                created_at: row.created_at.to_jiff(),
                expires_at: row.expires_at.to_jiff(),
                source_ip: row.source_ip.map(|text| read(text.parse())).transpose()?,
                user_agent: row.user_agent,
            };
            Ok((session, row.is_own))
        })
        .collect()
}

/// Gives a session another secret, so that whoever knew the one before knows nothing.
pub async fn renew(tx: &mut LockedTx, old: &Digest, new: &Digest) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let renewed = sqlx::query!(
        "UPDATE sessions SET digest = $3 WHERE tenant_id = $1 AND digest = $2",
        tenant,
        &old[..],
        &new[..]
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(renewed, 1)
}

/// Ends a session; says whether there was one.
pub async fn end(tx: &mut TenantTx, digest: &Digest) -> Result<bool> {
    let ended = sqlx::query!(
        "DELETE FROM sessions WHERE tenant_id = $1 AND digest = $2",
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    Ok(ended > 0)
}

/// Ends one of a user's sessions; says whether there was one.
pub async fn end_one(tx: &mut LockedTx, user: UserId, id: SessionId) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let ended = sqlx::query!(
        "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id = $3",
        tenant,
        user.as_uuid(),
        id.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    Ok(ended > 0)
}

/// Ends a user's sessions, except the one with the digest `keep`; returns how many.
pub async fn end_all(tx: &mut LockedTx, user: UserId, keep: Option<&Digest>) -> Result<u64> {
    let tenant = tx.tenant_uuid();
    let ended = sqlx::query!(
        "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND ($3::bytea IS NULL OR digest <> $3)",
        tenant,
        user.as_uuid(),
        keep.map(<[u8; 32]>::as_slice)
    )
    .execute(tx.connection())
    .await?;
    Ok(ended.rows_affected())
}

/// Forgets a tenant's sessions that have expired; returns how many.
pub async fn forget_expired(database: &Database, tenant: TenantId) -> Result<u64> {
    let mut tx = database.begin(tenant).await?;
    let forgotten = sqlx::query!(
        "DELETE FROM sessions WHERE tenant_id = $1 AND expires_at < clock_timestamp()",
        tenant.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
