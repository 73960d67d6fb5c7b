//! Accounts: an address, one password, and memberships of tenants. Any number of them may have an address that nobody has
//! proved; one at the most has proved it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{TenantId, UserId};
use uuid::Uuid;

use crate::{Database, Result, TenantTx};

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// The lower-case address.
    pub email: String,
    /// An argon2id hash in PHC format.
    pub password_hash: String,
    /// Counts the passwords: a session holds as long as this stays what it was.
    pub password_version: i32,
    /// When the address was proved.
    pub verified_at: Option<Timestamp>,
    /// Whether somebody else chose the password.
    pub is_managed: bool,
    /// The idempotency key of the sign-up that created it.
    pub signup_idempotency_key: Option<String>,
}

/// A row of `accounts`, as selected.
struct Row {
    id: Uuid,
    email: String,
    password_hash: String,
    password_version: i32,
    verified_at: Option<jiff_sqlx::Timestamp>,
    is_managed: bool,
    signup_idempotency_key: Option<String>,
}

impl Row {
    fn into_account(self) -> Account {
        Account {
            id: self.id,
            email: self.email,
            password_hash: self.password_hash,
            password_version: self.password_version,
            verified_at: self.verified_at.map(jiff_sqlx::Timestamp::to_jiff),
            is_managed: self.is_managed,
            signup_idempotency_key: self.signup_idempotency_key,
        }
    }
}

/// The salt of an address that has, or once had, an account; of several spellings the first that has one.
pub async fn salt(database: &Database, spellings: &[String]) -> Result<Option<(String, String)>> {
    let row = sqlx::query!(
        "SELECT email, salt FROM account_addresses WHERE email = ANY($1) ORDER BY array_position($1, email) LIMIT 1",
        spellings
    )
    .fetch_optional(database.directory())
    .await?;
    Ok(row.map(|row| (row.email, row.salt)))
}

/// The same; an address that has none gets this one.
pub async fn ensure_salt(database: &Database, email: &str, salt: &str) -> Result<String> {
    sqlx::query!(
        "INSERT INTO account_addresses (email, salt) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        email,
        salt
    )
    .execute(database.directory())
    .await?;
    let salt = sqlx::query_scalar!("SELECT salt FROM account_addresses WHERE email = $1", email);
    Ok(salt.fetch_one(database.directory()).await?)
}

/// Makes an account. Its address must have a salt.
pub async fn insert(tx: &mut TenantTx, account: &Account) -> Result<()> {
    sqlx::query!(
        "INSERT INTO accounts (id, email, password_hash, password_version, verified_at, is_managed, signup_idempotency_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        account.id,
        account.email,
        account.password_hash,
        account.password_version,
        account.verified_at.map(ToSqlx::to_sqlx) as _,
        account.is_managed,
        account.signup_idempotency_key
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The accounts that a password opens, the one that has proved the address first, then the oldest; at most `limit`.
pub async fn with_password(
    database: &Database,
    email: &str,
    password_hash: &str,
    limit: i64,
) -> Result<Vec<Account>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts WHERE email = $1 AND password_hash = $2
           ORDER BY verified_at IS NULL, created_at, id LIMIT $3"#,
        email,
        password_hash,
        limit
    )
    .fetch_all(database.directory())
    .await?;
    Ok(rows.into_iter().map(Row::into_account).collect())
}

/// The account that a sign-up with this idempotency key made, if it is still there.
pub async fn by_signup_key(database: &Database, email: &str, key: &str) -> Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts WHERE email = $1 AND signup_idempotency_key = $2 ORDER BY created_at, id LIMIT 1"#,
        email,
        key
    )
    .fetch_optional(database.directory())
    .await?;
    Ok(row.map(Row::into_account))
}

/// Whom mail to an address is about: the account that has proved it, or else those that have not, the oldest first.
pub async fn of_address(database: &Database, email: &str, limit: i64) -> Result<Vec<Account>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts a WHERE email = $1 AND (verified_at IS NOT NULL
               OR NOT EXISTS (SELECT FROM accounts p WHERE p.email = $1 AND p.verified_at IS NOT NULL))
           ORDER BY created_at, id LIMIT $2"#,
        email,
        limit
    )
    .fetch_all(database.directory())
    .await?;
    Ok(rows.into_iter().map(Row::into_account).collect())
}

/// An account by its id.
pub async fn by_id(database: &Database, id: Uuid) -> Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts WHERE id = $1"#,
        id
    )
    .fetch_optional(database.directory())
    .await?;
    Ok(row.map(Row::into_account))
}

/// The account of a member of the transaction's tenant.
pub async fn of_user(tx: &mut TenantTx, user: UserId) -> Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.id, a.email, a.password_hash, a.password_version, a.verified_at AS "verified_at: _", a.is_managed,
               a.signup_idempotency_key
           FROM memberships m JOIN accounts a ON a.id = m.account_id WHERE m.tenant_id = $1 AND m.user_id = $2"#,
        tx.tenant().as_uuid(),
        user.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_account))
}

/// Keeps an account as it is until the transaction ends. After the tenant's lock, always.
pub async fn lock(tx: &mut TenantTx, id: Uuid) -> Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts WHERE id = $1 FOR UPDATE"#,
        id
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_account))
}

/// Lets nobody else prove an address until the transaction ends. After the tenant's lock, and before any account's.
pub async fn lock_address(tx: &mut TenantTx, email: &str) -> Result<()> {
    sqlx::query!("SELECT FROM account_addresses WHERE email = $1 FOR NO KEY UPDATE", email)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The account that has proved an address.
pub async fn proved(tx: &mut TenantTx, email: &str) -> Result<Option<Account>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, email, password_hash, password_version, verified_at AS "verified_at: _", is_managed,
               signup_idempotency_key
           FROM accounts WHERE email = $1 AND verified_at IS NOT NULL"#,
        email
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_account))
}

/// Whether an address is that of a member of the transaction's tenant whose account has proved it.
pub async fn is_proved_member(tx: &mut TenantTx, email: &str) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users u JOIN memberships m ON m.tenant_id = u.tenant_id AND m.user_id = u.id
               JOIN accounts a ON a.id = m.account_id
               WHERE u.tenant_id = $1 AND u.email = $2 AND u.removed_at IS NULL AND a.verified_at IS NOT NULL) AS "found!""#,
        tx.tenant().as_uuid(),
        email
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// Writes a locked account's password and standing.
pub async fn update(tx: &mut TenantTx, account: &Account) -> Result<()> {
    sqlx::query!(
        "UPDATE accounts SET password_hash = $2, password_version = $3, verified_at = $4, is_managed = $5 WHERE id = $1",
        account.id,
        account.password_hash,
        account.password_version,
        account.verified_at.map(ToSqlx::to_sqlx) as _,
        account.is_managed
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Makes one person of two accounts: all memberships of `from` become those of `into`, and `from` is forgotten. Both are locked.
pub async fn merge(tx: &mut TenantTx, from: Uuid, into: Uuid) -> Result<()> {
    sqlx::query!("UPDATE memberships SET account_id = $2 WHERE account_id = $1", from, into)
        .execute(tx.connection())
        .await?;
    sqlx::query!("DELETE FROM accounts WHERE id = $1", from).execute(tx.connection()).await?;
    Ok(())
}

/// Makes an account a member of the transaction's tenant.
pub async fn join(tx: &mut TenantTx, account: Uuid, user: UserId) -> Result<()> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO memberships (tenant_id, user_id, account_id) VALUES ($1, $2, $3)",
        tenant,
        user.as_uuid(),
        account
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends a membership of the transaction's tenant. An account without any is forgotten.
pub async fn leave(tx: &mut TenantTx, user: UserId) -> Result<()> {
    let Some(account) = of_user(tx, user).await? else { return Ok(()) };
    // Nobody joins with it meanwhile: that would need the row as well.
    lock(tx, account.id).await?;
    let tenant = tx.tenant().as_uuid();
    sqlx::query!("DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2", tenant, user.as_uuid())
        .execute(tx.connection())
        .await?;
    sqlx::query!(
        "DELETE FROM accounts WHERE id = $1 AND NOT EXISTS (SELECT FROM memberships WHERE account_id = $1)",
        account.id
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The tenants that an account belongs to, with who it is there, oldest membership first; at most `limit`.
pub async fn memberships(database: &Database, account: Uuid, limit: i64) -> Result<Vec<(TenantId, UserId)>> {
    let rows = sqlx::query!(
        "SELECT tenant_id, user_id FROM memberships WHERE account_id = $1 ORDER BY created_at, tenant_id LIMIT $2",
        account,
        limit
    )
    .fetch_all(database.directory())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant_id), UserId::from_uuid(row.user_id)))
        .collect())
}

/// Who an account is in a tenant, if it belongs to it.
pub async fn membership(database: &Database, account: Uuid, tenant: TenantId) -> Result<Option<UserId>> {
    let user = sqlx::query_scalar!(
        "SELECT user_id FROM memberships WHERE account_id = $1 AND tenant_id = $2",
        account,
        tenant.as_uuid()
    )
    .fetch_optional(database.directory())
    .await?;
    Ok(user.map(UserId::from_uuid))
}
