//! Months, as finance closes them.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::Month;
use subgrant_service::{PeriodChange, PeriodView};
use utoipa::IntoParams;

use super::page_limit;
use crate::http::{
    HttpState,
    body::OptionalJsonBody,
    convert::{self, time},
    extract::{Authenticated, Query},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::Problem,
    respond::Answer,
    validate::Validator,
};

/// Which months to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PeriodQuery {
    /// Oldest or newest first; oldest where nothing is said.
    #[serde(default)]
    #[param(inline)]
    order: api::Order,
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before, in the same order.
    cursor: Option<String>,
}

/// The month in the path.
pub(in crate::http) struct PathMonth(Month);

impl<S: Send + Sync> FromRequestParts<S> for PathMonth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|error| Problem::invalid_month("month", error))
    }
}

/// Lists the months from the organisation's first one to the current one, with what was spent in each.
///
/// Entries are recorded when they happen, so that nothing is ever added to a month that is over; what is given back later
/// is an entry of its own, in the month in which it is given back. Only for the root's token or a session.
#[utoipa::path(
    get,
    path = "/period",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(PeriodQuery),
    responses((status = 200, description = "A page", body = api::AccountingPeriodList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<api::AccountingPeriodList>, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after =
        query.cursor.map(|cursor| cursor.parse::<Month>().map_err(|_| "is not a cursor of this list"));
    let after = after.and_then(|after| validator.check("?cursor", "invalid_cursor", after));
    validator.finish()?;
    let page = state.app.periods(&principal, convert::order(query.order), after, limit).await?;
    Ok(Json(api::AccountingPeriodList {
        data: page.periods.into_iter().map(document).collect(),
        next_cursor: page.next.map(|month| month.to_string()),
    }))
}

/// Closes a month that is over.
///
/// Its bounds, its currency and its price stay as they are now, whatever the organisation sets later, and
/// `GET /export/focus` goes on exporting the same. What is given back afterwards counts in the month in which that happens.
/// Where the ledger stood is noted, and `GET /ledger/proof` checks it. For owners, admins and finance, and for a root
/// token with the action `delegate`.
#[utoipa::path(
    post,
    path = "/period/{month}/close",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(
        ("month" = String, Path, description = "`2026-10`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::ChangePeriod>),
    responses(
        (status = 200, description = "The month", body = api::AccountingPeriod),
        (status = 409, description = "`period_not_over`, with `retry_at`, `period_closed`, or `period_before_tenant`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn close(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathMonth(month): PathMonth,
    Keyed(key, _): Keyed<OptionalJsonBody<api::ChangePeriod>>,
) -> Result<Answer<api::AccountingPeriod>, Problem> {
    let outcome = state.app.change_period(&principal, month, PeriodChange::Close, key).await?;
    Ok(Answer::ok(outcome.map(document)))
}

/// Opens a closed month again, so that it begins, ends and is priced by what the organisation has set now. For owners and
/// admins, and for a root token with the action `delegate`.
#[utoipa::path(
    post,
    path = "/period/{month}/reopen",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(
        ("month" = String, Path, description = "`2026-10`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body(content = Option<api::ChangePeriod>),
    responses(
        (status = 200, description = "The month", body = api::AccountingPeriod),
        (status = 409, description = "`period_open`: it is not closed", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn reopen(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathMonth(month): PathMonth,
    Keyed(key, _): Keyed<OptionalJsonBody<api::ChangePeriod>>,
) -> Result<Answer<api::AccountingPeriod>, Problem> {
    let outcome = state.app.change_period(&principal, month, PeriodChange::Reopen, key).await?;
    Ok(Answer::ok(outcome.map(document)))
}

fn document(view: PeriodView) -> api::AccountingPeriod {
    let (closed_at, closed_by) = view.closing.as_ref().map(|by| (time(by.at), by.by.clone())).unzip();
    let (through_seq, head_hash) = view.closing.map(|at| (at.through_seq, at.through_hash)).unzip();
    api::AccountingPeriod {
        month: view.month.to_string(),
        status: if closed_at.is_some() { api::PeriodStatus::Closed } else { api::PeriodStatus::Open },
        over: view.is_over,
        starts_at: time(view.starts_at),
        ends_at: time(view.ends_at),
        time_zone: view.time_zone,
        gross_credits: view.tally.gross,
        refunded_credits: view.tally.refunded,
        spent_credits: view.tally.spent(),
        entries: view.tally.entries,
        currency: view.currency,
        credit_price: view.credit_price,
        cost: view.cost,
        closed_at,
        closed_by,
        through_seq,
        head_hash,
    }
}
