//! Tokens that were verified before: nothing need be looked up to tell whose they are.

use std::{net::IpAddr, sync::Arc};

use sha2::{Digest as _, Sha256};
use subgrant_domain::{DelegationId, RequestId, TenantId};

use crate::{
    AccessError, App, Principal, Usage, Via, access::PresentedToken, credential::Credential, metrics::CACHED,
};

/// A token whose signature was verified before. Whether it is still good is decided anew with each use.
#[derive(Clone)]
pub struct KnownToken(Arc<Credential>);

impl KnownToken {
    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant()
    }

    /// The delegation that it speaks for.
    pub fn delegation(&self) -> DelegationId {
        self.0.path.id()
    }
}

impl App {
    /// A token that was verified before, and that the ledger knows.
    pub fn known_token(&self, text: &str) -> Option<KnownToken> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        self.credentials().get(&digest).map(KnownToken)
    }

    /// The principal of such a token that is presented for one purpose.
    pub fn authenticate_known(
        &self,
        usage: Usage<'_>,
        known: KnownToken,
        source_ip: Option<IpAddr>,
        request_id: Option<RequestId>,
    ) -> Result<Principal, AccessError> {
        let KnownToken(credential) = known;
        self.metrics().tokens.count(CACHED);
        credential.check_use_here(usage, source_ip)?;
        let (tenant, path) = (credential.tenant(), credential.path.clone());
        Ok(Principal { tenant, path, via: Via::Token(PresentedToken(credential)), source_ip, request_id })
    }
}
