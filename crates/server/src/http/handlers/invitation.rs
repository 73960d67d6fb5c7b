//! Invitations.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_domain::kind;
use subgrant_service::{Acceptance, Accepting, Invitation, InvitationSecret, Invited, Outcome, PeopleError};
use zeroize::Zeroizing;

use super::{
    noted,
    people::{role, wire_role},
    session::opened_with,
};
use crate::http::{
    HttpState,
    body::{JsonBody, NoBody},
    convert::time,
    extract::{Authenticated, Origin, PathId, SameOrigin, session_cookie},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{Answer, no_content},
    validate::Validator,
};

/// Invites somebody for seven days, in place of an earlier invitation of the same address. Owners may; admins, except to
/// owner. Where a mail server is configured and you have confirmed your own address, the person is mailed a link, a few a day to one
/// address; hand the token over yourself otherwise: it is shown once. `mailed` says which.
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
        (status = 429, description = "Too many invitations for one day: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
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
    Ok(Answer { status: StatusCode::CREATED, location: None, etag: None, outcome: outcome.map(invitation) }
        .into_response())
}

fn invitation(invited: Invited) -> api::Invitation {
    api::Invitation {
        id: invited.user.to_string(),
        email: invited.email,
        role: wire_role(invited.role),
        token: invited.secret.to_text().to_string(),
        expires_at: time(invited.expires_at),
        mailed: invited.is_mailed,
    }
}

/// The invitations that nobody has accepted yet, newest first. Owners and admins may look.
#[utoipa::path(
    get,
    path = "/invite",
    tag = "people",
    security(("session" = [])),
    responses((status = 200, description = "All that can be accepted", body = api::InvitationList), Problems, Refusals)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
) -> Result<Json<api::InvitationList>, Problem> {
    let invitations = state.app.invitations(&principal).await?;
    Ok(Json(api::InvitationList { data: invitations.into_iter().map(open).collect() }))
}

fn open(invitation: Invitation) -> api::OpenInvitation {
    api::OpenInvitation {
        id: invitation.user.to_string(),
        email: invitation.email,
        role: wire_role(invitation.role),
        created_at: time(invitation.created_at),
        expires_at: time(invitation.expires_at),
    }
}

/// Takes an invitation back that nobody has accepted yet. Owners may; admins, except to owner.
#[utoipa::path(
    delete,
    path = "/invite/{id}",
    tag = "people",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`usr_…`: the id that the person would have had"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Nobody can accept it any more"), Problems, Refusals)
)]
pub(in crate::http) async fn withdraw(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.withdraw_invitation(&principal, id, key).await?))
}

/// Accepts an invitation and signs in. With a password: that of an account which the address has already, and which then belongs to
/// this organisation too, or the first one of a new account. Without one: with the account that the browser is signed in to, if the
/// invitation is for its address. Anybody who was sent one may.
///
/// It needs no `Idempotency-Key`: the token is one. It can be sent again in the same way, and is answered again.
#[utoipa::path(
    post,
    path = "/invite/accept",
    tag = "people",
    request_body = api::AcceptInvitation,
    responses(
        (status = 201, description = "Signed in", body = api::Session),
        (status = 401, description = "There is no such invitation", body = api::Problem, content_type = "application/problem+json"),
        (status = 403, description = "The invitation is for another address than the account that is signed in, or that account's password was chosen by somebody else", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The address is a member's already", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The invitation was used, or has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn accept(
    State(state): State<HttpState>,
    origin: Origin,
    SameOrigin(same_origin): SameOrigin,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::AcceptInvitation>,
) -> Result<Response, Problem> {
    let by = accepting(body.password, &headers, same_origin)?;
    let secret = InvitationSecret::parse(&body.token).ok_or(PeopleError::UnknownInvitation)?;
    let acceptance = Acceptance { secret, by, browser: origin.browser(), request_id: origin.request_id };
    let Outcome { value, replayed } = state.app.accept_invitation(acceptance).await?;
    let mut response = opened_with(StatusCode::CREATED, value);
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn accepting(
    password: Option<String>,
    headers: &HeaderMap,
    same_origin: Result<(), Problem>,
) -> Result<Accepting, Problem> {
    let mut validator = Validator::default();
    let by = match (password.map(Zeroizing::new), session_cookie(headers)) {
        (Some(password), _) => {
            validator.password("/password", &password);
            Some(Accepting::Password(password))
        }
        (None, Some(session)) => {
            same_origin?;
            Some(Accepting::Session(session))
        }
        (None, None) => {
            validator.refuse("/password", "required", "is required unless you are signed in");
            None
        }
    };
    validator.finish()?;
    noted(by)
}
