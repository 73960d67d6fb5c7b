//! The export that FinOps tools read.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::Month;
use utoipa::IntoParams;

use super::noted;
use crate::{
    focus_table::{FocusTable, VERSION},
    http::{
        HttpState, accept,
        download::{download, named},
        extract::{Authenticated, Query},
        openapi::{Problems, Refusals},
        problem::Problem,
        validate::Validator,
    },
    table,
};

/// What to export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FocusQuery {
    /// The month: `2026-10`.
    #[param(example = "2026-10")]
    period: String,
    /// Of the specification; `1.2`, which is also what is taken where nothing is said.
    #[param(example = "1.2")]
    version: Option<String>,
}

/// Exports a month's spending in the FinOps Open Cost and Usage Specification (FOCUS), as CSV.
///
/// One row for each day of the organisation's calendar, delegation, cost centre and department; what was given back is a row
/// of its own with negative amounts, and `ChargeClass` is `Correction` where it was spent in a month before. A delegation is
/// the resource, a cost centre the sub account; credits are the pricing currency, which the organisation's price turns into its
/// billing currency. All columns of version 1.2 are there, those that do not apply are empty; `x_CostCenter` and `x_Department`
/// follow them. Texts that a spreadsheet would take for formulas begin with an apostrophe, except within `Tags`.
///
/// A closed month is exported as it was closed; the current one up to now. A token exports its own subtree. An export that was
/// cut off breaks the connection off: the body has no length, and its chunked encoding no end.
#[utoipa::path(
    get,
    path = "/export/focus",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(FocusQuery),
    responses(
        (status = 200, description = "The rows", content((String = "text/csv", example = "BilledCost,BillingAccountId,…\r\n"))),
        (status = 406, description = "`text/csv` is not accepted", body = api::Problem, content_type = "application/problem+json"),
        (status = 429, description = "The organisation has too many exports under way: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such month or version, or the month has not begun", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn export(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Query(query): Query<FocusQuery>,
) -> Result<Response, Problem> {
    let month = month(&query)?;
    if accept::preferred(&headers, &["text/csv"]).is_none() {
        let detail = "The export can be had as text/csv: see the header Accept.";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail));
    }
    let rows = FocusTable::of(state.app.export_focus(&principal, month).await?);
    let response = download(rows, table::CONTENT_TYPE, state.options.piece_timeout);
    Ok(named(response, &format!("focus-{VERSION}-{month}.csv")))
}

fn month(query: &FocusQuery) -> Result<Month, Problem> {
    let mut validator = Validator::default();
    let month = validator.check("?period", "invalid_month", query.period.parse::<Month>());
    if query.version.as_deref().is_some_and(|version| version != VERSION) {
        let detail = format!("must be {VERSION}, the version of the specification that can be exported");
        validator.refuse("?version", "unsupported_version", detail);
    }
    validator.finish()?;
    noted(month)
}
