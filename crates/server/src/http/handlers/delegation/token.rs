//! New tokens for the same delegation.

use axum::{Json, extract::State};
use subgrant_api as api;
use subgrant_domain::kind;
use subgrant_service::Outcome;
use subgrant_token::Caveat;

use crate::http::{
    HttpState,
    body::{JsonBody, OptionalJsonBody},
    convert::{self, time},
    expiry::parse_duration,
    extract::{Authenticated, PathId, Spending},
    handlers::noted,
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::Answer,
    validate::Validator,
};

/// The tokens that were issued for the delegation: when, and whether they still stand. None is shown again.
#[utoipa::path(
    get,
    path = "/delegation/{id}/token",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "`dlg_…`")),
    responses((status = 200, description = "The tokens", body = api::IssuedTokenList), Problems, Refusals)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
) -> Result<Json<api::IssuedTokenList>, Problem> {
    let issued = state.app.issued_tokens(&principal, id).await?;
    Ok(Json(api::IssuedTokenList { data: issued.iter().map(convert::issued_token).collect() }))
}

/// Writes a new token for the delegation; its older tokens end after the grace. Delegations below go on.
#[utoipa::path(
    post,
    path = "/delegation/{id}/rotate",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`dlg_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::RotateDelegation>),
    responses(
        (status = 200, description = "The new token, shown once", body = api::RotatedDelegation),
        (status = 409, description = "Revoked, expired, or the root", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn rotate(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
    Keyed(key, OptionalJsonBody(body)): Keyed<OptionalJsonBody<api::RotateDelegation>>,
) -> Result<Answer<api::RotatedDelegation>, Problem> {
    let mut validator = Validator::default();
    let grace = parse_duration(body.grace.as_deref().unwrap_or("0s"));
    let grace = validator.check("/grace", "invalid_duration", grace);
    validator.finish()?;
    let outcome = state.app.rotate(&principal, id, noted(grace)?, key).await?;
    Ok(Answer::ok(outcome.map(|rotated| api::RotatedDelegation {
        id: rotated.id.to_string(),
        token: rotated.token.to_string(),
        previous_valid_until: time(rotated.previous_valid_until),
    })))
}

/// Appends caveats to the caller's own token, for clients without the library. The same can be done offline.
#[utoipa::path(
    post,
    path = "/delegation/{id}/restrict",
    tag = "delegation",
    security(("token" = [])),
    params(("id" = String, Path, description = "`dlg_…`: the caller's own")),
    request_body = api::RestrictDelegation,
    responses(
        (status = 200, description = "The narrower token", body = api::RestrictedDelegation),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn restrict(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    PathId(id): PathId<kind::Delegation>,
    JsonBody(body): JsonBody<api::RestrictDelegation>,
) -> Result<Answer<api::RestrictedDelegation>, Problem> {
    let caveats = caveats(&body.caveats)?;
    let (token, caveats) = state.app.restrict(&principal, id, &caveats).await?;
    let value = api::RestrictedDelegation { id: id.to_string(), token: token.to_string(), caveats };
    Ok(Answer::ok(Outcome { value, replayed: false }))
}

fn caveats(texts: &[String]) -> Result<Vec<Caveat>, Problem> {
    let mut validator = Validator::default();
    if texts.is_empty() {
        validator.refuse("/caveats", "empty", "must name at least one caveat");
    }
    let mut caveats = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let pointer = format!("/caveats/{index}");
        match validator.check(&pointer, "invalid_caveat", super::create::parse_caveat(text)) {
            Some(Caveat::Delegation(_) | Caveat::Budget(_)) => {
                validator.refuse(
                    &pointer,
                    "not_allowed",
                    "would make a child: mint one with POST /delegation",
                );
            }
            Some(caveat) => caveats.push(caveat),
            None => {}
        }
    }
    validator.finish()?;
    Ok(caveats)
}
