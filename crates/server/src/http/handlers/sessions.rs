//! The sessions of a person, looked at and ended.

use axum::{Json, extract::State, response::Response};
use subgrant_api as api;
use subgrant_domain::kind;
use subgrant_service::Session;

use crate::http::{
    HttpState,
    body::NoBody,
    convert::time,
    extract::{Authenticated, PathId, PathIds},
    idempotency::Keyed,
    openapi::{Problems, Refusals},
    problem::Problem,
    respond::no_content,
};

/// The sessions of a member, newest first. Everybody may see the own ones; owners see everybody's, admins everybody's but
/// the owners'.
#[utoipa::path(
    get,
    path = "/user/{id}/session",
    tag = "people",
    security(("session" = [])),
    params(("id" = String, Path, description = "`usr_…`")),
    responses((status = 200, description = "All that have not ended", body = api::SessionList), Problems, Refusals)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
) -> Result<Json<api::SessionList>, Problem> {
    let sessions = state.app.sessions(&principal, id).await?;
    Ok(Json(api::SessionList { data: sessions.into_iter().map(document).collect() }))
}

/// Ends all sessions of a member, except the one that asks. Who may list them may.
#[utoipa::path(
    delete,
    path = "/user/{id}/session",
    tag = "people",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`usr_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Ended"), Problems, Refusals)
)]
pub(in crate::http) async fn end_all(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.end_sessions(&principal, id, None, key).await?))
}

/// Ends a session of a member; the one that asks, too. Who may list them may.
#[utoipa::path(
    delete,
    path = "/user/{id}/session/{session_id}",
    tag = "people",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`usr_…`"),
        ("session_id" = String, Path, description = "`ses_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Ended"), Problems, Refusals)
)]
pub(in crate::http) async fn end_one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathIds(id, session): PathIds<kind::User, kind::Session>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.end_sessions(&principal, id, Some(session), key).await?))
}

fn document((session, current): (Session, bool)) -> api::OpenSession {
    api::OpenSession {
        id: session.id.to_string(),
        current,
        created_at: time(session.created_at),
        expires_at: time(session.expires_at),
        source_ip: session.source_ip.map(|address| address.to_string()),
        user_agent: session.user_agent,
    }
}
