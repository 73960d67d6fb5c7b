//! A new tenant: its owner, its root node, its first root key.

use jiff::{Timestamp, Unit};
use subgrant_domain::{AttributeText, DelegationId, Node, RequestId, Role, RootKeyId, TenantId, UserId};
use subgrant_store::{
    StoreError,
    accounts::{self, Account},
    audit,
    delegations::{self, Delegation},
    ledger, root_keys,
    tenants::{self, Tenant, User},
};
use uuid::Uuid;
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
    /// By which the browser is known the next time.
    pub device: Zeroizing<String>,
}

/// Why nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// The idempotency key was used for a sign-up with other data.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// The key was used for this very sign-up, too long ago for the root token to be shown again.
    #[error("the root token was shown once")]
    ShownOnce,
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for SignupError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl App {
    /// Creates a tenant with its owner, root node and root key; opens a session. The owner's account is a new one, whether or not
    /// the address has others: nobody has proved anything yet, and strangers must not learn which addresses have accounts.
    pub async fn sign_up(&self, request: SignupRequest) -> Result<Outcome<SignedUp>, SignupError> {
        let hash = self.hash_password(&request.email, request.password.clone()).await?;
        if let Some(existing) = self.replay_sign_up(&request, &hash).await? {
            return Ok(Outcome::replayed(existing));
        }
        let account = Account {
            id: Uuid::now_v7(),
            email: request.email.clone(),
            password_hash: hash,
            password_version: 1,
            verified_at: None,
            is_managed: false,
            signup_idempotency_key: request.idempotency_key.clone(),
        };
        let owner = User { id: fresh_id(), email: request.email.clone(), role: Role::Owner };
        // In microseconds, as it will be read back.
        let now = Timestamp::now().round(Unit::Microsecond).expect("today can be rounded");
        let (id, root) = (fresh_id(), fresh_id());
        let tenant = Tenant { id, name: request.organization.to_string(), root, created_at: now };
        let mut tx = self.shared().database.begin(id).await?;
        accounts::insert(&mut tx, &account).await?;
        let mut tx = tenants::insert(tx, &tenant, &owner, account.id).await?;
        let (key_id, key) = self.create_root_key(tx.tx(), now).await?;
        let session = session::open(tx.tx(), owner.id, &account, &request.browser, now).await?;
        delegations::insert(&mut tx, &root_row(root, key_id, now)).await?;
        audit::append(&mut tx, &audit_entry(&request, &tenant, &owner)).await?;
        tx.commit().await?;
        let root_token = Zeroizing::new(chain::root_token(self, id, key_id, &key)?.to_text());
        let opened = (session, self.device_cookie(account.id));
        Ok(Outcome::fresh(signed_up(tenant, &owner, root_token, opened)))
    }

    /// The same answer for the same request: recognised by its key, and proved by the password.
    async fn replay_sign_up(
        &self,
        request: &SignupRequest,
        hash: &str,
    ) -> Result<Option<SignedUp>, SignupError> {
        let database = &self.shared().database;
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let Some(account) = accounts::by_signup_key(database, &request.email, key).await? else {
            return Ok(None);
        };
        let membership = accounts::memberships(database, account.id, 1).await?.pop();
        let Some((id, user)) = membership else { return Ok(None) };
        let mut tx = database.begin(id).await?;
        let inconsistent = || ServiceError::Inconsistent(format!("an account names an unknown tenant {id}"));
        let tenant = tenants::current(&mut tx).await?.ok_or_else(inconsistent)?;
        if account.password_hash != hash || tenant.name != request.organization.as_str() {
            return Err(SignupError::IdempotencyMismatch);
        }
        let owner = tenants::user_by_id(&mut tx, user).await?.ok_or_else(inconsistent)?;
        let now = ledger::head(&mut tx).await?.now;
        // The answer holds the root token.
        if now.duration_since(tenant.created_at) >= SHOWN_AGAIN {
            return Err(SignupError::ShownOnce);
        }
        let session = session::open(&mut tx, user, &account, &request.browser, now).await?;
        let first_key = root_keys::first(&mut tx).await?;
        tx.commit().await?;
        let key = self.root_key(id, first_key).await?.ok_or_else(inconsistent)?;
        let root_token = Zeroizing::new(chain::root_token(self, id, key.id, &key.key)?.to_text());
        let opened = (session, self.device_cookie(account.id));
        Ok(Some(signed_up(tenant, &owner, root_token, opened)))
    }

    /// Whether an address has an account that belongs to an organisation of this name, among its oldest ones.
    pub async fn belongs_to_organization(&self, email: &str, name: &str) -> Result<bool, ServiceError> {
        let database = &self.shared().database;
        for account in accounts::of_address(database, email, 10).await? {
            for (tenant, _) in accounts::memberships(database, account.id, 10).await? {
                let found = tenants::current(&mut database.begin_read(tenant).await?).await?;
                if found.is_some_and(|tenant| tenant.name == name) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
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
    (session, device): (SessionSecret, Zeroizing<String>),
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
        device,
    }
}
