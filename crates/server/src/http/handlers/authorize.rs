//! Letting requests through a gateway.

use std::net::IpAddr;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use subgrant_service::{Authorization, ForwardedRequest, Outcome};

use crate::http::{
    HttpState,
    extract::{GatewayToken, IdempotencyHeader, Origin},
    idempotency,
    openapi::{Problems, Refusals},
    problem::{self, Problem},
};

const FORWARDED_METHOD: &str = "x-forwarded-method";
const FORWARDED_URI: &str = "x-forwarded-uri";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Forward-auth, for nginx's `auth_request`, Caddy's and Traefik's `forward_auth`: whether the request that a gateway was
/// sent may pass. Its price is debited from the bearer token's delegation before the answer.
///
/// The gateway sets `X-Forwarded-Method`, `X-Forwarded-Uri` (path and query) and `X-Forwarded-For`, of which the last
/// address counts, and passes `Authorization` and `Idempotency-Key` on. The token's conditions (route, method, source
/// address, audience) are judged by them. With an `Idempotency-Key` a repeated request is paid once. 200 lets it pass;
/// 401, 402 and 403 say why not.
#[utoipa::path(
    method(get, post, put, patch, delete),
    path = "/authorize/{service_id}",
    tag = "service",
    security(("token" = [])),
    params(
        ("service_id" = String, Path, description = "`svc_…`"),
        ("X-Forwarded-Method" = String, Header, description = "The method of the request"),
        ("X-Forwarded-Uri" = String, Header, description = "Its target, such as `/v1/reports?year=2026`"),
        ("X-Forwarded-For" = Option<String>, Header, description = "The client's address; of several the last one"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 200, description = "It may pass, and is paid", headers(
            ("X-Subgrant-Delegation-Id" = String, description = "Who has paid"),
            ("X-Subgrant-Price-Credits" = u64, description = "How much"),
            ("X-Subgrant-Spend-Id" = String, description = "The debit; none where the price is 0"),
            ("X-Subgrant-Remaining-Credits" = u64, description = "What is left of the delegation's budget")
        )),
        (status = 402, description = "A budget or limit refuses: see `max_affordable_credits`", body = subgrant_api::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The `Idempotency-Key` was used for another request", body = subgrant_api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn authorize(
    State(state): State<HttpState>,
    GatewayToken(token): GatewayToken,
    origin: Origin,
    key: IdempotencyHeader,
    Path(service): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at_gateway = state.app.at_gateway(&token, &service, origin.request_id).await?;
    let request = forwarded(&headers)?;
    let key = idempotency::key(key, uri.path(), &(&request.method, &request.target));
    let principal = at_gateway.principal.clone();
    let passed = state.app.authorize(at_gateway, &request, key).await;
    passed.map(passing).map_err(|error| problem::of_authorize(error, &principal))
}

/// What the gateway says of the request that it was sent.
fn forwarded(headers: &HeaderMap) -> Result<ForwardedRequest, Problem> {
    let method = only(headers, FORWARDED_METHOD)?;
    if Method::from_bytes(method.as_bytes()).is_err() {
        return Err(unusable(FORWARDED_METHOD));
    }
    let target = only(headers, FORWARDED_URI)?;
    let addresses = headers.get_all(FORWARDED_FOR).iter().next_back();
    let last =
        addresses.map(|value| value.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default());
    let source_ip = last.map(|text| text.trim().parse::<IpAddr>()).transpose();
    let source_ip = source_ip.map_err(|_| unusable(FORWARDED_FOR))?.map(|address| address.to_canonical());
    Ok(ForwardedRequest { method: method.to_owned(), target: target.to_owned(), source_ip })
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
