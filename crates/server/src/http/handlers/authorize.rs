//! Letting requests through a gateway.

use std::net::IpAddr;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use subgrant_service::{AtGateway, Authorization, ForwardedRequest, Outcome};

use crate::http::{
    HttpState,
    extract::{GATEWAYS, Gateway, RequestName},
    openapi::{Problems, Refusals},
    problem::{self, Problem},
};

const FORWARDED_METHOD: &str = "x-forwarded-method";
const FORWARDED_URI: &str = "x-forwarded-uri";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Forward-auth, for nginx's `auth_request`, Caddy's and Traefik's `forward_auth`: whether the request that a gateway was
/// sent may pass. Its price is debited from the bearer token's delegation before the answer.
///
/// With any method, and without a body: none is read. The gateway proves itself by the service's key, and says by
/// `X-Forwarded-Method`, `X-Forwarded-Uri` (path and query) and `X-Forwarded-For`, of which the last address counts, what it
/// was sent. It passes the client's `Authorization` on. The token's conditions (route, method, source address, audience) are
/// judged by them. `HEAD` costs what `GET` costs.
///
/// `X-Subgrant-Request-Id` is the gateway's name for the client's request: within ten minutes the same name is paid once,
/// however often it asks, and is 409 with another token, method or target. Without it, each question is paid. A client's
/// `Idempotency-Key` means nothing here. 200 lets the request pass; 401, 402, 403 and 409 say why not.
#[utoipa::path(
    method(get, post, put, patch, delete),
    path = "/authorize/{service_id}",
    tag = "service",
    security(("token" = [], "gateway" = [])),
    params(
        ("service_id" = String, Path, description = "`svc_…`"),
        ("X-Forwarded-Method" = String, Header, description = "The method of the request"),
        ("X-Forwarded-Uri" = String, Header, description = "Its target, such as `/v1/reports?year=2026`"),
        ("X-Forwarded-For" = Option<String>, Header, description = "The client's address; of several the last one"),
        ("X-Subgrant-Request-Id" = Option<String>, Header, description = "The gateway's name for the request: 1–255 visible ASCII characters")
    ),
    responses(
        (status = 200, description = "It may pass, and is paid", headers(
            ("X-Subgrant-Delegation-Id" = String, description = "Who has paid"),
            ("X-Subgrant-Price-Credits" = u64, description = "How much"),
            ("X-Subgrant-Spend-Id" = String, description = "The debit; none where the price is 0"),
            ("X-Subgrant-Remaining-Credits" = u64, description = "What is left of the delegation's budget"),
            ("Idempotent-Replayed" = bool, description = "`true` where the request was paid before under its name")
        )),
        (status = 402, description = "A budget or limit refuses: see `max_affordable_credits`", body = subgrant_api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The `X-Subgrant-Request-Id` was another request's a short time ago", body = subgrant_api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn authorize(
    State(state): State<HttpState>,
    Gateway(at_gateway): Gateway,
    RequestName(name): RequestName,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let method = only(&headers, FORWARDED_METHOD)?;
    if Method::from_bytes(method.as_bytes()).is_err() {
        return Err(unusable(FORWARDED_METHOD));
    }
    let target = only(&headers, FORWARDED_URI)?;
    let request = ForwardedRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        source_ip: client(&headers)?,
        name,
    };
    let_pass(&state, at_gateway, &request).await
}

/// The same for gateways that append the target of the client's request to the address, and ask with its method, as Envoy's
/// `ext_authz` does with its `path_prefix`.
///
/// With any method. `X-Forwarded-Method` and `X-Forwarded-Uri` mean nothing here: the target is what follows `forward`, with
/// its query. All else is as above.
#[utoipa::path(
    get,
    path = "/authorize/{service_id}/forward/{*path}",
    tag = "service",
    security(("token" = [], "gateway" = [])),
    params(
        ("service_id" = String, Path, description = "`svc_…`"),
        ("path" = String, Path, description = "The path of the client's request"),
        ("X-Forwarded-For" = Option<String>, Header, description = "The client's address; of several the last one"),
        ("X-Subgrant-Request-Id" = Option<String>, Header, description = "The gateway's name for the request: 1–255 visible ASCII characters")
    ),
    responses(
        (status = 200, description = "It may pass, and is paid", headers(
            ("X-Subgrant-Delegation-Id" = String, description = "Who has paid"),
            ("X-Subgrant-Price-Credits" = u64, description = "How much"),
            ("X-Subgrant-Spend-Id" = String, description = "The debit; none where the price is 0"),
            ("X-Subgrant-Remaining-Credits" = u64, description = "What is left of the delegation's budget"),
            ("Idempotent-Replayed" = bool, description = "`true` where the request was paid before under its name")
        )),
        (status = 402, description = "A budget or limit refuses: see `max_affordable_credits`", body = subgrant_api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The `X-Subgrant-Request-Id` was another request's a short time ago", body = subgrant_api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn forward(
    State(state): State<HttpState>,
    Gateway(at_gateway): Gateway,
    RequestName(name): RequestName,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = target_in(&uri).ok_or_else(Problem::not_found)?;
    let request = ForwardedRequest {
        method: method.as_str().to_owned(),
        target: target.to_owned(),
        source_ip: client(&headers)?,
        name,
    };
    let_pass(&state, at_gateway, &request).await
}

/// What was appended to the address: neither decoded nor put right.
fn target_in(address: &Uri) -> Option<&str> {
    let below = address.path_and_query()?.as_str().strip_prefix(GATEWAYS)?;
    let (_service, rest) = below.split_once('/')?;
    rest.strip_prefix("forward").filter(|target| target.starts_with('/'))
}

async fn let_pass(
    state: &HttpState,
    at_gateway: AtGateway,
    request: &ForwardedRequest,
) -> Result<Response, Problem> {
    let principal = at_gateway.principal.clone();
    let passed = state.app.authorize(at_gateway, request).await;
    passed.map(passing).map_err(|error| problem::of_authorize(error, &principal))
}

/// The client's address, as the gateway knows it.
fn client(headers: &HeaderMap) -> Result<Option<IpAddr>, Problem> {
    let addresses = headers.get_all(FORWARDED_FOR).iter().next_back();
    let last =
        addresses.map(|value| value.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default());
    let address = last.map(|text| text.trim().parse::<IpAddr>()).transpose();
    Ok(address.map_err(|_| unusable(FORWARDED_FOR))?.map(|address| address.to_canonical()))
}

/// The value of a header that must be there once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    value.filter(|_| values.next().is_none()).ok_or_else(|| unusable(name))
}

fn unusable(name: &str) -> Problem {
    let detail = format!("The gateway must send the header {name} once, and with a value of its kind.");
    Problem::new(StatusCode::BAD_REQUEST, "invalid_forwarded_header", detail)
}

fn passing(outcome: Outcome<Authorization>) -> Response {
    let Authorization { delegation, price, receipt } = outcome.value;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut tell = |name, value: String| {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).expect("ids and digits"));
    };
    tell("x-subgrant-delegation-id", delegation.to_string());
    tell("x-subgrant-price-credits", price.get().to_string());
    if let Some(receipt) = receipt {
        receipt.id.into_iter().for_each(|id| tell("x-subgrant-spend-id", id.to_string()));
        receipt
            .remaining
            .into_iter()
            .for_each(|left| tell("x-subgrant-remaining-credits", left.get().to_string()));
    }
    if outcome.replayed {
        tell("idempotent-replayed", "true".to_owned());
    }
    response
}
