//! Two-phase spending.

use axum::{Json, extract::State};
use jiff::SignedDuration;
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{Credits, kind};
use subgrant_service::{HoldListRequest, HoldNote, HoldStatus};
use utoipa::IntoParams;

use super::{noted, page_limit, page_start, spend::MAX_DESCRIPTION_BYTES};
use crate::http::{
    HttpState,
    body::{JsonBody, OptionalJsonBody},
    convert,
    expiry::parse_duration,
    extract::{Authenticated, PathId, Query, Spending},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::{self, Problem},
    respond::Answer,
    validate::Validator,
};

/// The longest hold: who needs credits for longer mints a delegation.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 31);

/// Holds credits of the caller's delegation, and of every ancestor, until captured, released or expired.
#[utoipa::path(
    post,
    path = "/hold",
    tag = "spend",
    request_body = api::CreateHold,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "Held", body = api::Hold),
        (status = 402, description = "A budget or limit refuses: see `max_affordable_credits`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateHold>>,
) -> Result<Answer<api::Hold>, Problem> {
    let mut validator = Validator::default();
    let amount = validator.amount("/amount_credits", body.amount_credits);
    let lasts = lasts(&mut validator, &body.expires_in);
    let note = note(&mut validator, body.description, body.metadata);
    validator.finish()?;
    let amount = noted(amount)?;
    let held = state.app.hold(&principal, amount, noted(lasts)?, note, key).await;
    let outcome = held.map_err(|error| problem::of_spend(error, &principal, amount))?;
    let location = format!("/api/cloud/hold/{}", outcome.value.id);
    Ok(Answer::created(location, outcome.map(|receipt| convert::hold(&receipt))))
}

/// Spends up to what is held, once; the rest returns.
#[utoipa::path(
    post,
    path = "/hold/{id}/capture",
    tag = "spend",
    request_body = api::CaptureHold,
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`hold_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 201, description = "Spent", body = api::Spend),
        (status = 402, description = "More than is held (`capture_exceeds_hold`), or than the presented token permits by itself", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The hold is closed", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The hold has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn capture(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    PathId(id): PathId<kind::Hold>,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CaptureHold>>,
) -> Result<Answer<api::Spend>, Problem> {
    let mut validator = Validator::default();
    let amount = validator.amount("/amount_credits", body.amount_credits);
    let note = note(&mut validator, body.description, body.metadata);
    validator.finish()?;
    let amount = noted(amount)?;
    let captured = state.app.capture(&principal, id, amount, note, key).await;
    let outcome = captured.map_err(|error| problem::of_spend(error, &principal, amount))?;
    let location = outcome.value.id.map(|id| format!("/api/cloud/spend/{id}")).unwrap_or_default();
    Ok(Answer::created(location, outcome.map(|receipt| convert::spend(&receipt))))
}

/// Lets a hold last longer, or shorter, from now on.
#[utoipa::path(
    post,
    path = "/hold/{id}/extend",
    tag = "spend",
    request_body = api::ExtendHold,
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`hold_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 200, description = "The hold", body = api::Hold),
        (status = 409, description = "The hold is closed", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The hold has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn extend(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    PathId(id): PathId<kind::Hold>,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::ExtendHold>>,
) -> Result<Answer<api::Hold>, Problem> {
    let mut validator = Validator::default();
    let lasts = lasts(&mut validator, &body.expires_in);
    validator.finish()?;
    let extended = state.app.extend_hold(&principal, id, noted(lasts)?, key).await;
    let outcome = extended.map_err(|error| problem::of_spend(error, &principal, Credits::ZERO))?;
    Ok(Answer::ok(outcome.map(|receipt| convert::hold(&receipt))))
}

/// Returns a hold unused.
#[utoipa::path(
    post,
    path = "/hold/{id}/release",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`hold_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::ReleaseHold>),
    responses(
        (status = 200, description = "The hold", body = api::Hold),
        (status = 409, description = "The hold is closed", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The hold has expired", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn release(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    PathId(id): PathId<kind::Hold>,
    Keyed(key, _): Keyed<OptionalJsonBody<api::ReleaseHold>>,
) -> Result<Answer<api::Hold>, Problem> {
    let released = state.app.release_hold(&principal, id, key).await;
    let outcome = released.map_err(|error| problem::of_spend(error, &principal, Credits::ZERO))?;
    Ok(Answer::ok(outcome.map(|receipt| convert::hold(&receipt))))
}

/// One hold of the caller's delegation or of one below it.
#[utoipa::path(
    get,
    path = "/hold/{id}",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "`hold_…`")),
    responses((status = 200, description = "The hold", body = api::ListedHold), Problems, Refusals)
)]
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Hold>,
) -> Result<Json<api::ListedHold>, Problem> {
    let hold = state.app.hold_entry(&principal, id).await?;
    Ok(Json(convert::listed_hold(hold)))
}

/// Which holds to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct HoldQuery {
    /// Of this delegation and everything below it; absent: of the caller's.
    delegation_id: Option<String>,
    /// held, captured, released, expired or voided.
    status: Option<api::HoldStatus>,
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists the holds of the caller's delegation and everything below it, newest first.
///
/// A page may hold fewer than `limit`, even none, and yet not be the last: that one has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/hold",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(HoldQuery),
    responses((status = 200, description = "A page", body = api::HoldList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<HoldQuery>,
) -> Result<Json<api::HoldList>, Problem> {
    let page = state.app.holds(&principal, &list_request(query)?).await?;
    Ok(Json(api::HoldList {
        data: page.holds.into_iter().map(convert::listed_hold).collect(),
        next_cursor: page.next.map(subgrant_domain::Id::suffix),
    }))
}

fn list_request(query: HoldQuery) -> Result<HoldListRequest, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after = page_start(&mut validator, query.cursor.as_deref());
    validator.finish()?;
    let delegation =
        query.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    let status = query.status.map(|status| match status {
        api::HoldStatus::Held => HoldStatus::Held,
        api::HoldStatus::Captured => HoldStatus::Captured,
        api::HoldStatus::Released => HoldStatus::Released,
        api::HoldStatus::Expired => HoldStatus::Expired,
        api::HoldStatus::Voided => HoldStatus::Voided,
    });
    Ok(HoldListRequest { delegation, status, after, limit })
}

/// What a hold or a capture is for.
fn note(validator: &mut Validator, description: Option<String>, metadata: Option<api::Metadata>) -> HoldNote {
    let description = validator.free_text("/description", description, MAX_DESCRIPTION_BYTES);
    let metadata = validator.metadata(metadata);
    HoldNote { description, metadata }
}

fn lasts(validator: &mut Validator, text: &str) -> Option<SignedDuration> {
    let lasts = parse_duration(text).and_then(|lasts| match lasts {
        lasts if !lasts.is_positive() => Err("must be longer than nothing"),
        lasts if lasts > LONGEST => Err("must be at most 744h (31 days)"),
        lasts => Ok(lasts),
    });
    validator.check("/expires_in", "invalid_duration", lasts)
}
