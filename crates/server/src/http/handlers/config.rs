//! For the dashboard's page, before anybody has signed in.

use axum::{Json, extract::State};
use subgrant_api as api;

use crate::http::{HttpState, openapi::Problems};

/// What this server offers to people whom it does not know yet.
#[utoipa::path(
    get,
    path = "/config",
    tag = "people",
    responses((status = 200, description = "What it offers", body = api::Configuration), Problems)
)]
pub(in crate::http) async fn show(State(state): State<HttpState>) -> Json<api::Configuration> {
    Json(api::Configuration { open_signup: state.options.open_signup, sends_mail: state.app.sends_mail() })
}
