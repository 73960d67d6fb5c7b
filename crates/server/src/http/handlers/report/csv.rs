//! Tables for spreadsheets (RFC 4180).

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use subgrant_api::{BudgetReport, SpendReport, Status};

use crate::{
    http::download::named,
    table::{self, inert, rows},
};

const SPEND: [&str; 13] = [
    "start",
    "end",
    "period",
    "cost_center",
    "department",
    "delegation_id",
    "label",
    "unallocated",
    "gross_credits",
    "refunded_credits",
    "spent_credits",
    "entries",
    "data_through",
];

const BUDGET: [&str; 20] = [
    "cost_center",
    "department",
    "delegation_id",
    "parent_id",
    "label",
    "status",
    "unallocated",
    "delegations",
    "budget_credits",
    "spent_credits",
    "held_credits",
    "reserved_credits",
    "remaining_credits",
    "capped_credits",
    "overcommit_credits",
    "utilisation",
    "spent_in_range_credits",
    "from",
    "to",
    "data_through",
];

/// A report as a table, one row for each line. `name` is what the file is called.
pub(super) fn spend(report: &SpendReport, name: &str) -> Response {
    response(spend_table(report), name)
}

/// The same for a report on budgets.
pub(super) fn budget(report: &BudgetReport, name: &str) -> Response {
    response(budget_table(report), name)
}

fn response(table: String, name: &str) -> Response {
    let content_type = (header::CONTENT_TYPE, table::CONTENT_TYPE);
    named(([content_type], table).into_response(), name)
}

fn budget_table(report: &BudgetReport) -> String {
    let heading = BUDGET.map(str::to_owned).to_vec();
    let text = |text: &Option<String>| text.as_deref().map(inert).unwrap_or_default();
    let number = |number: Option<u128>| number.map(|number| number.to_string()).unwrap_or_default();
    let lines = report.data.iter().map(|line| {
        vec![
            text(&line.cost_center),
            text(&line.department),
            text(&line.delegation_id),
            text(&line.parent_id),
            text(&line.label),
            line.status.map(status).unwrap_or_default().to_owned(),
            line.unallocated.to_string(),
            line.delegations.to_string(),
            number(line.budget_credits),
            line.spent_credits.to_string(),
            line.held_credits.to_string(),
            line.reserved_credits.to_string(),
            number(line.remaining_credits),
            line.capped_credits.to_string(),
            number(line.overcommit_credits),
            line.utilisation.map(|ratio| format!("{ratio:.4}")).unwrap_or_default(),
            line.spent_in_range_credits.to_string(),
            report.from.clone(),
            report.to.clone(),
            text(&report.data_through),
        ]
    });
    rows(std::iter::once(heading).chain(lines))
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Frozen => "frozen",
        Status::Revoked => "revoked",
        Status::Expired => "expired",
        Status::Exhausted => "exhausted",
    }
}

fn spend_table(report: &SpendReport) -> String {
    let heading = SPEND.map(str::to_owned).to_vec();
    let text = |text: &Option<String>| text.as_deref().map(inert).unwrap_or_default();
    let lines = report.data.iter().map(|line| {
        vec![
            line.start.clone(),
            line.end.clone(),
            text(&line.period),
            text(&line.cost_center),
            text(&line.department),
            text(&line.delegation_id),
            text(&line.label),
            line.unallocated.to_string(),
            // Numbers stay numbers, negative ones as well.
            line.gross_credits.to_string(),
            line.refunded_credits.to_string(),
            line.spent_credits.to_string(),
            line.entries.to_string(),
            text(&report.data_through),
        ]
    });
    rows(std::iter::once(heading).chain(lines))
}
