//! For whoever watches the server.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::IntoResponse,
};
use subgrant_api as api;
use subgrant_metrics::{openmetrics_text, plain_text};

use crate::http::{HttpState, accept, problem::Problem};

const OPENMETRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// What the server counts about itself, for Prometheus.
///
/// Nothing in it names a tenant, a delegation or a person. Where the operator has moved it to an address of its own, this is
/// 404.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "OpenMetrics 1.0; Prometheus's older text format where `Accept` asks for `text/plain`",
            content((String = "application/openmetrics-text"), (String = "text/plain"))),
        (status = 404, description = "It has an address of its own"),
        (status = 413, description = "The request has a large body", body = api::Problem, content_type = "application/problem+json")
    )
)]
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    if state.options.metrics_elsewhere {
        return Err(Problem::not_found());
    }
    Ok(text(&state, &headers))
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
