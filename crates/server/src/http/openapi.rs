//! The OpenAPI document, generated from the handlers.

use subgrant_api::Problem;
use utoipa::IntoResponses;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{respond::SESSION_COOKIE, router::api_router};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Subgrant",
        description = "Delegated, budgeted credentials for software agents. Errors are RFC 9457 problem documents; \
                       every POST takes an `Idempotency-Key`: the same request is answered the same for two days; an answer that \
                       holds a secret is shown again for ten minutes, and only to the credential that asked; amounts are whole credits."
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "tenant", description = "Organisations and their root tokens"),
        (name = "people", description = "Members, their roles, and invitations"),
        (name = "delegation", description = "The tree"),
        (name = "spend", description = "Debits and the ledger"),
        (name = "report", description = "For finance"),
        (name = "alert", description = "Thresholds, and who is told"),
        (name = "webhook", description = "Addresses that are told of events"),
        (name = "service", description = "Resource servers and their keys"),
        (name = "verify", description = "For resource servers"),
        (name = "health", description = "For load balancers")
    ),
    modifiers(&Credentials)
)]
pub(super) struct Base;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut Document) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("sgt_…").build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("svk_…").build();
        components.add_security_scheme("service", SecurityScheme::Http(key));
        let gateway = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-Subgrant-Service-Key",
            "The verification key of the service that a gateway stands before: svk_…",
        )));
        components.add_security_scheme("gateway", gateway);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        components.add_security_scheme("session", cookie);
    }
}

/// What every call may answer with besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro, for documentation only")]
pub(super) enum Problems {
    /// The request cannot be parsed.
    #[response(status = 400, content_type = "application/problem+json")]
    Unparsable(Problem),
    /// The body is larger than 1 MiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Too many requests: see `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    TooManyRequests(Problem),
    /// The database is away, or too much is waiting. See `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What every call with a credential may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro, for documentation only")]
pub(super) enum Refusals {
    /// The credential is missing, malformed, forged, expired or revoked: see `code`.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The action is not permitted, a caveat is not met, or the delegation is frozen: see `code`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Unknown, or another tenant's.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// What every call with parameters in its query may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro, for documentation only")]
pub(super) enum QueryProblems {
    /// A parameter is wrong, or there is none of that name: see `errors`.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(Problem),
}

/// What every call with a body may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro, for documentation only")]
pub(super) enum BodyProblems {
    /// The body is not JSON by its `Content-Type`.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// A field is wrong, asks for more than the parent has, or the `Idempotency-Key` was used for another body.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(Problem),
}

/// Adds what handlers need not say each for itself: an id that no other operation has, made of method and path, and, where
/// no credential is named, that none is needed.
pub(super) fn complete(document: &mut Document) {
    // The document has no sign for a parameter of several segments.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut document.paths.paths {
        let methods = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in methods {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(operation_id(method, path));
            operation.security.get_or_insert_default();
        }
    }
}

/// `post`, `/api/cloud/delegation/{id}/revoke` → `post_delegation_id_revoke`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api/cloud").split(['/', '{', '}']).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The document that is served and committed.
pub fn document() -> Document {
    api_router().into_openapi()
}
