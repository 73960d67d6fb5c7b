//! The keys of services, and the second signature of the tokens that are for one.

use std::sync::Arc;

use subgrant_domain::{ServiceId, TenantId};
use subgrant_store::{TenantTx, delegations::Delegation, services, tokens::Digest};
use subgrant_token::{Macaroon, VerificationKey};

use crate::{
    App, ServiceError,
    chain::{self, WriteError},
};

impl App {
    /// The key of a service, a deleted one too: what it verifies is known again, and refused for what it is.
    pub(crate) async fn service_key(
        &self,
        tenant: TenantId,
        id: ServiceId,
    ) -> Result<Option<Arc<VerificationKey>>, ServiceError> {
        if let Some(key) = self.service_keys().get(&(tenant, id)) {
            return Ok(Some(key));
        }
        // Nothing may be known yet of who asks, who may name any tenant and service.
        let mut tx = self.shared().database.begin_read_for_stranger(tenant).await?;
        self.service_key_in(&mut tx, id).await
    }

    /// The same within a transaction.
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

    /// A token as its holder gets it: with the signature by which the service that it is for verifies it, if it is for one.
    pub(crate) async fn signed_for(
        &self,
        tx: &mut TenantTx,
        macaroon: Macaroon,
        audience: Option<ServiceId>,
    ) -> Result<Macaroon, WriteError> {
        let Some(audience) = audience else { return Ok(macaroon.without_service_signature()) };
        let key = self.service_key_in(tx, audience).await?.ok_or_else(missing_key)?;
        macaroon.with_service_signature(&key).map_err(WriteError::TokenTooLong)
    }

    /// The digest of a node's token in the chain of the service that it is for: what the revocation feed names.
    pub(crate) async fn service_digest(
        &self,
        tx: &mut TenantTx,
        macaroon: &Macaroon,
        audience: Option<ServiceId>,
    ) -> Result<Option<Digest>, ServiceError> {
        let Some(audience) = audience else { return Ok(None) };
        let key = self.service_key_in(tx, audience).await?.ok_or_else(missing_key)?;
        Ok(macaroon.service_digests(&key).last().map(|digest| *digest.as_bytes()))
    }
}

pub(crate) fn missing_key() -> ServiceError {
    ServiceError::Inconsistent("the key of a delegation's service is missing".to_owned())
}

/// Refuses to write a token for a service that was deleted.
pub(crate) async fn check_audience(tx: &mut TenantTx, delegation: &Delegation) -> Result<(), ServiceError> {
    let Some(audience) = delegation.audience else { return Ok(()) };
    let live = services::live(tx, audience).await?;
    live.map(drop).ok_or(ServiceError::AudienceDeleted)
}

/// A written token that does not fit any more cannot be written again: its chain was found to fit once.
pub(crate) fn written_before(error: WriteError) -> ServiceError {
    match error {
        WriteError::TokenTooLong(error) => chain::unusable(error),
        WriteError::Service(error) => error,
    }
}
