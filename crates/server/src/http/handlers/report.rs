//! What finance asks for.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{AttributeText, Period, Tally};
use subgrant_service::{Bound, GroupBy, ReportLine, SpendReport, SpendReportRequest};
use utoipa::IntoParams;

use crate::http::{
    HttpState, accept,
    convert::{period, time},
    extract::{Authenticated, Query},
    openapi::{Problems, Refusals},
    problem::Problem,
    validate::Validator,
};

pub(in crate::http) mod budget;
mod csv;
pub(in crate::http) mod forecast;

/// How many lines a JSON document has at most; a table may have more, since nobody nests it in memory.
const MAX_LINES: usize = 10_000;
const MAX_ROWS: usize = 100_000;

/// What to report.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct SpendReportQuery {
    /// From then on: a time (RFC 3339), or a date, whose day begins in the tenant's time zone. Absent: from the start of
    /// the month in which the range ends.
    #[param(example = "2026-10-01")]
    from: Option<String>,
    /// Before then: a time or a date. Absent: until now.
    #[param(example = "2026-11-01")]
    to: Option<String>,
    /// What lines are told apart by, separated by commas: `cost_center`, `department`, `delegation`. Absent: by
    /// `cost_center`.
    #[param(example = "cost_center,department")]
    group_by: Option<String>,
    /// `hour`, `day`, `week` (from Monday) or `month` of the tenant's time zone. Absent: the whole range is one line for
    /// each group.
    #[param(value_type = Option<api::Period>)]
    interval: Option<String>,
    /// Of this delegation and everything below it; absent: of the caller's.
    delegation_id: Option<String>,
}

/// Reports what was spent, by cost centre, department and delegation.
///
/// Every entry of the ledger counts once: for the delegation that spent, for the cost centre and the department stamped
/// on it, when it was recorded. A refund counts where its debit did, when it was made. Spending without a cost centre is
/// a line of its own with `"unallocated": true`. The range is half-open and may begin and end at any instant. As a table
/// with `Accept: text/csv`; there, texts that a spreadsheet would take for formulas begin with an apostrophe.
///
/// A report has at most 1,200 intervals and 10,000 lines, as a table 100,000; more is 422 `report_too_large`.
#[utoipa::path(
    get,
    path = "/report/spend",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(SpendReportQuery),
    responses(
        (status = 200, description = "The report", content(
            (api::SpendReport = "application/json"),
            (String = "text/csv", example = "start,end,period,cost_center,department,delegation_id,label,unallocated,gross_credits,refunded_credits,spent_credits,entries,data_through\r\n")
        )),
        (status = 406, description = "Neither `application/json` nor `text/csv` is accepted", body = api::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong, or the report would be too large", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn spend(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Query(query): Query<SpendReportQuery>,
) -> Result<Response, Problem> {
    let is_table = is_table(&headers)?;
    let mut request = request(query)?;
    request.max_lines = if is_table { MAX_ROWS } else { MAX_LINES };
    let report = state.app.spend_report(&principal, &request).await?;
    let name = format!("subgrant-spend-{}.csv", dates(report.from, report.to, &report.time_zone.0));
    let document = document(report, &request);
    let mut response = if is_table { csv::spend(&document, &name) } else { Json(document).into_response() };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether the caller wants a table rather than a document.
fn is_table(headers: &HeaderMap) -> Result<bool, Problem> {
    let preferred = accept::preferred(headers, &["application/json", "text/csv"]);
    preferred.map(|offer| offer == 1).ok_or_else(|| {
        let detail = "A report can be had as application/json or text/csv: see the header Accept.";
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    })
}

/// Both ends of a range.
fn range(
    validator: &mut Validator,
    from: Option<String>,
    to: Option<String>,
) -> (Option<Bound>, Option<Bound>) {
    let mut bound =
        |pointer, text: Option<String>| validator.check(pointer, "invalid_time", parse_bound(&text?));
    (bound("?from", from), bound("?to", to))
}

fn request(query: SpendReportQuery) -> Result<SpendReportRequest, Problem> {
    let mut validator = Validator::default();
    let (from, to) = range(&mut validator, query.from, query.to);
    let group_by = query
        .group_by
        .map_or(Ok(GroupBy { cost_center: true, ..GroupBy::default() }), |text| parse_group_by(&text));
    let group_by = validator.check("?group_by", "invalid_group", group_by);
    let interval =
        query.interval.map(|text| text.parse::<Period>().map_err(|_| "must be hour, day, week or month"));
    let interval = interval.and_then(|interval| validator.check("?interval", "invalid_interval", interval));
    validator.finish()?;
    // What is no id names no delegation.
    let delegation =
        query.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    let group_by = super::noted(group_by)?;
    Ok(SpendReportRequest { delegation, from, to, group_by, interval, max_lines: MAX_LINES })
}

/// A date is exactly `YYYY-MM-DD`: jiff would also take a time without an offset for one, and drop the time.
fn parse_bound(text: &str) -> Result<Bound, &'static str> {
    const EXPECTED: &str = "must be a time such as 2026-12-21T17:00:00Z or a date such as 2026-12-21";
    if text.len() == "2026-12-21".len() {
        return text.parse().map(Bound::StartOf).map_err(|_| EXPECTED);
    }
    // However early: a report begins with the first entry at the earliest.
    text.parse().map(Bound::At).map_err(|_| EXPECTED)
}

fn parse_group_by(text: &str) -> Result<GroupBy, &'static str> {
    let mut group_by = GroupBy::default();
    for word in text.split(',') {
        let chosen = match word {
            "cost_center" => &mut group_by.cost_center,
            "department" => &mut group_by.department,
            "delegation" => &mut group_by.delegation,
            _ => return Err("must be some of cost_center, department and delegation, separated by commas"),
        };
        if std::mem::replace(chosen, true) {
            return Err("must not name anything twice");
        }
    }
    Ok(group_by)
}

/// `2026-10-01-to-2026-11-01`, by the tenant's calendar.
fn dates(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
    format!("{}-to-{}", date(from), date(to))
}

fn document(report: SpendReport, request: &SpendReportRequest) -> api::SpendReport {
    let group_by = request.group_by;
    let groups = [
        (group_by.cost_center, "cost_center"),
        (group_by.department, "department"),
        (group_by.delegation, "delegation"),
    ];
    api::SpendReport {
        from: time(report.from),
        to: time(report.to),
        time_zone: report.time_zone.1,
        interval: request.interval.map(period),
        group_by: groups
            .iter()
            .filter(|(is_asked, _)| *is_asked)
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        delegation_id: report.delegation.to_string(),
        data: report.lines.into_iter().map(|line| self::line(line, group_by)).collect(),
        total: sums(report.total),
        unallocated_credits: report.unallocated.spent(),
        data_through: report.through.map(|(recorded_at, _)| time(recorded_at)),
        data_through_seq: report.through.map_or(0, |(_, seq)| seq),
    }
}

fn line(line: ReportLine, group_by: GroupBy) -> api::SpendReportLine {
    let unallocated = match group_by {
        GroupBy { cost_center: true, .. } => line.cost_center.is_none(),
        GroupBy { department, .. } => department && line.department.is_none(),
    };
    let (delegation_id, label) = line.delegation.map(|(id, label)| (id.to_string(), label)).unzip();
    let text = |text: Option<AttributeText>| text.map(|text| text.to_string());
    api::SpendReportLine {
        start: time(line.start),
        end: time(line.end),
        period: line.period,
        cost_center: text(line.cost_center),
        department: text(line.department),
        delegation_id,
        label,
        unallocated,
        gross_credits: line.tally.gross,
        refunded_credits: line.tally.refunded,
        spent_credits: line.tally.spent(),
        entries: line.tally.entries,
    }
}

fn sums(tally: Tally) -> api::SpendSums {
    api::SpendSums {
        gross_credits: tally.gross,
        refunded_credits: tally.refunded,
        spent_credits: tally.spent(),
        entries: tally.entries,
    }
}
