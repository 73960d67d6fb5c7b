//! Addresses that people confirm.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::ConfirmationSecret;

use super::session::document;
use crate::http::{
    HttpState,
    body::{JsonBody, OptionalJsonBody},
    extract::Authenticated,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::with_session,
};

/// Mails whoever is signed in a link that confirms the address of the account, unless it is confirmed. A few a day.
///
/// An address that is not confirmed blocks nobody: anybody may sign up with it. Once it is, invitations to others are mailed, and no
/// other account can be confirmed for it. `Idempotency-Key` has no meaning here: who asks again is mailed another link.
#[utoipa::path(
    post,
    path = "/email/confirm",
    tag = "people",
    request_body = api::RequestEmailConfirmation,
    security(("session" = [])),
    responses(
        (status = 202, description = "A mail is on its way, if it is wanted and a mail server is configured"),
        (status = 429, description = "A mail was sent already: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn request(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    OptionalJsonBody(_nothing): OptionalJsonBody<api::RequestEmailConfirmation>,
) -> Result<Response, Problem> {
    state.app.request_confirmation(&principal).await?;
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({}))).into_response())
}

/// Confirms an address with what was mailed to it, in a browser that is signed in to the account. Every other session of the account
/// ends; this one goes on under a new cookie. Where another account has confirmed the address before, both become one: with the
/// password of the older one, and with the organisations of both.
///
/// It needs no `Idempotency-Key`: to confirm again changes nothing.
#[utoipa::path(
    post,
    path = "/email/confirm/accept",
    tag = "people",
    request_body = api::ConfirmEmail,
    security(("session" = [])),
    responses(
        (status = 200, description = "Confirmed", body = api::Session),
        (status = 401, description = "There is no such token", body = api::Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token is for another account", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The token has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn accept(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<api::ConfirmEmail>,
) -> Result<Response, Problem> {
    let secret = ConfirmationSecret::parse(&body.token);
    let (signed_in, session) = state.app.confirm_address(&principal, secret).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok(with_session((no_store, Json(document(signed_in))).into_response(), &session))
}
