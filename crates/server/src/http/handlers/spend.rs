//! Debits and the ledger.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{Credits, kind};
use subgrant_service::{LedgerRequest, SpendRequest};
use utoipa::IntoParams;

use super::{noted, page_limit};
use crate::http::{
    HttpState,
    body::JsonBody,
    convert,
    expiry::parse_time,
    extract::{Authenticated, PathId, Query, Spending},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::{self, Problem},
    respond::Answer,
    validate::Validator,
};

pub(super) const MAX_DESCRIPTION_BYTES: usize = 1024;

/// Debits the caller's delegation and every ancestor, in one transaction, or nothing at all.
///
/// Durable before it is acknowledged. Send an `Idempotency-Key` so that a retry cannot spend twice.
#[utoipa::path(
    post,
    path = "/spend",
    tag = "spend",
    request_body = api::CreateSpend,
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 200, description = "A dry run would pass", body = api::Spend),
        (status = 201, description = "Spent", body = api::Spend),
        (status = 402, description = "A budget or limit refuses: see `max_affordable_credits`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateSpend>>,
) -> Result<Answer<api::Spend>, Problem> {
    let request = spend_request(body)?;
    let (amount, dry_run) = (request.amount, request.dry_run);
    let spent = state.app.spend(&principal, request, key).await;
    let outcome = spent.map_err(|error| problem::of_spend(error, &principal, amount))?;
    let status = if dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let location = outcome.value.id.map(|id| format!("/api/cloud/spend/{id}"));
    Ok(Answer { status, location, etag: None, outcome: outcome.map(|receipt| convert::spend(&receipt)) })
}

pub(super) fn spend_request(body: api::CreateSpend) -> Result<SpendRequest, Problem> {
    let mut validator = Validator::default();
    let amount = validator.amount("/amount_credits", body.amount_credits);
    let description = validator.free_text("/description", body.description, MAX_DESCRIPTION_BYTES);
    let metadata = validator.metadata(body.metadata);
    validator.finish()?;
    Ok(SpendRequest { amount: noted(amount)?, description, metadata, dry_run: body.dry_run })
}

/// Gives a spend back, wholly or in part: to the delegation and every ancestor, as a new entry.
///
/// By the holder of a delegation above the one that spent, or for the whole tenant: who spent does not give back to itself
/// (403 `own_refund`). Budgets get the credits back, window limits do not: a limit bounds what leaves within its window,
/// whatever comes back. Who wants more to leave raises the limit.
#[utoipa::path(
    post,
    path = "/spend/{id}/refund",
    tag = "spend",
    request_body = api::RefundSpend,
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`spd_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 201, description = "Given back", body = api::Spend),
        (status = 409, description = "More than is left of the spend", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn refund(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Spend>,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::RefundSpend>>,
) -> Result<Answer<api::Spend>, Problem> {
    let mut validator = Validator::default();
    let amount = body.amount_credits.map(|value| validator.amount("/amount_credits", value));
    let reason = validator.free_text("/reason", Some(body.reason), MAX_DESCRIPTION_BYTES);
    validator.finish()?;
    let (amount, reason) = (amount.map(noted).transpose()?, noted(reason)?);
    let refunded = state.app.refund(&principal, id, amount, reason, key).await;
    let requested = amount.unwrap_or(Credits::ZERO);
    let outcome = refunded.map_err(|error| problem::of_spend(error, &principal, requested))?;
    let location = outcome.value.id.map(|id| format!("/api/cloud/spend/{id}")).unwrap_or_default();
    Ok(Answer::created(location, outcome.map(|receipt| convert::spend(&receipt))))
}

/// One ledger entry of the caller's delegation or of one below it.
#[utoipa::path(
    get,
    path = "/spend/{id}",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "`spd_…`")),
    responses((status = 200, description = "The entry", body = api::LedgerEntry), Problems, Refusals)
)]
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Spend>,
) -> Result<Json<api::LedgerEntry>, Problem> {
    let entry = state.app.ledger_entry(&principal, id).await?;
    Ok(Json(convert::ledger_entry(entry)))
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LedgerQuery {
    /// Of this delegation and everything below it; absent: of the caller's.
    delegation_id: Option<String>,
    /// Oldest or newest first; oldest where nothing is said.
    #[serde(default)]
    #[param(inline)]
    order: api::Order,
    /// From this time on (RFC 3339).
    from: Option<String>,
    /// Before this time (RFC 3339).
    to: Option<String>,
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before, in the same order.
    cursor: Option<String>,
}

/// Lists the ledger entries of the caller's delegation and everything below it.
///
/// A page may hold fewer than `limit`, even none, and yet not be the last: that one has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/ledger",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(LedgerQuery),
    responses((status = 200, description = "A page", body = api::LedgerList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn ledger(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<LedgerQuery>,
) -> Result<Json<api::LedgerList>, Problem> {
    let page = state.app.ledger(&principal, &ledger_request(query)?).await?;
    Ok(Json(api::LedgerList {
        data: page.entries.into_iter().map(convert::ledger_entry).collect(),
        next_cursor: page.next.map(|seq| seq.to_string()),
    }))
}

fn ledger_request(query: LedgerQuery) -> Result<LedgerRequest, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let from = time(&mut validator, "?from", query.from);
    let to = time(&mut validator, "?to", query.to);
    let after = query.cursor.map(|cursor| parse_seq(&cursor)).transpose();
    let after = validator.check("?cursor", "invalid_cursor", after).flatten();
    validator.finish()?;
    let delegation =
        query.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    Ok(LedgerRequest { delegation, order: convert::order(query.order), from, to, after, limit })
}

fn parse_seq(cursor: &str) -> Result<u64, &'static str> {
    cursor.parse().ok().filter(|seq| i64::try_from(*seq).is_ok()).ok_or("is not a cursor of this list")
}

fn time(validator: &mut Validator, pointer: &str, text: Option<String>) -> Option<Timestamp> {
    validator.check(pointer, "invalid_time", parse_time(&text?))
}
