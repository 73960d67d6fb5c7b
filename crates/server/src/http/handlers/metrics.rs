//! For whoever watches the server.

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, header},
    response::IntoResponse,
};
use subgrant_api as api;
use subgrant_metrics::{openmetrics_text, plain_text};

use crate::http::{HttpState, MetricsFor, accept, forwarded::Client, problem::Problem};

const OPENMETRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// What the server counts about itself, for Prometheus.
///
/// Nothing in it names a tenant, a delegation or a person. Only processes of the same machine are told, unless the operator has
/// opened it to everybody, or moved it to an address of its own; to everybody else this is 404.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "OpenMetrics 1.0; Prometheus's older text format where `Accept` asks for `text/plain`",
            content((String = "application/openmetrics-text"), (String = "text/plain"))),
        (status = 404, description = "It has an address of its own, or is not for the caller"),
        (status = 413, description = "The request has a large body", body = api::Problem, content_type = "application/problem+json")
    )
)]
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let is_told = match state.options.metrics_for {
        MetricsFor::Nobody => false,
        MetricsFor::ThisMachine => client.is_local,
        MetricsFor::Anybody => true,
    };
    if is_told { Ok(text(&state, &headers)) } else { Err(Problem::not_found()) }
}

/// In the form that the caller wants.
pub(in crate::http) fn text(state: &HttpState, headers: &HeaderMap) -> impl IntoResponse + use<> {
    let (name, text) = match accept::preferred(headers, &[OPENMETRICS, PLAIN]) {
        Some(1) => ("text/plain; version=0.0.4; charset=utf-8", plain_text(&state.registry)),
        _ => {
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics_text(&state.registry))
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(name)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text)
}
