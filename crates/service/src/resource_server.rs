//! Resource servers: who verifies tokens that are meant for it alone, with a key of its own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use subgrant_domain::{Action, AttributeText, ServiceId};
use subgrant_store::{StoreError, TenantTx, audit, services, tokens};
use subgrant_token::VerificationKey;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError,
    app::fresh_id,
    idempotency::{self, ScopedKey, bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
};

/// The most services of a tenant.
const MOST: usize = 100;

/// A registered resource server, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceServer {
    /// Its id.
    pub id: ServiceId,
    /// What people call it.
    pub name: AttributeText,
    /// The user, or the root, that registered it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// A resource server that was just registered.
pub struct RegisteredServer {
    /// The resource server.
    pub server: ResourceServer,
    /// The text of its key. Shown once, and again only to the same request.
    pub verification_key: Zeroizing<String>,
}

/// Why no resource server was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The tenant has as many as it may have.
    #[error("there are {MOST} services already")]
    TooMany,
}

impl From<ServiceError> for RegisterError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// What is recorded to answer a repeated request: everything but the key.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: ServiceId,
}

impl From<services::Service> for ResourceServer {
    fn from(stored: services::Service) -> Self {
        let services::Service { id, name, created_by, created_at, .. } = stored;
        Self { id, name, created_by, created_at }
    }
}

impl App {
    /// The tenant's resource servers, oldest first. For the root, and for sessions: to those further down it is told
    /// which one they delegate for.
    pub async fn resource_servers(&self, principal: &Principal) -> Result<Vec<ResourceServer>, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require_for_tenant(Action::Read)?;
        Ok(services::all(&mut read.tx).await?.into_iter().map(ResourceServer::from).collect())
    }

    /// One of them.
    pub async fn resource_server(
        &self,
        principal: &Principal,
        id: ServiceId,
    ) -> Result<ResourceServer, AccessError> {
        let mut read = self.read(principal).await?;
        if principal.path.depth() > 0 {
            return Err(AccessError::NotFound);
        }
        principal.require(Action::Read)?;
        Ok(services::live(&mut read.tx, id).await?.ok_or(AccessError::NotFound)?.into())
    }

    /// Registers a resource server and makes its key.
    pub async fn register_server(
        &self,
        principal: &Principal,
        name: AttributeText,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<RegisteredServer>, RegisterError> {
        let (mut locked, key) = self.lock_services(principal, "POST /service", key).await?;
        principal.require_for_tenant(Action::Delegate)?;
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound(principal, &mut locked).await?
        {
            let Answer { id } = repeated.secret()?;
            let stored = services::by_id(locked.tx(), id).await?.ok_or(AccessError::NotFound)?;
            return Ok(Outcome::replayed(self.registered(&locked, stored)?));
        }
        if services::all(locked.tx()).await?.len() >= MOST {
            return Err(RegisterError::TooMany);
        }
        let (id, created_at) = (fresh_id(), locked.head.now);
        let sealed = self.shared().master_key.seal_service_key(
            principal.tenant,
            id,
            &Zeroizing::new(rand::random::<[u8; 32]>()),
        );
        let created_by = principal.audit_name();
        let stored = services::Service { id, name, sealed, created_by, created_at, deleted_at: None };
        services::insert(&mut locked.tx, &stored).await?;
        let details = json!({ "name": stored.name });
        let entry = principal.audit_entry("service.create", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        record_bound(&mut locked, key.as_ref(), principal, 201, &Answer { id }).await?;
        let registered = self.registered(&locked, stored)?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(registered))
    }

    /// Deletes a resource server: from now on no token that was signed for it is accepted. The delegations stay, with what
    /// was set aside for them, until somebody revokes them.
    pub async fn delete_server(
        &self,
        principal: &Principal,
        id: ServiceId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, AccessError> {
        let (mut locked, key) = self.lock_services(principal, "DELETE /service/{id}", key).await?;
        if principal.path.depth() > 0 {
            return Err(AccessError::NotFound);
        }
        principal.require(Action::Delegate)?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let now = locked.head.now;
        if !services::delete(&mut locked.tx, id, now).await? {
            return Err(AccessError::NotFound);
        }
        tokens::expire_of_service(&mut locked.tx, id, now).await?;
        let entry = principal.audit_entry("service.delete", id.to_string(), &json!({}));
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    async fn lock_services(
        &self,
        principal: &Principal,
        route: &'static str,
        key: Option<IdempotencyKey>,
    ) -> Result<(LockedTenant, Option<ScopedKey>), AccessError> {
        let database = &self.shared().database;
        let mut locked = LockedTenant::open(database, principal.tenant, &[&principal.path]).await?;
        principal.check_standing(&mut locked).await?;
        Ok((locked, scoped(principal, route, key)))
    }

    fn registered(
        &self,
        locked: &LockedTenant,
        stored: services::Service,
    ) -> Result<RegisteredServer, ServiceError> {
        let key = self.unsealed(locked.tx.tenant(), &stored)?;
        Ok(RegisteredServer { verification_key: key.to_text(), server: stored.into() })
    }

    /// The key of a stored service.
    pub(crate) fn unsealed(
        &self,
        tenant: subgrant_domain::TenantId,
        stored: &services::Service,
    ) -> Result<VerificationKey, ServiceError> {
        let bytes = self.shared().master_key.unseal_service_key(tenant, stored.id, &stored.sealed)?;
        Ok(VerificationKey::new(tenant, stored.id, *bytes))
    }
}

/// Refuses where there is no such service, as far as the caller may know.
pub(crate) async fn check_exists(
    tx: &mut TenantTx,
    principal: &Principal,
    id: ServiceId,
) -> Result<(), AccessError> {
    let found = if principal.path.depth() == 0 { services::live(tx, id).await? } else { None };
    found.map(drop).ok_or(AccessError::NotFound)
}
