//! Budget against actual.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_service::{BudgetGroup, BudgetLine, BudgetOwner, BudgetReport, BudgetReportRequest};
use utoipa::IntoParams;

use super::{MAX_LINES, MAX_ROWS, csv, dates, is_table, range};
use crate::http::{
    HttpState,
    convert::{delegation, time},
    extract::{Authenticated, Query},
    openapi::{Problems, Refusals},
    problem::Problem,
    validate::Validator,
};

/// What to report.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct BudgetReportQuery {
    /// Spending is told from then on, besides that of the whole life: a time (RFC 3339) or a date. Absent: from the start of
    /// the month in which the range ends.
    #[param(example = "2026-10-01")]
    from: Option<String>,
    /// Before then: a time or a date. Absent: until now.
    #[param(example = "2026-11-01")]
    to: Option<String>,
    /// `cost_center`, `department` or `delegation`. Absent: `cost_center`.
    #[param(value_type = Option<api::BudgetGroup>)]
    group_by: Option<String>,
    /// Of this delegation and everything below it; absent: of the caller's.
    delegation_id: Option<String>,
}

/// Reports budgets beside what was spent, held and set aside of them, by cost centre, department or delegation.
///
/// A cost centre's budget is that of the topmost delegations that carry it: what they hand on below is part of it. Spending
/// without a cost centre is a line of its own with `"unallocated": true` and no budget. Budgets are as of now, spending is of
/// the whole life and of the range. As a table with `Accept: text/csv`.
///
/// At most 10,000 delegations are added up, for a table 100,000; more is 422 `report_too_large`.
#[utoipa::path(
    get,
    path = "/report/budget",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(BudgetReportQuery),
    responses(
        (status = 200, description = "The report", content(
            (api::BudgetReport = "application/json"),
            (String = "text/csv", example = "cost_center,department,delegation_id,parent_id,label,status,unallocated,delegations,budget_credits,spent_credits,held_credits,reserved_credits,remaining_credits,capped_credits,overcommit_credits,utilisation,spent_in_range_credits,from,to,data_through\r\n")
        )),
        (status = 406, description = "Neither `application/json` nor `text/csv` is accepted", body = api::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong, or the report would be too large", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn budget(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Query(query): Query<BudgetReportQuery>,
) -> Result<Response, Problem> {
    let is_table = is_table(&headers)?;
    let mut request = request(query)?;
    request.max_delegations = if is_table { MAX_ROWS } else { MAX_LINES };
    let report = state.app.budget_report(&principal, &request).await?;
    let name = format!("subgrant-budget-{}.csv", dates(report.from, report.to, &report.time_zone.0));
    let document = document(report, request.group_by);
    let mut response = if is_table { csv::budget(&document, &name) } else { Json(document).into_response() };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn request(query: BudgetReportQuery) -> Result<BudgetReportRequest, Problem> {
    let mut validator = Validator::default();
    let (from, to) = range(&mut validator, query.from, query.to);
    let group_by = match query.group_by.as_deref() {
        None | Some("cost_center") => Ok(BudgetGroup::CostCenter),
        Some("department") => Ok(BudgetGroup::Department),
        Some("delegation") => Ok(BudgetGroup::Delegation),
        Some(_) => Err("must be cost_center, department or delegation"),
    };
    let group_by = validator.check("?group_by", "invalid_group", group_by);
    validator.finish()?;
    // What is no id names no delegation.
    let delegation =
        query.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    let group_by = crate::http::handlers::noted(group_by)?;
    Ok(BudgetReportRequest { delegation, from, to, group_by, max_delegations: MAX_LINES })
}

fn document(report: BudgetReport, group_by: BudgetGroup) -> api::BudgetReport {
    api::BudgetReport {
        from: time(report.from),
        to: time(report.to),
        time_zone: report.time_zone.1,
        group_by: match group_by {
            BudgetGroup::CostCenter => api::BudgetGroup::CostCenter,
            BudgetGroup::Department => api::BudgetGroup::Department,
            BudgetGroup::Delegation => api::BudgetGroup::Delegation,
        },
        delegation_id: report.delegation.to_string(),
        data: report.lines.into_iter().map(|line| self::line(line, group_by)).collect(),
        total: line(report.total, group_by),
        data_through: report.through.map(|(recorded_at, _)| time(recorded_at)),
    }
}

fn line(line: BudgetLine, group_by: BudgetGroup) -> api::BudgetLine {
    let sums = line.sums;
    let mut document = api::BudgetLine {
        cost_center: None,
        department: None,
        delegation_id: None,
        parent_id: None,
        label: None,
        depth: None,
        status: None,
        unallocated: false,
        delegations: sums.delegations,
        budget_credits: sums.budget,
        spent_credits: sums.spent,
        held_credits: sums.held,
        reserved_credits: sums.reserved,
        remaining_credits: sums.remaining(),
        capped_credits: sums.capped,
        overcommit_credits: sums.overcommit(),
        utilisation: sums.utilisation(),
        spent_in_range_credits: sums.in_range,
    };
    match line.owner {
        BudgetOwner::Named(name) if group_by == BudgetGroup::Department => {
            document.department = Some(name.to_string());
        }
        BudgetOwner::Named(name) => document.cost_center = Some(name.to_string()),
        BudgetOwner::Unallocated => document.unallocated = true,
        BudgetOwner::Delegation(view) => {
            let view = delegation(*view);
            document.cost_center = view.cost_center;
            document.department = view.department;
            document.delegation_id = Some(view.id);
            document.parent_id = view.parent_id;
            document.label = Some(view.label);
            document.depth = Some(view.depth);
            document.status = Some(view.status);
        }
    }
    document
}
