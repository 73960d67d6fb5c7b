//! Members and invitations.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{Role, UserId};
use uuid::Uuid;

use crate::{LockedTx, Result, TenantTx, accounts, delegations::row::expect_rows, error::read};

/// A member of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user's id.
    pub id: UserId,
    /// The lower-case address.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// Since when the user is a member.
    pub created_at: Timestamp,
}

/// Lists members, oldest first, from the one after `after` on; at most `limit`.
pub async fn list(tx: &mut TenantTx, after: Option<UserId>, limit: i64) -> Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"SELECT id, email, role, created_at AS "created_at: jiff_sqlx::Timestamp" FROM users
           WHERE tenant_id = $1 AND removed_at IS NULL AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"#,
        tx.tenant().as_uuid(),
        after.map(subgrant_domain::Id::as_uuid),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let member = |id, email, role: &str, created_at: jiff_sqlx::Timestamp| {
        Ok(Member { id, email, role: read(role.parse())?, created_at: created_at.to_jiff() })
    };
    rows.into_iter()
        .map(|row| member(UserId::from_uuid(row.id), row.email, &row.role, row.created_at))
        .collect()
}

/// A member by id.
pub async fn by_id(tx: &mut TenantTx, id: UserId) -> Result<Option<Member>> {
    let row = sqlx::query!(
        r#"SELECT email, role, created_at AS "created_at: jiff_sqlx::Timestamp" FROM users
           WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL"#,
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(Member {
            id,
            email: row.email,
            role: read(row.role.parse())?,
            created_at: row.created_at.to_jiff(),
        })
    })
    .transpose()
}

/// The addresses of users, of removed ones too; unknown ids are left out.
pub async fn emails(tx: &mut TenantTx, ids: &[UserId]) -> Result<Vec<(UserId, String)>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT id, email FROM users WHERE tenant_id = $1 AND id = ANY($2)",
        tx.tenant().as_uuid(),
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.id), row.email)).collect())
}

/// Whether an address is a member's.
pub async fn is_member(tx: &mut TenantTx, email: &str) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE tenant_id = $1 AND email = $2 AND removed_at IS NULL) AS "found!""#,
        tx.tenant().as_uuid(),
        email
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// How many owners the tenant has.
pub async fn count_owners(tx: &mut LockedTx) -> Result<i64> {
    let tenant = tx.tenant_uuid();
    let owners = sqlx::query_scalar!(
        r#"SELECT count(*) AS "owners!" FROM users WHERE tenant_id = $1 AND role = 'owner' AND removed_at IS NULL"#,
        tenant
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(owners)
}

/// Makes an account a member; `false`: the address is a member's already.
pub async fn insert(tx: &mut LockedTx, member: &Member, account: Uuid) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let entered = sqlx::query!(
        "INSERT INTO users (tenant_id, id, email, role, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, email) WHERE removed_at IS NULL DO NOTHING",
        tenant,
        member.id.as_uuid(),
        member.email,
        member.role.as_str(),
        member.created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    if entered > 0 {
        accounts::join(tx.tx(), account, member.id).await?;
    }
    Ok(entered > 0)
}

/// Gives a member another role.
pub async fn set_role(tx: &mut LockedTx, id: UserId, role: Role) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let updated = sqlx::query!(
        "UPDATE users SET role = $3 WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL",
        tenant,
        id.as_uuid(),
        role.as_str()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(updated, 1)
}

/// Ends a membership. The person's password is forgotten with the last one.
pub async fn remove(tx: &mut LockedTx, id: UserId, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    accounts::leave(tx.tx(), id).await?;
    let removed = sqlx::query!(
        "UPDATE users SET removed_at = $3 WHERE tenant_id = $1 AND id = $2 AND removed_at IS NULL",
        tenant,
        id.as_uuid(),
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(removed, 1)
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The id that the person will have.
    pub user: UserId,
    /// The lower-case address.
    pub email: String,
    /// The role that the person will have.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be accepted.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
}

/// Makes an invitation in place of an outstanding one for the same address.
pub async fn invite(tx: &mut LockedTx, invitation: &Invitation, digest: &[u8; 32]) -> Result<()> {
    withdraw(tx, &invitation.email).await?;
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO invitations (tenant_id, user_id, email, role, digest, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant,
        invitation.user.as_uuid(),
        invitation.email,
        invitation.role.as_str(),
        &digest[..],
        invitation.created_at.to_sqlx() as _,
        invitation.expires_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes an outstanding invitation back.
pub async fn withdraw(tx: &mut LockedTx, email: &str) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "DELETE FROM invitations WHERE tenant_id = $1 AND email = $2 AND accepted_at IS NULL",
        tenant,
        email
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The invitation whose secret has this digest.
pub async fn invitation_by_digest(tx: &mut TenantTx, digest: &[u8; 32]) -> Result<Option<Invitation>> {
    let row = sqlx::query_as!(
        InvitationRow,
        r#"SELECT user_id, email, role, created_at AS "created_at: _", expires_at AS "expires_at: _",
               accepted_at AS "accepted_at: _"
           FROM invitations WHERE tenant_id = $1 AND digest = $2"#,
        tx.tenant().as_uuid(),
        &digest[..]
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(InvitationRow::into_invitation).transpose()
}

/// The invitation of somebody who has not accepted it.
pub async fn outstanding_invitation(tx: &mut TenantTx, user: UserId) -> Result<Option<Invitation>> {
    let row = sqlx::query_as!(
        InvitationRow,
        r#"SELECT user_id, email, role, created_at AS "created_at: _", expires_at AS "expires_at: _",
               accepted_at AS "accepted_at: _"
           FROM invitations WHERE tenant_id = $1 AND user_id = $2 AND accepted_at IS NULL"#,
        tx.tenant().as_uuid(),
        user.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(InvitationRow::into_invitation).transpose()
}

/// The invitations that nobody has accepted and that can be, newest first; at most `limit`.
pub async fn outstanding_invitations(tx: &mut TenantTx, limit: i64) -> Result<Vec<Invitation>> {
    let rows = sqlx::query_as!(
        InvitationRow,
        r#"SELECT user_id, email, role, created_at AS "created_at: _", expires_at AS "expires_at: _",
               accepted_at AS "accepted_at: _"
           FROM invitations WHERE tenant_id = $1 AND accepted_at IS NULL AND expires_at > clock_timestamp()
           ORDER BY created_at DESC, user_id DESC LIMIT $2"#,
        tx.tenant().as_uuid(),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(InvitationRow::into_invitation).collect()
}

/// A row of `invitations`, as selected.
struct InvitationRow {
    user_id: uuid::Uuid,
    email: String,
    role: String,
    created_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    accepted_at: Option<jiff_sqlx::Timestamp>,
}

impl InvitationRow {
    fn into_invitation(self) -> Result<Invitation> {
        Ok(Invitation {
            user: UserId::from_uuid(self.user_id),
            email: self.email,
            role: read(self.role.parse())?,
            created_at: self.created_at.to_jiff(),
            expires_at: self.expires_at.to_jiff(),
            accepted_at: self.accepted_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

/// Notes that an invitation was accepted.
pub async fn accept(tx: &mut LockedTx, user: UserId, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let accepted = sqlx::query!(
        "UPDATE invitations SET accepted_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND accepted_at IS NULL",
        tenant,
        user.as_uuid(),
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    expect_rows(accepted, 1)
}
