//! Members and their roles. Sessions only: a token acts on delegations, not on people.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use subgrant_api as api;
use subgrant_domain::{Role, kind};
use subgrant_service::{CreatedMember, Member, NewMember};
use zeroize::Zeroizing;

use super::{PageQuery, noted, page_limit, page_start};
use crate::http::{
    HttpState,
    body::{JsonBody, NoBody},
    convert::time,
    extract::{Authenticated, PathId, Query},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::Problem,
    respond::{Answer, no_content, with_session},
    validate::Validator,
};

/// Lists the members, oldest first. Every member may.
#[utoipa::path(
    get,
    path = "/user",
    tag = "people",
    security(("session" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page", body = api::MemberList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Json<api::MemberList>, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after = page_start(&mut validator, query.cursor.as_deref());
    validator.finish()?;
    let page = state.app.members(&principal, after, limit).await?;
    Ok(Json(api::MemberList {
        data: page.members.into_iter().map(member).collect(),
        next_cursor: page.next.map(subgrant_domain::Id::suffix),
    }))
}

/// One member. Every member may look.
#[utoipa::path(
    get,
    path = "/user/{id}",
    tag = "people",
    security(("session" = [])),
    params(("id" = String, Path, description = "`usr_…`")),
    responses((status = 200, description = "The member", body = api::Member), Problems, Refusals)
)]
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
) -> Result<Json<api::Member>, Problem> {
    Ok(Json(member(state.app.member(&principal, id).await?)))
}

/// Makes somebody a member at once, with an account that is for this organisation alone. Whatever accounts the address has elsewhere
/// stay what they are; with `POST /email/confirm` the person joins them. Owners may; admins, except owners.
#[utoipa::path(
    post,
    path = "/user",
    tag = "people",
    request_body = api::CreateUser,
    security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The member; a password that was made up is shown once", body = api::CreatedUser),
        (status = 409, description = "The address is a member's", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateUser>>,
) -> Result<Answer<api::CreatedUser>, Problem> {
    let mut validator = Validator::default();
    let email = validator.email("/email", &body.email);
    let password = body.password.map(Zeroizing::new);
    if let Some(password) = &password {
        validator.password("/password", password);
    }
    validator.finish()?;
    let request = NewMember { email: noted(email)?, role: role(body.role), password };
    let outcome = state.app.create_member(&principal, request, key).await?;
    let location = format!("/api/cloud/user/{}", outcome.value.member.id);
    Ok(Answer::created(location, outcome.map(created)))
}

/// Gives a member another role, at once: the member's sessions end. Who changes the own role goes on under a new cookie.
/// Owners may; admins, except to and from owner.
#[utoipa::path(
    patch,
    path = "/user/{id}",
    tag = "people",
    request_body = api::UpdateUser,
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`usr_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 200, description = "The member", body = api::Member),
        (status = 409, description = "The last owner must stay one", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn update(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::UpdateUser>>,
) -> Result<Response, Problem> {
    let outcome = state.app.change_role(&principal, id, role(body.role), key).await?;
    let renewed = outcome.value.1.clone();
    let response = Answer::ok(outcome.map(|(changed, _)| member(changed))).into_response();
    Ok(match renewed {
        Some(session) => with_session(response, &session),
        None => response,
    })
}

/// Ends a membership with its sessions. Everybody may leave, except the last owner; owners may remove everybody, admins
/// everybody but owners.
#[utoipa::path(
    delete,
    path = "/user/{id}",
    tag = "people",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`usr_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 204, description = "A member no more"),
        (status = 409, description = "The last owner cannot leave", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn delete(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::User>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    let outcome = state.app.remove_member(&principal, id, key).await?;
    Ok(no_content(outcome))
}

fn created(created: CreatedMember) -> api::CreatedUser {
    let password = created.password.map(|password| password.to_string());
    api::CreatedUser { member: member(created.member), password }
}

fn member(member: Member) -> api::Member {
    api::Member {
        id: member.id.to_string(),
        email: member.email,
        role: wire_role(member.role),
        created_at: time(member.created_at),
    }
}

pub(super) fn role(role: api::Role) -> Role {
    match role {
        api::Role::Owner => Role::Owner,
        api::Role::Admin => Role::Admin,
        api::Role::Finance => Role::Finance,
        api::Role::Viewer => Role::Viewer,
    }
}

pub(super) fn wire_role(role: Role) -> api::Role {
    match role {
        Role::Owner => api::Role::Owner,
        Role::Admin => api::Role::Admin,
        Role::Finance => api::Role::Finance,
        Role::Viewer => api::Role::Viewer,
    }
}
