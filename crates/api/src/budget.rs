//! Budgets against what became of them, and when they run out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Status;

/// What the lines of a report on budgets are told apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetGroup {
    /// One line for each cost centre.
    #[default]
    CostCenter,
    /// One line for each department.
    Department,
    /// One line for each delegation.
    Delegation,
}

/// Budgets beside what was spent of them, as of one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "from": "2026-10-31T23:00:00Z", "to": "2026-11-22T09:30:00Z", "time_zone": "Europe/Berlin", "group_by": "cost_center",
    "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "data": [
        {"cost_center": "Engineering", "department": null, "delegation_id": null, "parent_id": null, "label": null,
         "depth": null, "status": null, "unallocated": false, "delegations": 1, "budget_credits": 10000,
         "spent_credits": 100, "held_credits": 0, "reserved_credits": 7900, "remaining_credits": 9900,
         "capped_credits": 0, "overcommit_credits": 0, "utilisation": 0.01, "spent_in_range_credits": 100}
    ],
    "total": {"cost_center": null, "department": null, "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1",
        "parent_id": null, "label": "Root Key", "depth": 0, "status": "active", "unallocated": false, "delegations": 1, "budget_credits": null, "spent_credits": 100, "held_credits": 0,
        "reserved_credits": 14900, "remaining_credits": null, "capped_credits": 0, "overcommit_credits": null,
        "utilisation": null, "spent_in_range_credits": 100},
    "data_through": "2026-11-22T09:28:11.204511Z"
}))]
pub struct BudgetReport {
    /// The range's first instant: RFC 3339, UTC.
    pub from: String,
    /// The first instant after the range: RFC 3339, UTC.
    pub to: String,
    /// The tenant's time zone.
    pub time_zone: String,
    /// What the lines are told apart by.
    pub group_by: BudgetGroup,
    /// The delegation that is reported on, with everything below it.
    pub delegation_id: String,
    /// By name; delegations parents first, siblings in the order of their ids.
    pub data: Vec<BudgetLine>,
    /// Of the delegation that is reported on.
    pub total: BudgetLine,
    /// When the newest entry of the ledger that is counted was recorded; `null` where the ledger is empty.
    pub data_through: Option<String>,
}

/// A line of a report on budgets: of one delegation, or of the topmost ones with a cost centre or department together. One
/// that was revoked or has expired counts with what it consumed as its budget, because the rest went back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetLine {
    /// The cost centre, where lines are told apart by it; of a delegation, its own.
    pub cost_center: Option<String>,
    /// The department, likewise.
    pub department: Option<String>,
    /// The delegation, where lines are told apart by it.
    pub delegation_id: Option<String>,
    /// The delegation above it.
    pub parent_id: Option<String>,
    /// Its label.
    pub label: Option<String>,
    /// Levels below the root.
    pub depth: Option<usize>,
    /// Its state.
    pub status: Option<Status>,
    /// Whether this is the spending that has no cost centre or department, and so no budget of its own.
    pub unallocated: bool,
    /// How many delegations were added up.
    pub delegations: usize,
    /// What may be spent; `null`: unlimited, or no budget at all.
    #[schema(value_type = Option<u64>)]
    pub budget_credits: Option<u128>,
    /// Spent ever, everything below included.
    #[schema(value_type = u64)]
    pub spent_credits: u128,
    /// Held now.
    #[schema(value_type = u64)]
    pub held_credits: u128,
    /// Set aside for carve children.
    #[schema(value_type = u64)]
    pub reserved_credits: u128,
    /// Budget less spent and held.
    #[schema(value_type = Option<u64>)]
    pub remaining_credits: Option<u128>,
    /// What cap children may still consume.
    #[schema(value_type = u64)]
    pub capped_credits: u128,
    /// By how much what the children may still consume exceeds what remains.
    #[schema(value_type = Option<u64>)]
    pub overcommit_credits: Option<u128>,
    /// Which part of the budget is spent or held, from 0 to 1.
    pub utilisation: Option<f64>,
    /// Spent within the range, less what was given back in it.
    #[schema(value_type = i64)]
    pub spent_in_range_credits: i128,
}

/// When a delegation's budget runs out, if spending goes on as it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1", "as_of": "2026-11-27T09:30:00Z", "time_zone": "Europe/Berlin",
    "remaining_credits": 900, "expires_at": "2027-01-01T00:00:00Z",
    "basis": {"from": "2026-11-24", "to": "2026-11-26", "days": 3, "spent_credits": 300,
        "daily_credits": {"low": 92.6, "expected": 100.0, "high": 107.4}},
    "run_out": {"early": "2026-12-05T18:00:00Z", "expected": "2026-12-06T09:30:00Z", "late": "2026-12-07T03:00:00Z"},
    "expires_first": false, "reason": null,
    "days": [{"date": "2026-11-24", "spent_credits": 90}, {"date": "2026-11-25", "spent_credits": 110},
        {"date": "2026-11-26", "spent_credits": 100}]
}))]
pub struct Forecast {
    /// The delegation.
    pub delegation_id: String,
    /// When this was said: RFC 3339, UTC.
    pub as_of: String,
    /// The tenant's time zone, in which days begin.
    pub time_zone: String,
    /// What remains of its own budget; `null`: unlimited.
    pub remaining_credits: Option<u64>,
    /// When its life ends anyway.
    pub expires_at: Option<String>,
    /// What the forecast stands on; `null` where there are fewer than three complete days.
    pub basis: Option<ForecastBasis>,
    /// When the budget runs out; `null` where `reason` says why not.
    pub run_out: Option<RunOut>,
    /// Whether its life ends before the expected date; `null` without a date.
    pub expires_first: Option<bool>,
    /// Why there is no date.
    pub reason: Option<ForecastReason>,
    /// The complete days looked at, oldest first, at most 28.
    pub days: Vec<DaySpent>,
}

/// What a forecast stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastBasis {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// How many.
    pub days: usize,
    /// Spent on them, less what was given back.
    #[schema(value_type = i64)]
    pub spent_credits: i128,
    /// What a day consumes: the mean with its band of 80 %.
    pub daily_credits: DailyCredits,
}

/// What a day consumes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DailyCredits {
    /// With a probability of one in ten the mean is lower.
    pub low: f64,
    /// The mean.
    pub expected: f64,
    /// With a probability of one in ten the mean is higher.
    pub high: f64,
}

/// When a budget runs out. Times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunOut {
    /// With a probability of one in ten, before.
    pub early: String,
    /// At the mean rate.
    pub expected: String,
    /// With a probability of one in ten, later; `null`: maybe never within a century.
    pub late: Option<String>,
}

/// Why no date is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForecastReason {
    /// The delegation has no budget.
    Unlimited,
    /// It is frozen, revoked or expired.
    NotLive,
    /// Nothing remains.
    Exhausted,
    /// It has not lived for three complete days.
    TooLittleHistory,
    /// Nothing was spent on the days looked at, or as much was given back.
    NoSpend,
    /// It lasts for longer than a century.
    NotForeseeable,
}

/// What was spent on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DaySpent {
    /// The day, by the tenant's calendar.
    pub date: String,
    /// Spent by the delegation and all below, less what was given back.
    #[schema(value_type = i64)]
    pub spent_credits: i128,
}
