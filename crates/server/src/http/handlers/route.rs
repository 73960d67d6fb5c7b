//! What requests at a service cost.

use axum::{Json, extract::State};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{Credits, ServiceId};
use subgrant_service::{CheaperCatchAll, PricedRoute, cheaper_catch_alls};
use subgrant_token::Caveat;
use utoipa::IntoParams;

use crate::http::{
    HttpState,
    body::JsonBody,
    extract::{Authenticated, Query},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::Problem,
    respond::Answer,
    validate::Validator,
};

const MOST: usize = 200;
const MAX_SATS: u64 = 2_100_000_000_000_000;

/// Of which service.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RouteQuery {
    /// `svc_…`.
    service_id: String,
}

/// What requests at a service cost. Members and the root token may look.
#[utoipa::path(
    get,
    path = "/route",
    tag = "service",
    security(("token" = []), ("session" = [])),
    params(RouteQuery),
    responses((status = 200, description = "All of it", body = api::ServiceRoutes), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<RouteQuery>,
) -> Result<Json<api::ServiceRoutes>, Problem> {
    let service = service(&query.service_id)?;
    let prices = state.app.prices(&principal, service).await?;
    let routes = prices.into_iter().map(document).collect();
    Ok(Json(api::ServiceRoutes { service_id: service.to_string(), routes }))
}

/// Says what requests at a service cost, in place of what was said before. Owners, admins and the root token may.
///
/// The answer warns of a route with `*` at its end that costs less than one whose paths it takes in.
#[utoipa::path(
    put,
    path = "/route",
    tag = "service",
    request_body = api::ServiceRoutes,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 200, description = "What they cost now", body = api::ReplacedRoutes),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn replace(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::ServiceRoutes>>,
) -> Result<Answer<api::ReplacedRoutes>, Problem> {
    let routes = priced(&body.routes)?;
    let service = service(&body.service_id)?;
    let outcome = state.app.set_prices(&principal, service, &routes, key).await?;
    let warnings = cheaper_catch_alls(&routes)?.into_iter().map(warning).collect();
    let (service_id, routes) = (service.to_string(), routes.into_iter().map(document).collect());
    Ok(Answer::ok(outcome.map(|()| api::ReplacedRoutes { service_id, routes, warnings })))
}

fn warning(CheaperCatchAll { position, within }: CheaperCatchAll) -> api::RouteWarning {
    let why = if position < within {
        "it is tried first, so that its lower price is paid for them"
    } else {
        "one that is spelled differently, such as in other case or with a slash at the end, has the lower price"
    };
    api::RouteWarning {
        pointer: format!("/routes/{position}"),
        code: "cheaper_catch_all".to_owned(),
        detail: format!("costs less than /routes/{within}, whose paths it takes in: {why}"),
    }
}

/// What is no id names no service.
fn service(text: &str) -> Result<ServiceId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

fn priced(routes: &[api::PricedRoute]) -> Result<Vec<PricedRoute>, Problem> {
    let mut validator = Validator::default();
    if routes.len() > MOST {
        validator.refuse("/routes", "too_many", format!("must be at most {MOST}"));
    }
    let priced = routes.iter().take(MOST).enumerate().map(|(index, route)| {
        let pointer = |field: &str| format!("/routes/{index}/{field}");
        let text = caveat("route", &route.route);
        validator.check(&pointer("route"), "invalid_route", text.ok_or("must be a path such as /v1/*"));
        let method = route.method.as_deref();
        if method.is_some_and(|method| caveat("method", method).is_none()) {
            validator.refuse(&pointer("method"), "invalid_method", "must be methods such as GET,POST");
        }
        let price = Credits::new(route.price_credits).map_err(|_| "must be at most 9007199254740991 credits");
        let price = validator.check(&pointer("price_credits"), "out_of_range", price);
        if route.price_sats.is_some_and(|sats| !(1..=MAX_SATS).contains(&sats)) {
            validator.refuse(&pointer("price_sats"), "out_of_range", format!("must be from 1 to {MAX_SATS}"));
        }
        PricedRoute {
            route: route.route.clone(),
            method: route.method.clone(),
            price: price.unwrap_or_default(),
            price_sats: route.price_sats,
        }
    });
    let priced = priced.collect();
    validator.finish()?;
    Ok(priced)
}

/// What a caveat of this name may say, a route or a method may say.
fn caveat(name: &str, value: &str) -> Option<Caveat> {
    Caveat::from_parts(name, value).ok()
}

fn document(priced: PricedRoute) -> api::PricedRoute {
    api::PricedRoute {
        route: priced.route,
        method: priced.method,
        price_credits: priced.price.get(),
        price_sats: priced.price_sats,
    }
}
