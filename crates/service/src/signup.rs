//! A new tenant: its owner, its root node, its first root key.

use jiff::{Timestamp, Unit};
use subgrant_domain::{AttributeText, DelegationId, Node, RequestId, Role, RootKeyId, TenantId, UserId};
use subgrant_store::{
    StoreError, audit,
    delegations::{self, Delegation},
    ledger, root_keys,
    tenants::{self, Tenant, User},
};
use zeroize::Zeroizing;

use crate::{
    App, Browser, Outcome, ServiceError, SessionSecret, app::fresh_id, chain,
    idempotency::bound::SHOWN_AGAIN, session,
};

/// Who signs up. Validated by the caller: a lower-case address, a password of acceptable length.
#[derive(Clone)]
pub struct SignupRequest {
    /// The organisation's name.
    pub organization: AttributeText,
    /// The owner's address, in lower case.
    pub email: String,
    /// The owner's password.
    pub password: Zeroizing<String>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// From where the request came.
    pub browser: Browser,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// A tenant that was just created.
pub struct SignedUp {
    /// The tenant.
    pub tenant: TenantId,
    /// The organisation's name.
    pub organization: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The owner.
    pub user: UserId,
    /// The owner's address.
    pub email: String,
    /// The root node.
    pub root: DelegationId,
    /// The root token. Shown once.
    pub root_token: Zeroizing<String>,
    /// The owner's session.
    pub session: SessionSecret,
}

/// Why nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// The address belongs to an account.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// The idempotency key was used for a sign-up with other data.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for SignupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::EmailTaken,
            other => Self::Service(other.into()),
        }
    }
}

impl App {
    /// Creates a tenant with its owner, root node and root key; opens a session.
    pub async fn sign_up(&self, request: SignupRequest) -> Result<Outcome<SignedUp>, SignupError> {
        if let Some(existing) = self.replay_sign_up(&request).await? {
            return Ok(Outcome::replayed(existing));
        }
        let owner = User {
            id: fresh_id(),
            email: request.email.clone(),
            password_hash: self.hash_password(request.password.clone()).await?,
            role: Role::Owner,
            signup_idempotency_key: request.idempotency_key.clone(),
        };
        // In microseconds, as it will be read back.
        let now = Timestamp::now().round(Unit::Microsecond).expect("today can be rounded");
        let (id, root) = (fresh_id(), fresh_id());
        let tenant = Tenant { id, name: request.organization.to_string(), root, created_at: now };
        let tx = self.shared().database.begin(id).await?;
        let mut tx = tenants::insert(tx, &tenant, &owner).await?;
        let (key_id, key) = self.create_root_key(tx.tx(), now).await?;
        let session = session::open(tx.tx(), owner.id, &request.browser, now).await?;
        delegations::insert(&mut tx, &root_row(root, key_id, now)).await?;
        audit::append(&mut tx, &audit_entry(&request, &tenant, &owner)).await?;
        tx.commit().await?;
        let root_token = Zeroizing::new(chain::root_token(self, id, key_id, &key)?.to_text());
        Ok(Outcome::fresh(signed_up(tenant, &owner, root_token, session)))
    }

    /// The same answer for the same request: recognised by its key, and proved by the password.
    async fn replay_sign_up(&self, request: &SignupRequest) -> Result<Option<SignedUp>, SignupError> {
        let database = &self.shared().database;
        let Some((id, user)) = tenants::account_by_email(database, &request.email).await? else {
            return Ok(None);
        };
        let mut tx = database.begin_read_for_stranger(id).await?;
        let inconsistent =
            || ServiceError::Inconsistent(format!("the directory names an unknown tenant {id}"));
        let tenant = tenants::current(&mut tx).await?.ok_or_else(inconsistent)?;
        let owner = tenants::user_by_id(&mut tx, user).await?.ok_or_else(inconsistent)?;
        if request.idempotency_key.is_none() || owner.signup_idempotency_key != request.idempotency_key {
            return Err(SignupError::EmailTaken);
        }
        // The answer holds the root token.
        let now = ledger::head(&mut tx).await?.now;
        if now.duration_since(tenant.created_at) >= SHOWN_AGAIN {
            return Err(SignupError::EmailTaken);
        }
        drop(tx);
        let is_password = self.is_new_password(request.password.clone(), owner.password_hash.clone()).await?;
        if !is_password || tenant.name != request.organization.as_str() {
            return Err(SignupError::IdempotencyMismatch);
        }
        let mut tx = database.begin(id).await?;
        let now = ledger::head(&mut tx).await?.now;
        let session = session::open(&mut tx, user, &request.browser, now).await?;
        let first_key = root_keys::first(&mut tx).await?;
        tx.commit().await?;
        let key = self.root_key(id, first_key).await?.ok_or_else(inconsistent)?;
        let root_token = Zeroizing::new(chain::root_token(self, id, key.id, &key.key)?.to_text());
        Ok(Some(signed_up(tenant, &owner, root_token, session)))
    }
}

fn root_row(id: DelegationId, root_key: RootKeyId, created_at: Timestamp) -> Delegation {
    Delegation {
        node: Node::root(id),
        label: AttributeText::new("Root Key").expect("a plain label"),
        caveats: Vec::new(),
        token_generation: 0,
        made_offline: false,
        first_block_unknown: false,
        root_key,
        audience: None,
        tokens_valid_from: None,
        version: 1,
        created_at,
    }
}

fn audit_entry(request: &SignupRequest, tenant: &Tenant, owner: &User) -> audit::Entry {
    audit::Entry {
        id: uuid::Uuid::now_v7(),
        actor: owner.id.to_string(),
        action: "tenant.create",
        target: tenant.id.to_string(),
        details: serde_json::json!({ "organization": tenant.name }).to_string(),
        source_ip: request.browser.source_ip,
        request_id: request.request_id,
    }
}

fn signed_up(
    tenant: Tenant,
    owner: &User,
    root_token: Zeroizing<String>,
    session: SessionSecret,
) -> SignedUp {
    SignedUp {
        tenant: tenant.id,
        organization: tenant.name,
        created_at: tenant.created_at,
        user: owner.id,
        email: owner.email.clone(),
        root: tenant.root,
        root_token,
        session,
    }
}
