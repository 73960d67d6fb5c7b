//! Passwords: replaced by whoever knows the old one, and set anew by whoever reads the account's mail.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::{PeopleError, ResetAcceptance, ResetError, ResetSecret};
use zeroize::Zeroizing;

use super::{noted, session::document};
use crate::http::{
    HttpState,
    body::JsonBody,
    extract::{Authenticated, Origin},
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::with_session,
    validate::Validator,
};

/// Replaces the password of whoever is signed in. All other sessions end; this one goes on under a new cookie.
///
/// `Idempotency-Key` has no meaning here: the cookie that asked ends with the change, so that the same request cannot be sent
/// again. Whether it was done shows by signing in.
#[utoipa::path(
    post,
    path = "/password",
    tag = "people",
    request_body = api::ChangePassword,
    security(("session" = [])),
    responses(
        (status = 200, description = "Replaced", body = api::Session),
        (status = 429, description = "Too many wrong passwords: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn change(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<api::ChangePassword>,
) -> Result<Response, Problem> {
    let (current, new) = (Zeroizing::new(body.current_password), Zeroizing::new(body.new_password));
    let mut validator = Validator::default();
    validator.password("/new_password", &new);
    validator.finish()?;
    // Longer ones cannot have been chosen; hashing them would only cost time.
    if current.len() > 1024 {
        return Err(PeopleError::WrongPassword.into());
    }
    let (signed_in, session) = state.app.change_password(&principal, current, new).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok(with_session((no_store, Json(document(signed_in))).into_response(), &session))
}

/// Mails a link with which a new password can be set within an hour, if the address is somebody's. Answer and time are the same
/// whether it is or not, and when the address was sent enough mails for one day. Needs no credential.
///
/// `Idempotency-Key` has no meaning here: there is nobody whose key it could be before the address is known to be somebody's,
/// and a key that is remembered for an account alone would tell that there is one. Who asks again is mailed another link.
#[utoipa::path(
    post,
    path = "/password/reset",
    tag = "people",
    request_body = api::RequestPasswordReset,
    responses(
        (status = 202, description = "If the address has an account, a mail is on its way"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn request_reset(
    State(state): State<HttpState>,
    origin: Origin,
    JsonBody(body): JsonBody<api::RequestPasswordReset>,
) -> Result<Response, Problem> {
    let mut validator = Validator::default();
    let email = validator.email("/email", &body.email);
    validator.finish()?;
    state.app.request_reset(&noted(email)?, origin.source_ip).await?;
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({}))).into_response())
}

/// Sets a new password with what was mailed, once, and confirms the address. Every session of the account ends: sign in anew. Needs no credential.
///
/// It needs no `Idempotency-Key`: the token is one. With the same password it can be sent again, and is answered again.
#[utoipa::path(
    post,
    path = "/password/reset/accept",
    tag = "people",
    request_body = api::AcceptPasswordReset,
    responses(
        (status = 204, description = "The password is set"),
        (status = 401, description = "There is no such token, or it was used or replaced", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The token has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn accept_reset(
    State(state): State<HttpState>,
    origin: Origin,
    JsonBody(body): JsonBody<api::AcceptPasswordReset>,
) -> Result<StatusCode, Problem> {
    let password = Zeroizing::new(body.password);
    let mut validator = Validator::default();
    validator.password("/password", &password);
    validator.finish()?;
    let secret = ResetSecret::parse(&body.token).ok_or(ResetError::Unknown)?;
    let Origin { source_ip, request_id, .. } = origin;
    state.app.accept_reset(ResetAcceptance { secret, password, source_ip, request_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
