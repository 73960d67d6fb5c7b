//! Resource servers.

use axum::{Json, extract::State, response::Response};
use subgrant_api as api;
use subgrant_domain::kind;
use subgrant_service::{RegisteredServer, ResourceServer};

use super::noted;
use crate::http::{
    HttpState,
    body::{JsonBody, NoBody},
    convert::time,
    extract::{Authenticated, PathId},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::{Answer, no_content},
    validate::Validator,
};

/// The resource servers. Members and the root token may look.
#[utoipa::path(
    get,
    path = "/service",
    tag = "service",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "All of them", body = api::ServiceList), Problems, Refusals)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
) -> Result<Json<api::ServiceList>, Problem> {
    let servers = state.app.resource_servers(&principal).await?;
    Ok(Json(api::ServiceList { data: servers.into_iter().map(document).collect() }))
}

/// One resource server. Members and the root token may look.
#[utoipa::path(
    get,
    path = "/service/{id}",
    tag = "service",
    security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "`svc_…`")),
    responses((status = 200, description = "The resource server", body = api::Service), Problems, Refusals)
)]
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Service>,
) -> Result<Json<api::Service>, Problem> {
    Ok(Json(document(state.app.resource_server(&principal, id).await?)))
}

/// Registers a resource server. Owners, admins and the root token may.
///
/// Its verification key is shown once. With it, and without calling home, the service verifies the tokens of delegations
/// that were made with its id as `audience`. Their second signature is made with this key, which makes nothing that Subgrant
/// or another service takes: keep it as secret as a password all the same.
#[utoipa::path(
    post,
    path = "/service",
    tag = "service",
    request_body = api::CreateService,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The resource server; its key is shown once", body = api::CreatedService),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateService>>,
) -> Result<Answer<api::CreatedService>, Problem> {
    let mut validator = Validator::default();
    let name = validator.text("/name", &body.name);
    validator.finish()?;
    let outcome = state.app.register_server(&principal, noted(name)?, key).await?;
    let location = format!("/api/cloud/service/{}", outcome.value.server.id);
    Ok(Answer::created(location, outcome.map(created)))
}

/// Deletes a resource server. Tokens that were signed for it are refused from then on, by Subgrant at once; the service
/// itself still holds its key. Owners, admins and the root token may.
#[utoipa::path(
    delete,
    path = "/service/{id}",
    tag = "service",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`svc_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Deleted"), Problems, Refusals)
)]
pub(in crate::http) async fn delete(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Service>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.delete_server(&principal, id, key).await?))
}

fn created(registered: RegisteredServer) -> api::CreatedService {
    api::CreatedService {
        service: document(registered.server),
        verification_key: registered.verification_key.to_string(),
    }
}

fn document(server: ResourceServer) -> api::Service {
    api::Service {
        id: server.id.to_string(),
        name: server.name.to_string(),
        created_at: time(server.created_at),
        created_by: server.created_by,
    }
}
