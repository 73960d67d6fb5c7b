//! For load balancers and supervisors.

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::json;
use subgrant_store::maintenance;

use crate::http::{HttpState, problem::Problem};

/// The process is alive.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "Alive")))]
pub(in crate::http) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "alive" }))
}

/// The process should be sent work: the database answers and is migrated, and no shutdown is under way.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready"))
)]
pub(in crate::http) async fn ready(State(state): State<HttpState>) -> Result<impl IntoResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("draining", "The server is shutting down."));
    }
    match maintenance::is_ready(state.app.database()).await {
        Ok(true) => Ok(Json(json!({ "status": "ready" }))),
        Ok(false) => Err(Problem::unavailable("not_migrated", "The ledger has no partition for this month.")),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            Err(Problem::unavailable("unavailable", "The database does not answer."))
        }
    }
}
