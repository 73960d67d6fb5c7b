//! Letting requests through a gateway.

use std::{net::IpAddr, sync::Arc};

use sha2::{Digest, Sha256};
use subgrant_domain::{Action, Credits, DelegationId, RequestId, ServiceId};
use subgrant_store::{StoreError, idempotency::Key, service_routes, services};
use subgrant_token::{CaveatFailure, RequestContext, RequestPath, VerificationKey};

use crate::{
    AccessError, App, CredentialError, Outcome, Principal, ServiceError, SpendError, SpendReceipt,
    SpendRequest, Via, access::PresentedToken, credential::Credential, engine::Operation,
    idempotency::ScopedKey, locked::ReadTenant, prices, spend::own_item,
};

/// A request that a gateway was sent.
#[derive(Debug, Clone)]
pub struct ForwardedRequest {
    /// The HTTP method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The client's address, as the gateway knows it.
    pub source_ip: Option<IpAddr>,
    /// What the gateway calls it, and its repetitions: 1–255 visible ASCII characters.
    pub name: Option<String>,
}

/// A good token that was shown at a gateway; nothing is known of the gateway yet.
pub struct ShownToken {
    credential: Arc<Credential>,
    digest: [u8; 32],
}

/// Somebody at a gateway that has proved which service it stands before, and the tenant as it was just then.
pub struct AtGateway {
    /// Whose token it is.
    pub principal: Principal,
    token_digest: [u8; 32],
    service: ServiceId,
    read: ReadTenant,
}

/// Why nothing is answered at a gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The token is not, or no longer, good.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The key is not that of the service.
    #[error("this is not the service's key")]
    NotTheKey,
    /// The key is that of a service that was deleted.
    #[error("the service was deleted")]
    ServiceDeleted,
}

impl From<ServiceError> for GatewayError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// A request that may pass.
#[derive(Debug)]
pub struct Authorization {
    /// Who pays.
    pub delegation: DelegationId,
    /// What it costs.
    pub price: Credits,
    /// The debit; `None` where it costs nothing.
    pub receipt: Option<SpendReceipt>,
}

/// Why a request may not pass.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The token is not good for it, or cannot pay for it.
    #[error("{0}")]
    Spend(#[source] SpendError, Credits),
    /// Nobody has said what it costs.
    #[error("the service has no price for it")]
    NoPrice,
    /// The gateway has given the request's name to another one, or to one with another token, a short time ago.
    #[error("another request had this name")]
    NameTaken,
}

impl<E: Into<SpendError>> From<E> for AuthorizeError {
    fn from(error: E) -> Self {
        Self::Spend(error.into(), Credits::ZERO)
    }
}

impl App {
    /// Verifies a token that was shown at a gateway. Its conditions are judged by the request that the gateway was sent,
    /// not by the gateway's own.
    pub async fn shown_at_gateway(&self, text: &str) -> Result<ShownToken, AccessError> {
        let credential = self.credential(text).await?;
        Ok(ShownToken { credential, digest: Sha256::digest(text).into() })
    }

    /// Who shows a token at the gateway in front of a service. The gateway proves by the service's key that it is one.
    pub async fn at_gateway(
        &self,
        ShownToken { credential, digest: token_digest }: ShownToken,
        key: &VerificationKey,
        service: &str,
        request_id: Option<RequestId>,
    ) -> Result<AtGateway, GatewayError> {
        let service: ServiceId = service.parse().map_err(|_| GatewayError::NotTheKey)?;
        let tenant = key.tenant();
        let known = self.service_key(tenant, service).await?;
        if !known.is_some_and(|known| known.matches(key)) {
            return Err(GatewayError::NotTheKey);
        }
        if credential.tenant() != tenant {
            // Whether it is good for another tenant's services is nothing that this one may learn.
            return Err(AccessError::from(CredentialError::Forged).into());
        }
        let (path, via) = (credential.path.clone(), Via::Token(PresentedToken(credential)));
        let principal = Principal { tenant, path, via, source_ip: None, request_id };
        let mut read = self.read(&principal).await?;
        services::live(&mut read.tx, service).await?.ok_or(GatewayError::ServiceDeleted)?;
        Ok(AtGateway { principal, token_digest, service, read })
    }

    /// Lets a request pass that the token is good for, after its price was debited: once for each name that the gateway
    /// gives to requests, and each time for a request without one.
    pub async fn authorize(
        &self,
        AtGateway { principal, token_digest, service, mut read }: AtGateway,
        request: &ForwardedRequest,
    ) -> Result<Outcome<Authorization>, AuthorizeError> {
        let refused = |failure: CaveatFailure| AccessError::from(CredentialError::from(failure));
        let path = RequestPath::new(&request.target).map_err(|_| refused(CaveatFailure::UnsafePath))?;
        let prices = service_routes::of_service(&mut read.tx, service).await?;
        let price = prices::price_of(&prices, &request.method, &path)?.ok_or(AuthorizeError::NoPrice)?;
        let context = RequestContext {
            method: Some(&request.method),
            path: Some(&request.target),
            source_ip: request.source_ip,
            service: Some(service),
            ..RequestContext::at(read.tree.now())
        };
        let missing = || AccessError::NotPermitted(Action::Spend);
        let credential = principal.credential().ok_or_else(missing)?;
        credential.scope().check_request(&context).map_err(refused)?;
        principal.require(Action::Spend)?;
        drop(read);
        let delegation = principal.path.id();
        if price.is_zero() {
            return Ok(Outcome::fresh(Authorization { delegation, price, receipt: None }));
        }
        let spend = SpendRequest {
            amount: price,
            // Without the query, which may hold secrets.
            description: Some(shortened(format!("{} {}", request.method, path.as_str()))),
            metadata: None,
            dry_run: false,
        };
        let key = request.name.clone().map(|name| ScopedKey {
            key: Key::at_gateway(service, name),
            fingerprint: request.fingerprint(&token_digest),
        });
        let item = own_item(&principal, Operation::Spend(spend), key);
        let spent = self.entry(&principal, item).await.map_err(|error| match error {
            SpendError::Access(AccessError::IdempotencyMismatch) => AuthorizeError::NameTaken,
            error => AuthorizeError::Spend(error, price),
        })?;
        Ok(spent.map(|receipt| Authorization { delegation, price: receipt.amount, receipt: Some(receipt) }))
    }
}

impl ForwardedRequest {
    /// What a request has in common with its repetitions.
    fn fingerprint(&self, token_digest: &[u8; 32]) -> [u8; 32] {
        // A method has no spaces, and a digest always the same length.
        let line = format!("{} {}", self.method, self.target);
        Sha256::new().chain_update(token_digest).chain_update(line).finalize().into()
    }
}

/// As long as a description of a debit may be.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(1024));
    text
}
