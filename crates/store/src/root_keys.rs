//! Root keys, sealed. The newest one is current; older ones stay readable.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::RootKeyId;

use crate::{LockedTx, Result, StoreError, TenantTx};

/// A sealed root key.
#[derive(Debug, Clone)]
pub struct SealedRootKey {
    /// The key's id.
    pub id: RootKeyId,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on its own root token is refused.
    pub root_token_expires_at: Option<Timestamp>,
}

/// Stores a root key of the transaction's tenant.
pub async fn insert(tx: &mut TenantTx, id: RootKeyId, sealed: &[u8], created_at: Timestamp) -> Result<()> {
    sqlx::query!(
        "INSERT INTO root_keys (tenant_id, id, sealed, created_at) VALUES ($1, $2, $3, $4)",
        tx.tenant().as_uuid(),
        id.as_uuid(),
        sealed,
        created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A root key of the transaction's tenant.
pub async fn by_id(tx: &mut TenantTx, id: RootKeyId) -> Result<Option<SealedRootKey>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, sealed, created_at AS "created_at: _", root_token_expires_at AS "root_token_expires_at: _"
           FROM root_keys WHERE tenant_id = $1 AND id = $2"#,
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::into_key))
}

/// The newest root key: the one under which the current root token stands.
pub async fn current(tx: &mut TenantTx) -> Result<SealedRootKey> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, sealed, created_at AS "created_at: _", root_token_expires_at AS "root_token_expires_at: _"
           FROM root_keys WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1"#,
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::into_key).ok_or_else(|| StoreError::Malformed("a tenant without root key".to_owned()))
}

/// The oldest root key: the one that the sign-up made.
pub async fn first(tx: &mut TenantTx) -> Result<RootKeyId> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM root_keys WHERE tenant_id = $1 ORDER BY created_at, id LIMIT 1",
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    id.map(RootKeyId::from_uuid).ok_or_else(|| StoreError::Malformed("a tenant without root key".to_owned()))
}

/// Ends the life of the root tokens of every key but `current`, at `at` or earlier.
pub async fn expire_root_tokens(tx: &mut LockedTx, current: RootKeyId, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "UPDATE root_keys SET root_token_expires_at = least(root_token_expires_at, $3) WHERE tenant_id = $1 AND id <> $2",
        tenant,
        current.as_uuid(),
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

struct Row {
    id: uuid::Uuid,
    sealed: Vec<u8>,
    created_at: jiff_sqlx::Timestamp,
    root_token_expires_at: Option<jiff_sqlx::Timestamp>,
}

impl Row {
    fn into_key(self) -> SealedRootKey {
        SealedRootKey {
            id: RootKeyId::from_uuid(self.id),
            sealed: self.sealed,
            created_at: self.created_at.to_jiff(),
            root_token_expires_at: self.root_token_expires_at.map(jiff_sqlx::Timestamp::to_jiff),
        }
    }
}
