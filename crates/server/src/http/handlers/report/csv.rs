//! Tables for spreadsheets (RFC 4180).

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use csv::{Terminator, WriterBuilder};
use subgrant_api::{BudgetReport, SpendReport, Status};

use crate::http::problem::Problem;

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
pub(super) fn spend(report: &SpendReport, name: &str) -> Result<Response, Problem> {
    response(spend_table(report), name)
}

/// The same for a report on budgets.
pub(super) fn budget(report: &BudgetReport, name: &str) -> Result<Response, Problem> {
    response(budget_table(report), name)
}

fn response(table: Result<Vec<u8>, csv::Error>, name: &str) -> Result<Response, Problem> {
    let bytes = table.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a table could not be written");
        Problem::internal()
    })?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, content_type);
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn budget_table(report: &BudgetReport) -> Result<Vec<u8>, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(BUDGET)?;
    let text = |text: &Option<String>| text.as_deref().map(inert).unwrap_or_default();
    let number = |number: Option<u128>| number.map(|number| number.to_string()).unwrap_or_default();
    for line in &report.data {
        writer.write_record([
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
        ])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
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

fn spend_table(report: &SpendReport) -> Result<Vec<u8>, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(SPEND)?;
    let text = |text: &Option<String>| text.as_deref().map(inert).unwrap_or_default();
    for line in &report.data {
        writer.write_record([
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
        ])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A text that no spreadsheet takes for a formula: an apostrophe goes before one that begins like one, whatever
/// invisible characters stand first.
fn inert(text: &str) -> String {
    let first = text.chars().find(|character| !is_invisible(*character));
    let is_formula = first.is_some_and(|character| FORMULA.contains(&character));
    // Some programs drop these two and read on.
    if is_formula || text.starts_with(['\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// What begins a formula, also as full-width and small forms, which some programs take for the same.
const FORMULA: [char; 13] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−'];

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{2800}' | '\u{3164}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_made_inert_and_nothing_else_is_touched() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\rx",
            "  =1",
            "\u{a0}=1",
            "\u{202e}=1",
            "\u{200d}=1",
            "\u{feff}@x",
            "＝1",
            "－1",
            "＋1",
            "＠x",
            "−1",
            "=HYPERLINK(\"https://evil.example\",\"x\")",
        ] {
            assert_eq!(inert(text), format!("'{text}"), "{text:?}");
        }
        for text in
            ["Engineering", "1=1", "a-b", "'=1", "Équipe", "", "2026-10-25T02:00+02:00", "👩\u{200d}🔬 =1"]
        {
            assert_eq!(inert(text), text, "{text:?}");
        }
    }
}
