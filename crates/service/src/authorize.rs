//! What requests at a service cost, and letting them through a gateway.

use std::net::IpAddr;

use serde_json::json;
use subgrant_domain::{Action, Credits, DelegationId, RequestId, ServiceId};
use subgrant_store::{
    audit,
    service_routes::{self, PricedRoute},
    services,
};
use subgrant_token::{CaveatFailure, MethodSet, RequestContext, RequestPath, RouteSet};

use crate::{
    AccessError, App, CredentialError, IdempotencyKey, Outcome, Principal, ServiceError, SpendError,
    SpendReceipt, SpendRequest, Via,
    access::PresentedToken,
    engine::Operation,
    idempotency::{self, scoped},
    locked::{Loaded, LockedTenant, ReadTenant},
    resource_server::check_exists,
    spend::own_item,
};

const ROUTE: &str = "ANY /authorize/{service_id}";

/// A request that a gateway was sent.
#[derive(Debug, Clone)]
pub struct ForwardedRequest {
    /// The HTTP method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The client's address, as the gateway knows it.
    pub source_ip: Option<IpAddr>,
}

/// Somebody at a gateway, and the tenant as it was just then.
pub struct AtGateway {
    /// Whose token it is.
    pub principal: Principal,
    service: ServiceId,
    read: ReadTenant,
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
}

impl<E: Into<SpendError>> From<E> for AuthorizeError {
    fn from(error: E) -> Self {
        Self::Spend(error.into(), Credits::ZERO)
    }
}

impl App {
    /// A service's prices, in the order in which they are tried.
    pub async fn prices(
        &self,
        principal: &Principal,
        service: ServiceId,
    ) -> Result<Vec<PricedRoute>, AccessError> {
        let mut read = self.read(principal).await?;
        check_exists(&mut read.tx, principal, service).await?;
        principal.require(Action::Read)?;
        Ok(service_routes::of_service(&mut read.tx, service).await?)
    }

    /// Puts these prices in the place of a service's.
    pub async fn set_prices(
        &self,
        principal: &Principal,
        service: ServiceId,
        routes: &[PricedRoute],
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, AccessError> {
        let database = &self.shared().database;
        let mut locked = LockedTenant::open(database, principal.tenant, &[&principal.path]).await?;
        principal.check_standing(&mut locked).await?;
        check_exists(locked.tx(), principal, service).await?;
        principal.require(Action::Delegate)?;
        let key = scoped(principal, "PUT /route", key);
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let before = service_routes::of_service(locked.tx(), service).await?;
        service_routes::replace(&mut locked.tx, service, routes).await?;
        let details = json!({ "before": facts(&before), "after": facts(routes) });
        let entry = principal.audit_entry("service.price", service.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    /// Who shows a token at a gateway in front of a service. The token's conditions are judged by the request that the
    /// gateway was sent, not by the gateway's own. What is no service's id names none.
    pub async fn at_gateway(
        &self,
        text: &str,
        service: &str,
        request_id: Option<RequestId>,
    ) -> Result<AtGateway, AccessError> {
        let credential = self.credential(text).await?;
        let (tenant, path) = (credential.tenant(), credential.path.clone());
        let via = Via::Token(PresentedToken(credential));
        let principal = Principal { tenant, path, via, source_ip: None, request_id };
        let mut read = self.read(&principal).await?;
        let service: ServiceId = service.parse().map_err(|_| AccessError::NotFound)?;
        services::live(&mut read.tx, service).await?.ok_or(AccessError::NotFound)?;
        Ok(AtGateway { principal, service, read })
    }

    /// Lets a request pass that the token is good for, after its price was debited.
    pub async fn authorize(
        &self,
        AtGateway { principal, service, mut read }: AtGateway,
        request: &ForwardedRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Authorization>, AuthorizeError> {
        let refused = |failure: CaveatFailure| AccessError::from(CredentialError::from(failure));
        let path = RequestPath::new(&request.target).map_err(|_| refused(CaveatFailure::UnsafePath))?;
        let prices = service_routes::of_service(&mut read.tx, service).await?;
        let price = price_of(&prices, &request.method, &path)?.ok_or(AuthorizeError::NoPrice)?;
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
        let item = own_item(&principal, Operation::Spend(spend), scoped(&principal, ROUTE, key));
        let spent =
            self.entry(&principal, item).await.map_err(|error| AuthorizeError::Spend(error, price))?;
        Ok(spent.map(|receipt| Authorization { delegation, price, receipt: Some(receipt) }))
    }
}

/// The price of the first route that matches.
fn price_of(
    prices: &[PricedRoute],
    method: &str,
    path: &RequestPath,
) -> Result<Option<Credits>, ServiceError> {
    let malformed = |_| ServiceError::Inconsistent("a stored route is malformed".to_owned());
    for priced in prices {
        let routes: RouteSet = priced.route.parse().map_err(malformed)?;
        let methods: Option<MethodSet> =
            priced.method.as_deref().map(str::parse).transpose().map_err(malformed)?;
        if routes.matches(path) && methods.is_none_or(|methods| methods.contains(method)) {
            return Ok(Some(priced.price));
        }
    }
    Ok(None)
}

/// As long as a description of a debit may be.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(1024));
    text
}

/// For the audit log.
fn facts(routes: &[PricedRoute]) -> serde_json::Value {
    let facts = routes.iter().map(|priced| {
        json!({
            "route": priced.route, "method": priced.method, "price_credits": priced.price,
            "price_sats": priced.price_sats,
        })
    });
    facts.collect()
}
