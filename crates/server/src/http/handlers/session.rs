//! Signing in and out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_service::{SessionSecret, SignInError, SignedIn};
use zeroize::Zeroizing;

use crate::http::{
    HttpState,
    body::JsonBody,
    convert::time,
    extract::{Origin, SameOrigin, session_cookie},
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{SESSION_COOKIE, with_session},
};

/// Signs in: the answer sets the session's cookie.
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
    let email = body.email.trim().to_lowercase();
    let password = Zeroizing::new(body.password);
    // Longer ones cannot have been chosen; hashing them would only cost time. PostgreSQL stores no NUL.
    if password.len() > 1024 || email.len() > 254 || email.contains('\0') {
        return Err(SignInError::Wrong.into());
    }
    let (signed_in, session) = state.app.sign_in(&email, password, &origin.browser()).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let response = (StatusCode::CREATED, no_store, Json(document(signed_in))).into_response();
    Ok(with_session(response, &session))
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
    let SignedIn { tenant, user } = signed_in;
    api::Session {
        tenant: api::Tenant {
            id: tenant.id.to_string(),
            organization: tenant.name,
            root_delegation_id: tenant.root.to_string(),
            created_at: time(tenant.created_at),
        },
        user: api::User { id: user.id.to_string(), email: user.email, role: user.role.to_string() },
    }
}
