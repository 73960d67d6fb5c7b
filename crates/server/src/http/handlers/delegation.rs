//! The tree.

use axum::{Json, extract::State};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{AttributeText, kind};
use subgrant_service::{Freeze, ListRequest, RevokeRequest, StatusFilter, With};
use utoipa::IntoParams;

use super::{noted, page_limit, page_start};
use crate::http::{
    HttpState,
    body::{JsonBody, OptionalJsonBody},
    convert,
    extract::{Authenticated, PathId, Query, Spending},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::{self, Problem},
    respond::{Answer, ETag},
    validate::Validator,
};

mod create;
pub(in crate::http) mod token;
pub(in crate::http) mod update;

/// Mints a child delegation.
///
/// The child's budget is set aside out of what the parent has available (`carve`), or is a ceiling only (`cap`).
#[utoipa::path(
    post,
    path = "/delegation",
    tag = "delegation",
    request_body = api::CreateDelegation,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The child; its token is shown once", body = api::CreatedDelegation),
        (status = 402, description = "The parent has too little available", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The parent is revoked or expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateDelegation>>,
) -> Result<Answer<api::CreatedDelegation>, Problem> {
    let request = create::mint_request(body)?;
    let minted = state.app.mint(&principal, &request, key).await;
    let outcome = minted.map_err(|error| problem::of_mint(error, &principal, request.child.budget))?;
    let location = format!("/api/cloud/delegation/{}", outcome.value.delegation.id);
    let version = outcome.value.delegation.version;
    let answer = Answer::created(
        location,
        outcome.map(|minted| api::CreatedDelegation {
            token: minted.token.to_string(),
            delegation: convert::delegation(minted.delegation),
        }),
    );
    Ok(answer.of_version(version))
}

/// Which delegations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ListQuery {
    /// Only children of this delegation.
    parent_id: Option<String>,
    /// active, exhausted, frozen, expired or revoked.
    status: Option<api::Status>,
    /// Only this cost centre.
    cost_center: Option<String>,
    /// Only this department.
    department: Option<String>,
    /// Only labels that contain this text, in any case.
    q: Option<String>,
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// What else to tell, with commas between: `ancestors`, `last_used`.
    with: Option<String>,
}

/// Lists the caller's delegation and everything below it: a parent, then what is below it; siblings oldest first.
///
/// A page may hold fewer than `limit`, even none, and yet not be the last: that one has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/delegation",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page", body = api::DelegationList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Json<api::DelegationList>, Problem> {
    let page = state.app.delegations(&principal, &list_request(query)?).await?;
    Ok(Json(api::DelegationList {
        data: page.delegations.into_iter().map(convert::delegation).collect(),
        next_cursor: page.next.map(subgrant_domain::Id::suffix),
        ancestors: page.ancestors.map(|above| above.into_iter().map(convert::delegation).collect()),
        last_used: page
            .last_used
            .map(|times| times.into_iter().map(|(id, at)| (id.to_string(), convert::time(at))).collect()),
    }))
}

fn list_request(query: ListQuery) -> Result<ListRequest, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after = page_start(&mut validator, query.cursor.as_deref());
    let cost_center = validator.free_text("?cost_center", query.cost_center, AttributeText::MAX_BYTES);
    let department = validator.free_text("?department", query.department, AttributeText::MAX_BYTES);
    let label_contains = validator.free_text("?q", query.q, AttributeText::MAX_BYTES);
    let with = query.with.map(|words| words.split(',').map(with).collect()).transpose();
    let with = validator.check("?with", "unknown_word", with).flatten().unwrap_or_default();
    validator.finish()?;
    // What is no id names no delegation.
    let parent = query.parent_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    Ok(ListRequest {
        parent,
        status: query.status.map(|status| match status {
            api::Status::Active => StatusFilter::Active,
            api::Status::Exhausted => StatusFilter::Exhausted,
            api::Status::Frozen => StatusFilter::Frozen,
            api::Status::Expired => StatusFilter::Expired,
            api::Status::Revoked => StatusFilter::Revoked,
        }),
        cost_center,
        department,
        label_contains,
        after,
        limit,
        with,
    })
}

fn with(word: &str) -> Result<With, &'static str> {
    match word {
        "ancestors" => Ok(With::Ancestors),
        "last_used" => Ok(With::LastUsed),
        _ => Err("must be of ancestors, last_used"),
    }
}

/// Which part of the tree to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct TreeQuery {
    /// From this delegation down; absent: from the caller's own.
    root: Option<String>,
    /// How many levels below it: 0–32; 3 where nothing is said.
    depth: Option<u64>,
}

/// The caller's delegation, or one below it, with what is below that, nested.
///
/// A node shows its first 50 children; `children_next_cursor` continues them with `GET /delegation?parent_id=`. At most
/// 500 nodes are shown: a node without `children` was not opened, and `root=` shows what is below it.
#[utoipa::path(
    get,
    path = "/delegation/tree",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(TreeQuery),
    responses((status = 200, description = "The tree", body = api::DelegationTree), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn tree(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<TreeQuery>,
) -> Result<Json<api::DelegationTree>, Problem> {
    let mut validator = Validator::default();
    let depth = usize::try_from(query.depth.unwrap_or(3)).ok().filter(|depth| *depth <= 32);
    let depth = validator.check("?depth", "out_of_range", depth.ok_or("must be from 0 to 32"));
    validator.finish()?;
    let top = query.root.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    let branch = state.app.tree(&principal, top, noted(depth)?).await?;
    Ok(Json(convert::tree(branch)))
}

/// The caller's own delegation; for a session, the root.
#[utoipa::path(
    get,
    path = "/delegation/self",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The delegation", body = api::Delegation), Problems, Refusals)
)]
pub(in crate::http) async fn own(
    State(state): State<HttpState>,
    Spending(principal): Spending,
) -> Result<(ETag, Json<api::Delegation>), Problem> {
    let view = state.app.delegation(&principal, None).await?;
    Ok((ETag(view.version), Json(convert::delegation(view))))
}

/// The caller's own delegation or one below it.
#[utoipa::path(
    get,
    path = "/delegation/{id}",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "`dlg_…`")),
    responses((status = 200, description = "The delegation", body = api::Delegation), Problems, Refusals)
)]
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
) -> Result<(ETag, Json<api::Delegation>), Problem> {
    let view = state.app.delegation(&principal, Some(id)).await?;
    Ok((ETag(view.version), Json(convert::delegation(view))))
}

/// Revokes a delegation and everything below it, at once and for good; or, with `dry_run`, says what that would end.
#[utoipa::path(
    post,
    path = "/delegation/{id}/revoke",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`dlg_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::RevokeDelegation>),
    responses(
        (status = 200, description = "The receipt, or the preview", body = api::Revocation),
        (status = 409, description = "Revoked already, or changed since `if_version` or `if_descendants`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn revoke(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
    Keyed(key, OptionalJsonBody(body)): Keyed<OptionalJsonBody<api::RevokeDelegation>>,
) -> Result<Answer<api::Revocation>, Problem> {
    let api::RevokeDelegation { dry_run, if_version, if_descendants, reason } = body;
    let mut validator = Validator::default();
    let reason = validator.free_text("/reason", reason, 256);
    validator.finish()?;
    let request = RevokeRequest { id, dry_run, if_version, if_descendants, reason };
    let outcome = state.app.revoke(&principal, &request, key).await?;
    Ok(Answer::ok(outcome.map(|receipt| convert::revocation(&receipt))))
}

/// Stops a delegation and everything below it until it is unfrozen. Open holds below are voided; nothing is reclaimed.
#[utoipa::path(
    post,
    path = "/delegation/{id}/freeze",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`dlg_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::FreezeDelegation>),
    responses(
        (status = 200, description = "The delegation", body = api::Delegation),
        (status = 409, description = "Frozen, revoked or expired already", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn freeze(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
    Keyed(key, _): Keyed<OptionalJsonBody<api::FreezeDelegation>>,
) -> Result<Answer<api::Delegation>, Problem> {
    let outcome = state.app.freeze(&principal, id, Freeze::On, key).await?;
    let version = outcome.value.version;
    Ok(Answer::ok(outcome.map(convert::delegation)).of_version(version))
}

/// Lets a frozen delegation go on.
#[utoipa::path(
    post,
    path = "/delegation/{id}/unfreeze",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`dlg_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::FreezeDelegation>),
    responses(
        (status = 200, description = "The delegation", body = api::Delegation),
        (status = 409, description = "Not frozen, or revoked", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn unfreeze(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
    Keyed(key, _): Keyed<OptionalJsonBody<api::FreezeDelegation>>,
) -> Result<Answer<api::Delegation>, Problem> {
    let outcome = state.app.freeze(&principal, id, Freeze::Off, key).await?;
    let version = outcome.value.version;
    Ok(Answer::ok(outcome.map(convert::delegation)).of_version(version))
}
