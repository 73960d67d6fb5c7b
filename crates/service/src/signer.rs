//! Which key signs a token: the tenant's, or that of the service that the token is for.

use std::sync::Arc;

use subgrant_domain::{RootKeyId, ServiceId, TenantId};
use subgrant_store::{TenantTx, delegations::Delegation, services};
use subgrant_token::{Identifier, Macaroon, RootKey, VerificationKey};

use crate::{App, ServiceError, app::TenantKey, chain};

/// What signs a token.
#[derive(Clone)]
pub(crate) enum Signer {
    /// One of the tenant's root keys.
    Tenant(Arc<TenantKey>),
    /// The key of the service that the token is for.
    Service(Arc<VerificationKey>),
}

impl Signer {
    pub(crate) fn key(&self) -> &RootKey {
        match self {
            Self::Tenant(key) => &key.key,
            Self::Service(key) => key.signing_key(),
        }
    }

    /// The service that its tokens are for.
    pub(crate) fn audience(&self) -> Option<ServiceId> {
        match self {
            Self::Tenant(_) => None,
            Self::Service(key) => Some(key.service()),
        }
    }

    fn identifier(&self, tenant: TenantId) -> Identifier {
        match self {
            Self::Tenant(key) => Identifier::Subgrant { tenant, root_key: key.id },
            Self::Service(key) => key.identifier(),
        }
    }

    /// What every token that it signs is appended to.
    pub(crate) fn start(&self, app: &App, tenant: TenantId) -> Result<Macaroon, ServiceError> {
        let location = &app.shared().options.location;
        Macaroon::mint(self.key(), location, &self.identifier(tenant)).map_err(chain::unusable)
    }
}

impl App {
    /// What is said to have signed a token; `None`: there is no such key.
    pub(crate) async fn signer(&self, identifier: &Identifier) -> Result<Option<Signer>, ServiceError> {
        let tenant = identifier.tenant();
        match identifier {
            Identifier::Subgrant { root_key, .. } | Identifier::L402 { root_key, .. } => {
                Ok(self.root_key(tenant, *root_key).await?.map(Signer::Tenant))
            }
            Identifier::Service { service, .. } => {
                if let Some(key) = self.service_keys().get(&(tenant, *service)) {
                    return Ok(Some(Signer::Service(key)));
                }
                let mut tx = self.shared().database.begin_read_for_stranger(tenant).await?;
                Ok(self.service_key_in(&mut tx, *service).await?.map(Signer::Service))
            }
        }
    }

    /// What signs the tokens of a delegation with these.
    pub(crate) async fn signer_in(
        &self,
        tx: &mut TenantTx,
        root_key: RootKeyId,
        audience: Option<ServiceId>,
    ) -> Result<Signer, ServiceError> {
        let missing = || ServiceError::Inconsistent("the key of a delegation is missing".to_owned());
        match audience {
            None => self.root_key_in(tx, root_key).await?.map(Signer::Tenant).ok_or_else(missing),
            Some(service) => self.service_key_in(tx, service).await?.map(Signer::Service).ok_or_else(missing),
        }
    }

    /// The key of a service, a deleted one too: what it signed is known again, and refused for what it is.
    pub(crate) async fn service_key_in(
        &self,
        tx: &mut TenantTx,
        id: ServiceId,
    ) -> Result<Option<Arc<VerificationKey>>, ServiceError> {
        let tenant = tx.tenant();
        if let Some(key) = self.service_keys().get(&(tenant, id)) {
            return Ok(Some(key));
        }
        let Some(stored) = services::by_id(tx, id).await? else { return Ok(None) };
        let key = Arc::new(self.unsealed(tenant, &stored)?);
        self.service_keys().insert((tenant, id), Arc::clone(&key));
        Ok(Some(key))
    }
}

/// Refuses to write a token for a service that was deleted.
pub(crate) async fn check_audience(tx: &mut TenantTx, delegation: &Delegation) -> Result<(), ServiceError> {
    let Some(audience) = delegation.audience else { return Ok(()) };
    let live = services::live(tx, audience).await?;
    live.map(drop).ok_or(ServiceError::AudienceDeleted)
}
