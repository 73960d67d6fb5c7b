//! Sessions of the dashboard: of the secret in a browser's cookie only a digest is stored.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{SessionId, TenantId, UserId};
use uuid::Uuid;

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
    /// Which account it was opened with.
    pub account: Uuid,
    /// The number of the account's password then.
    pub password_version: i32,
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
        "INSERT INTO sessions (tenant_id, digest, id, user_id, account_id, password_version, created_at, expires_at, source_ip,
             user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::inet, $10)",
        tx.tenant().as_uuid(),
        &digest[..],
        session.id.as_uuid(),
        session.user.as_uuid(),
        session.account,
        session.password_version,
        session.created_at.to_sqlx() as _,
        session.expires_at.to_sqlx() as _,
        session.source_ip.map(|address| address.to_string()),
        session.user_agent
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The user of a session that has not expired, whose account and password are what they were when it was opened.
pub async fn user_by_digest(tx: &mut TenantTx, digest: &Digest) -> Result<Option<User>> {
    let session = sqlx::query!(
        "SELECT s.user_id FROM sessions s JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
         JOIN accounts a ON a.id = m.account_id AND a.id = s.account_id AND a.password_version = s.password_version
         WHERE s.tenant_id = $1 AND s.digest = $2 AND s.expires_at > clock_timestamp()",
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    match session {
        Some(session) => user_by_id(tx, UserId::from_uuid(session.user_id)).await,
        None => Ok(None),
    }
}

/// When a session ends by itself.
pub async fn expires_at(tx: &mut TenantTx, digest: &Digest) -> Result<Option<Timestamp>> {
    let found = sqlx::query_scalar!(
        r#"SELECT expires_at AS "expires_at: jiff_sqlx::Timestamp" FROM sessions WHERE tenant_id = $1 AND digest = $2"#,
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The sessions of a user that have not expired, newest first, each with whether it has the digest `own`.
pub async fn of_user(tx: &mut TenantTx, user: UserId, own: &Digest) -> Result<Vec<(Session, bool)>> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.account_id, s.password_version, s.created_at AS "created_at: jiff_sqlx::Timestamp",
               s.expires_at AS "expires_at: jiff_sqlx::Timestamp", host(s.source_ip) AS source_ip, s.user_agent,
               s.digest = $3 AS "is_own!"
           FROM sessions s JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
           JOIN accounts a ON a.id = m.account_id AND a.id = s.account_id AND a.password_version = s.password_version
           WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.expires_at > clock_timestamp()
           ORDER BY s.created_at DESC, s.id DESC"#,
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
                account: row.account_id,
                password_version: row.password_version,
                created_at: row.created_at.to_jiff(),
                expires_at: row.expires_at.to_jiff(),
                source_ip: row.source_ip.map(|text| read(text.parse())).transpose()?,
                user_agent: row.user_agent,
            };
            Ok((session, row.is_own))
        })
        .collect()
}

/// Gives a session another secret, so that whoever knew the one before knows nothing, and lets it go on with its user's account
/// as that is now.
pub async fn renew(tx: &mut LockedTx, old: &Digest, new: &Digest) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let renewed = sqlx::query!(
        "UPDATE sessions s SET digest = $3, account_id = a.id, password_version = a.password_version
         FROM memberships m JOIN accounts a ON a.id = m.account_id
         WHERE s.tenant_id = $1 AND s.digest = $2 AND m.tenant_id = $1 AND m.user_id = s.user_id",
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
