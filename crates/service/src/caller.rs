//! Who may ask what a resource server needs to know: the resource server itself, by its key, or whoever acts for the tenant.

use subgrant_domain::{Action, ServiceId, TenantId};
use subgrant_store::{TenantTx, services};
use subgrant_token::VerificationKey;

use crate::{AccessError, App, CredentialError, Principal};

/// Who asks.
#[derive(Clone)]
pub enum Caller {
    /// With a token or a session.
    Principal(Principal),
    /// A resource server, with its verification key.
    Service {
        /// Whose it is.
        tenant: TenantId,
        /// Which one it is.
        service: ServiceId,
    },
}

impl Caller {
    /// The tenant, and nothing of any other.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Principal(principal) => principal.tenant,
            Self::Service { tenant, .. } => *tenant,
        }
    }

    /// The resource server, if it is one.
    pub fn service(&self) -> Option<ServiceId> {
        match self {
            Self::Principal(_) => None,
            Self::Service { service, .. } => Some(*service),
        }
    }
}

impl App {
    /// The resource server whose key this is.
    pub async fn authenticate_service(&self, key: &VerificationKey) -> Result<Caller, AccessError> {
        let (tenant, service) = (key.tenant(), key.service());
        let (database, seen) = (&self.shared().database, self.service_keys().get(&(tenant, service)));
        let mut tx = if seen.is_some_and(|seen| seen.matches(key)) {
            database.begin_read(tenant).await?
        } else {
            database.begin_read_for_stranger(tenant).await?
        };
        let known = self.service_key_in(&mut tx, service).await?;
        if !known.is_some_and(|known| known.matches(key)) {
            return Err(CredentialError::Forged.into());
        }
        check_service(&mut tx, service).await?;
        Ok(Caller::Service { tenant, service })
    }

    /// Refuses whoever is not, or no longer, who it was, or may not read; what it may read is seen at one instant.
    pub(crate) async fn admit(&self, caller: &Caller) -> Result<TenantTx, AccessError> {
        match caller {
            Caller::Principal(principal) => {
                let read = self.read(principal).await?;
                principal.require(Action::Read)?;
                Ok(read.tx)
            }
            Caller::Service { tenant, service } => {
                let mut tx = self.shared().database.begin_read(*tenant).await?;
                check_service(&mut tx, *service).await?;
                Ok(tx)
            }
        }
    }
}

async fn check_service(tx: &mut TenantTx, service: ServiceId) -> Result<(), AccessError> {
    match services::by_id(tx, service).await? {
        None => Err(CredentialError::Forged.into()),
        Some(service) if service.deleted_at.is_some() => Err(CredentialError::Revoked.into()),
        Some(_) => Ok(()),
    }
}
