//! Reports for finance.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Period;

/// What was spent within a range of time, each entry of the ledger once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "from": "2026-10-31T23:00:00Z", "to": "2026-11-22T09:30:00Z", "time_zone": "Europe/Berlin", "interval": null,
    "group_by": ["cost_center"], "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "data": [
        {"start": "2026-10-31T23:00:00Z", "end": "2026-11-22T09:30:00Z", "period": null, "cost_center": "Engineering",
         "department": null, "delegation_id": null, "label": null, "unallocated": false, "gross_credits": 140,
         "refunded_credits": 40, "spent_credits": 100, "entries": 3},
        {"start": "2026-10-31T23:00:00Z", "end": "2026-11-22T09:30:00Z", "period": null, "cost_center": null,
         "department": null, "delegation_id": null, "label": null, "unallocated": true, "gross_credits": 7,
         "refunded_credits": 0, "spent_credits": 7, "entries": 1}
    ],
    "total": {"gross_credits": 147, "refunded_credits": 40, "spent_credits": 107, "entries": 4},
    "unallocated_credits": 7, "data_through": "2026-11-22T09:28:11.204511Z", "data_through_seq": 4
}))]
pub struct SpendReport {
    /// The range's first instant: RFC 3339, UTC.
    pub from: String,
    /// The first instant after the range: RFC 3339, UTC.
    pub to: String,
    /// The tenant's time zone, in which days, weeks (from Monday) and months begin.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// The length of the intervals; `null`: the whole range is one.
    pub interval: Option<Period>,
    /// What the lines are told apart by, besides the interval.
    pub group_by: Vec<String>,
    /// The delegation that is reported on, with everything below it.
    pub delegation_id: String,
    /// In the order of time, cost centre, department and delegation. Lines to which nothing belongs are left out.
    pub data: Vec<SpendReportLine>,
    /// What the lines add up to.
    pub total: SpendSums,
    /// What of the total's `spent_credits` has no cost centre, whatever the lines are told apart by.
    #[schema(value_type = i64)]
    pub unallocated_credits: i128,
    /// When the newest entry of the ledger that is counted was recorded: nothing is missing up to then. `null` where
    /// the ledger is empty.
    pub data_through: Option<String>,
    /// That entry's position in the ledger.
    pub data_through_seq: u64,
}

/// A line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendReportLine {
    /// The first instant of the interval, or of the range where that begins later: RFC 3339, UTC.
    pub start: String,
    /// The first instant after it.
    pub end: String,
    /// What the tenant's calendar calls the interval: `2026-10`, `2026-W43`, `2026-10-25` or, with the offset from UTC,
    /// `2026-10-25T02:00+02:00`. `null` without intervals.
    pub period: Option<String>,
    /// The cost centre; `null` where there is none or lines are not told apart by it.
    pub cost_center: Option<String>,
    /// The department; `null` where there is none or lines are not told apart by it.
    pub department: Option<String>,
    /// The delegation that spent, never one above it; `null` where lines are not told apart by it.
    pub delegation_id: Option<String>,
    /// Its label.
    pub label: Option<String>,
    /// Whether these credits have no cost centre or, where lines are told apart by department alone, no department.
    pub unallocated: bool,
    /// All debits.
    #[schema(value_type = u64)]
    pub gross_credits: u128,
    /// What was given back, counted when it was given back.
    #[schema(value_type = u64)]
    pub refunded_credits: u128,
    /// The difference. Negative where more was given back than spent, since it was spent before.
    #[schema(value_type = i64)]
    pub spent_credits: i128,
    /// How many entries of the ledger, refunds included.
    pub entries: u64,
}

/// Sums of ledger entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpendSums {
    /// All debits.
    #[schema(value_type = u64)]
    pub gross_credits: u128,
    /// What was given back, counted when it was given back.
    #[schema(value_type = u64)]
    pub refunded_credits: u128,
    /// The difference: what a delegation's `spent_credits` grew by. Negative where more was given back than spent, since
    /// it was spent before.
    #[schema(value_type = i64)]
    pub spent_credits: i128,
    /// How many entries of the ledger, refunds included.
    pub entries: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_64_bits_are_read_as_they_were_written() {
        let line = SpendReportLine {
            start: "2026-11-01T00:00:00Z".to_owned(),
            end: "2026-12-01T00:00:00Z".to_owned(),
            period: None,
            cost_center: None,
            department: None,
            delegation_id: None,
            label: None,
            unallocated: true,
            gross_credits: 1 << 90,
            refunded_credits: 1 << 91,
            spent_credits: -(1 << 90),
            entries: 3,
        };
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains("\"spent_credits\":-1237940039285380274899124224"), "{text}");
        assert_eq!(serde_json::from_str::<SpendReportLine>(&text).unwrap(), line);
    }
}
