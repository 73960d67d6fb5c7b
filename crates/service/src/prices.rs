//! What requests at a service cost.

use serde_json::json;
use subgrant_domain::{Action, Credits, ServiceId};
use subgrant_store::{
    audit,
    service_routes::{self, PricedRoute},
};
use subgrant_token::{CaveatError, MethodSet, RequestPath, RouteSet};

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError,
    idempotency::{self, scoped},
    locked::{Loaded, LockedTenant},
    resource_server::check_exists,
};

/// A route that takes in what another one is about, and more, and costs less: a request whose path is spelled in a way that
/// the dearer one does not expect, and the server behind takes for the same, is too cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheaperCatchAll {
    /// The position of the route that takes in more.
    pub position: usize,
    /// The position of the dearest one within it.
    pub within: usize,
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
}

/// The routes that should cost more, in order, each with the dearest one within it.
pub fn cheaper_catch_alls(prices: &[PricedRoute]) -> Result<Vec<CheaperCatchAll>, ServiceError> {
    let read = prices.iter().map(|priced| Ok((priced, Pattern::read(priced)?)));
    let read: Vec<_> = read.collect::<Result<_, ServiceError>>()?;
    let dearest_within = |(position, (outer, takes_in)): (usize, &(&PricedRoute, Pattern))| {
        let dearer = read
            .iter()
            .enumerate()
            .filter(|(_, (inner, takes))| is_cheaper(outer, inner) && takes_in.is_catch_all_of(takes));
        let (within, _) = dearer.max_by_key(|(_, (inner, _))| (inner.price, inner.price_sats))?;
        Some(CheaperCatchAll { position, within })
    };
    Ok(read.iter().enumerate().filter_map(dearest_within).collect())
}

/// In credits, or in sats where both can be had for them.
fn is_cheaper(one: &PricedRoute, other: &PricedRoute) -> bool {
    let in_sats = one.price_sats.zip(other.price_sats).is_some_and(|(one, other)| one < other);
    one.price < other.price || in_sats
}

/// The price of the first route that matches.
pub(crate) fn price_of(
    prices: &[PricedRoute],
    method: &str,
    path: &RequestPath,
) -> Result<Option<Credits>, ServiceError> {
    for priced in prices {
        let Pattern { routes, methods } = Pattern::read(priced)?;
        if routes.matches(path) && methods.is_none_or(|methods| has_price_for(&methods, method)) {
            return Ok(Some(priced.price));
        }
    }
    Ok(None)
}

/// To ask for the head is as much work as to ask for the whole, so that it costs the same.
fn has_price_for(methods: &MethodSet, method: &str) -> bool {
    methods.contains(method) || (method == "HEAD" && methods.contains("GET"))
}

/// Which requests a price is for.
struct Pattern {
    routes: RouteSet,
    methods: Option<MethodSet>,
}

impl Pattern {
    fn read(priced: &PricedRoute) -> Result<Self, ServiceError> {
        let malformed = |_: CaveatError| ServiceError::Inconsistent("a stored route is malformed".to_owned());
        let routes = priced.route.parse().map_err(malformed)?;
        let methods = priced.method.as_deref().map(str::parse).transpose().map_err(malformed)?;
        Ok(Self { routes, methods })
    }

    /// Whether it takes in all paths that `other` is about, and more, with some method that both are about.
    fn is_catch_all_of(&self, other: &Self) -> bool {
        let share_methods = match (&self.methods, &other.methods) {
            (Some(own), Some(others)) => own.overlaps(others),
            _ => true,
        };
        share_methods && self.routes.is_catch_all_of(&other.routes)
    }
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
