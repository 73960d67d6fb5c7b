//! Invitations.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::{Acceptance, InvitationSecret, Invited, PeopleError};
use zeroize::Zeroizing;

use super::{
    noted,
    people::{role, wire_role},
    session::document,
};
use crate::http::{
    HttpState,
    body::JsonBody,
    convert::time,
    extract::{Authenticated, Origin},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{Answer, with_session},
    validate::Validator,
};

/// Invites somebody for seven days, in place of an earlier invitation of the same address. Owners may; admins, except to
/// owner. The person is mailed a link where a mail server is configured; hand the token over yourself otherwise: it is shown once.
#[utoipa::path(
    post,
    path = "/invite",
    tag = "people",
    request_body = api::CreateInvitation,
    security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The invitation", body = api::Invitation),
        (status = 409, description = "The address is a member's", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateInvitation>>,
) -> Result<Response, Problem> {
    let mut validator = Validator::default();
    let email = validator.email("/email", &body.email);
    validator.finish()?;
    let outcome = state.app.invite(&principal, noted(email)?, role(body.role), key).await?;
    Ok(Answer {
        status: StatusCode::CREATED,
        location: None,
        etag: None,
        outcome: outcome.map(|invited| invitation(invited, state.app.mails_people())),
    }
    .into_response())
}

fn invitation(invited: Invited, mailed: bool) -> api::Invitation {
    api::Invitation {
        id: invited.user.to_string(),
        email: invited.email,
        role: wire_role(invited.role),
        token: invited.secret.to_text().to_string(),
        expires_at: time(invited.expires_at),
        mailed,
    }
}

/// Accepts an invitation: sets a password and signs in. Anybody who was sent one may.
///
/// It needs no `Idempotency-Key`: the token is one. With the same password it can be sent again, and is answered again.
#[utoipa::path(
    post,
    path = "/invite/accept",
    tag = "people",
    request_body = api::AcceptInvitation,
    responses(
        (status = 201, description = "Signed in", body = api::Session),
        (status = 401, description = "There is no such invitation", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The address has an account in another organisation", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The invitation was used, or has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn accept(
    State(state): State<HttpState>,
    origin: Origin,
    JsonBody(body): JsonBody<api::AcceptInvitation>,
) -> Result<Response, Problem> {
    let password = Zeroizing::new(body.password);
    let mut validator = Validator::default();
    validator.password("/password", &password);
    validator.finish()?;
    let secret = InvitationSecret::parse(&body.token).ok_or(PeopleError::UnknownInvitation)?;
    let acceptance =
        Acceptance { secret, password, browser: origin.browser(), request_id: origin.request_id };
    let outcome = state.app.accept_invitation(acceptance).await?;
    let session = outcome.value.1.clone();
    let outcome = outcome.map(|(signed_in, _)| document(signed_in));
    let answer = Answer { status: StatusCode::CREATED, location: None, etag: None, outcome };
    Ok(with_session(answer.into_response(), &session))
}
