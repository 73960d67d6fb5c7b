//! Signing in and out.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::{Membership, Opened, SessionSecret, SignInError, SignedIn};
use zeroize::Zeroizing;

use crate::http::{
    HttpState,
    body::JsonBody,
    convert::time,
    extract::{Origin, SameOrigin, check_same_origin, session_cookie},
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{SESSION_COOKIE, with_device, with_session},
    validate::Validator,
};

/// Signs in: the answer sets the session's cookie, in the organisation of `tenant_id` or, without it, in the one that the account has
/// belonged to for longest. `tenants` lists them all; `POST /session/switch` goes on in another.
///
/// Failed attempts count against the browser that has signed in before, or else against the network. The cookie `__Host-device` tells
/// browsers apart; it opens nothing.
#[utoipa::path(
    post,
    path = "/session",
    tag = "tenant",
    request_body = api::SignIn,
    responses(
        (status = 201, description = "Signed in", body = api::Session),
        (status = 401, description = "Address and password do not belong together", body = api::Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts have failed: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    origin: Origin,
    JsonBody(body): JsonBody<api::SignIn>,
) -> Result<Response, Problem> {
    let (email, password) = (body.email, Zeroizing::new(body.password));
    let mut validator = Validator::default();
    let tenant = body.tenant_id.and_then(|id| validator.check("/tenant_id", "invalid_id", id.parse()));
    validator.finish()?;
    // Longer ones cannot have been chosen; hashing them would only cost time. PostgreSQL stores no NUL.
    if password.len() > 1024 || email.len() > 1024 || email.contains('\0') {
        return Err(SignInError::Wrong.into());
    }
    let opened = state.app.sign_in(&email, password, tenant, &origin.browser()).await?;
    Ok(opened_with(StatusCode::CREATED, opened))
}

/// Goes on in another organisation that the account belongs to, for as long as the session lasts: it ends, and the answer sets the
/// cookie of another one.
#[utoipa::path(
    post,
    path = "/session/switch",
    tag = "tenant",
    request_body = api::SwitchTenant,
    security(("session" = [])),
    responses(
        (status = 200, description = "Signed in there", body = api::Session),
        (status = 404, description = "The account belongs to no such organisation", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn switch(
    State(state): State<HttpState>,
    origin: Origin,
    session: CurrentSession,
    JsonBody(body): JsonBody<api::SwitchTenant>,
) -> Result<Response, Problem> {
    let tenant = body.tenant_id.parse().map_err(|_| Problem::not_found())?;
    let opened = state.app.switch_tenant(&session.0, tenant, &origin.browser()).await?.ok_or_else(ended)?;
    Ok(opened_with(StatusCode::OK, opened))
}

/// The session of the cookie, looked for before the body is looked at.
pub(in crate::http) struct CurrentSession(SessionSecret);

impl FromRequestParts<HttpState> for CurrentSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        let session = required(&parts.headers)?;
        check_same_origin(&state.options, parts)?;
        state.app.signed_in(&session).await?.ok_or_else(ended)?;
        Ok(Self(session))
    }
}

/// The answer that opens a session.
pub(super) fn opened_with(status: StatusCode, opened: Opened) -> Response {
    let Opened { signed_in, session, device } = opened;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let response = (status, no_store, Json(document(signed_in))).into_response();
    with_device(with_session(response, &session), device.as_ref().map(|device| device.as_str()))
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/session",
    tag = "tenant",
    security(("session" = [])),
    responses(
        (status = 200, description = "Signed in", body = api::Session),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    headers: HeaderMap,
) -> Result<Json<api::Session>, Problem> {
    let session = required(&headers)?;
    let signed_in = state.app.signed_in(&session).await?.ok_or_else(ended)?;
    Ok(Json(document(signed_in)))
}

/// Signs out.
#[utoipa::path(
    delete,
    path = "/session",
    tag = "tenant",
    security(("session" = [])),
    responses(
        (status = 204, description = "Signed out"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn delete(
    State(state): State<HttpState>,
    SameOrigin(is_same): SameOrigin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = required(&headers)?;
    is_same?;
    if !state.app.sign_out(&session).await? {
        return Err(ended());
    }
    let forget = format!("{SESSION_COOKIE}=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}

fn required(headers: &HeaderMap) -> Result<SessionSecret, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(Problem::unauthorized("malformed", "Send the session's cookie here, and no token."));
    }
    session_cookie(headers)
        .ok_or_else(|| Problem::unauthorized("missing", "Sign in first: there is no session."))
}

fn ended() -> Problem {
    Problem::unauthorized("expired", "The session has ended. Sign in again.")
}

pub(super) fn document(signed_in: SignedIn) -> api::Session {
    let SignedIn { tenant, user, is_confirmed, memberships } = signed_in;
    api::Session {
        tenant: api::Tenant {
            id: tenant.id.to_string(),
            organization: tenant.name,
            root_delegation_id: tenant.root.to_string(),
            created_at: time(tenant.created_at),
        },
        user: api::User { id: user.id.to_string(), email: user.email, role: user.role.to_string() },
        email_confirmed: is_confirmed,
        tenants: memberships.into_iter().map(membership).collect(),
    }
}

fn membership(membership: Membership) -> api::Membership {
    api::Membership {
        tenant_id: membership.tenant.to_string(),
        organization: membership.organization,
        role: membership.role.to_string(),
    }
}
