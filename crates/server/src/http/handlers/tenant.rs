//! Sign-up and the root token.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::{Outcome, RotateRequest, SignedUp, SignupRequest};
use zeroize::Zeroizing;

use super::noted;
use crate::http::{
    HttpState,
    body::JsonBody,
    convert::time,
    expiry::{parse_duration, parse_time},
    extract::{Authenticated, IdempotencyHeader, Origin},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{Answer, with_device, with_session},
    validate::Validator,
};

/// Creates a tenant with its owner and root node, and opens a session. The answer is the same whether the address has accounts
/// or not: until its owner has confirmed it (`POST /email/confirm`), an address may have several, each with a password of its own.
#[utoipa::path(
    post,
    path = "/signup",
    tag = "tenant",
    request_body = api::SignUp,
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The tenant; its root token is shown once", body = api::SignedUp),
        (status = 403, description = "Sign-up is closed", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The same sign-up was answered before; its root token is shown again for ten minutes only", body = api::Problem, content_type = "application/problem+json"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn sign_up(
    State(state): State<HttpState>,
    origin: Origin,
    key: IdempotencyHeader,
    JsonBody(body): JsonBody<api::SignUp>,
) -> Result<Response, Problem> {
    if !state.options.open_signup {
        let detail = "Sign-up is closed here. Ask the operator for an account.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "signup_closed", detail));
    }
    let request = sign_up_request(body, &origin, key)?;
    let Outcome { value, replayed } = state.app.sign_up(request).await?;
    let outcome = Outcome { value: signed_up(&value), replayed };
    let location = format!("/api/cloud/delegation/{}", value.root);
    let response = with_session(Answer::created(location, outcome).into_response(), &value.session);
    Ok(with_device(response, Some(&value.device)))
}

fn sign_up_request(
    body: api::SignUp,
    origin: &Origin,
    key: IdempotencyHeader,
) -> Result<SignupRequest, Problem> {
    let mut validator = Validator::default();
    let organization = validator.name("/organization", &body.organization);
    let email = validator.email("/email", &body.email);
    let password = Zeroizing::new(body.password);
    validator.password("/password", &password);
    validator.finish()?;
    Ok(SignupRequest {
        organization: noted(organization)?,
        email: noted(email)?,
        password,
        idempotency_key: key.0,
        browser: origin.browser(),
        request_id: origin.request_id,
    })
}

fn signed_up(value: &SignedUp) -> api::SignedUp {
    api::SignedUp {
        tenant: api::Tenant {
            id: value.tenant.to_string(),
            organization: value.organization.clone(),
            root_delegation_id: value.root.to_string(),
            created_at: time(value.created_at),
        },
        user: api::User { id: value.user.to_string(), email: value.email.clone(), role: "owner".to_owned() },
        root_token: value.root_token.to_string(),
    }
}

/// Replaces the root token. Tokens of delegations go on working, unless `revoke_issued_before` says otherwise.
#[utoipa::path(
    post,
    path = "/root/rotate",
    tag = "tenant",
    request_body = api::RotateRoot,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 200, description = "The new root token, shown once", body = api::RotatedRoot),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn rotate_root(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::RotateRoot>>,
) -> Result<Answer<api::RotatedRoot>, Problem> {
    let request = rotate_request(&body)?;
    let outcome = state.app.rotate_root(&principal, request, key).await?;
    Ok(Answer::ok(outcome.map(|rotated| api::RotatedRoot {
        root_token: rotated.root_token.to_string(),
        previous_valid_until: time(rotated.previous_valid_until),
    })))
}

fn rotate_request(body: &api::RotateRoot) -> Result<RotateRequest, Problem> {
    let mut validator = Validator::default();
    let grace = parse_duration(body.grace.as_deref().unwrap_or("0s"));
    let grace = validator.check("/grace", "invalid_duration", grace);
    let instant = body.revoke_issued_before.as_deref().map(parse_time).transpose();
    let instant = validator.check("/revoke_issued_before", "invalid_time", instant);
    validator.finish()?;
    Ok(RotateRequest { grace: noted(grace)?, revoke_issued_before: noted(instant)? })
}
