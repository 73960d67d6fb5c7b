//! Checking a token on behalf of a resource server. Never debits.

use std::{net::IpAddr, sync::Arc};

use subgrant_domain::{Credits, ServiceId};
use subgrant_token::RequestContext;

use crate::{
    AccessError, App, Caller, CredentialError, DelegationView, Principal,
    access::{PresentedToken, Via},
    chain,
    credential::Credential,
    locked::Loaded,
};

/// A token, and the request that it came with.
#[derive(Clone)]
pub struct VerifyRequest {
    /// The token's text.
    pub token: String,
    /// What the resource server was asked for; a caveat about something that is missing here is not met.
    pub method: Option<String>,
    /// The request target.
    pub path: Option<String>,
    /// The client's address.
    pub source_ip: Option<IpAddr>,
    /// The resource server.
    pub service: Option<ServiceId>,
}

/// What a good token permits.
#[derive(Debug)]
pub struct Verification {
    /// The token's node, as the token's holder may see it.
    pub delegation: DelegationView,
    /// Every caveat of the presented token, in order.
    pub caveats: Vec<String>,
    /// The least over the path; `None`: unlimited.
    pub effective_remaining: Option<Credits>,
}

impl App {
    /// Whether a token of the caller's tenant is good for a request. The inner error says why it is not.
    pub async fn verify(
        &self,
        caller: &Caller,
        request: &VerifyRequest,
    ) -> Result<Result<Verification, CredentialError>, AccessError> {
        drop(self.admit(caller).await?);
        match self.verification(caller, request).await {
            Ok(verification) => Ok(Ok(verification)),
            Err(AccessError::Credential(CredentialError::Service(error))) => Err(error.into()),
            Err(AccessError::Credential(refused)) => Ok(Err(refused)),
            Err(other) => Err(other),
        }
    }

    async fn verification(
        &self,
        caller: &Caller,
        request: &VerifyRequest,
    ) -> Result<Verification, AccessError> {
        let credential = self.credential(&request.token).await?;
        if credential.tenant() != caller.tenant() {
            // Another tenant's token is as unknown here as one that nobody issued.
            return Err(CredentialError::Forged.into());
        }
        let holder = Principal {
            tenant: caller.tenant(),
            path: credential.path.clone(),
            via: Via::Token(PresentedToken(Arc::clone(&credential))),
            source_ip: request.source_ip,
            request_id: None,
        };
        let mut read = self.read(&holder).await?;
        // A resource server speaks for itself, whatever it says.
        let service = caller.service().or(request.service);
        check_request(&credential, request, service, read.tree.now())?;
        let row = read.row(holder.path.id())?.clone();
        let delegation = DelegationView::of_one(&mut read, &row, &holder).await?;
        Ok(Verification {
            effective_remaining: delegation.effective_remaining,
            caveats: credential.token.caveats().iter().map(chain::public_text).collect(),
            delegation,
        })
    }
}

fn check_request(
    credential: &Credential,
    request: &VerifyRequest,
    service: Option<ServiceId>,
    now: jiff::Timestamp,
) -> Result<(), CredentialError> {
    let context = RequestContext {
        method: request.method.as_deref(),
        path: request.path.as_deref(),
        source_ip: request.source_ip,
        service,
        ..RequestContext::at(now)
    };
    Ok(credential.scope().check_request(&context)?)
}
