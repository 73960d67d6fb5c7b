//! For load balancers and supervisors.

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::json;
use subgrant_api as api;
use subgrant_service::Readiness;

use crate::http::{HttpState, problem::Problem};

/// The process is alive.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "health",
    responses(
        (status = 200, description = "Alive"),
        (status = 413, description = "The request has a large body", body = api::Problem, content_type = "application/problem+json")
    )
)]
pub(in crate::http) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "alive" }))
}

/// The process should be sent work: the database answers, is migrated and belongs to the master key, and no shutdown
/// is under way.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "Ready"),
        (status = 413, description = "The request has a large body", body = api::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not ready")
    )
)]
pub(in crate::http) async fn ready(State(state): State<HttpState>) -> Result<impl IntoResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("draining", "The server is shutting down."));
    }
    let readiness = state.app.readiness().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
        Problem::unavailable("unavailable", "The database does not answer.")
    })?;
    match obstacle(readiness) {
        None => Ok(Json(json!({ "status": "ready" }))),
        Some((code, detail)) => Err(Problem::unavailable(code, detail)),
    }
}

fn obstacle(readiness: Readiness) -> Option<(&'static str, &'static str)> {
    match readiness {
        Readiness::Ready => None,
        Readiness::NotMigrated => {
            Some(("not_migrated", "The database has to be migrated: `subgrant migrate`."))
        }
        Readiness::NoPartition => Some(("no_partition", "The ledger has no partition for this month.")),
        Readiness::OtherKey => Some(("other_key", "The database belongs to another master key.")),
    }
}
