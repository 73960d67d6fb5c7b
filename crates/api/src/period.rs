//! Months, as finance closes them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A month of the tenant's calendar and what was spent in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "month": "2026-10", "status": "closed", "over": true, "starts_at": "2026-09-30T22:00:00Z", "ends_at": "2026-10-31T23:00:00Z",
    "time_zone": "Europe/Berlin", "gross_credits": 140, "refunded_credits": 40, "spent_credits": 100, "entries": 3,
    "currency": "EUR", "credit_price": "0.01", "cost": "1", "closed_at": "2026-11-02T09:30:00Z",
    "closed_by": "usr_01kaq2v0j8e4kbhgdw2n4cmxf1", "through_seq": 3,
    "head_hash": "9f2c4d0a6b1e8f3352c7a4be0d19f6a8c05b7e3d214f98a6c3b0e7d5f1a29c84"
}))]
pub struct AccountingPeriod {
    /// `2026-10`.
    #[schema(example = "2026-10")]
    pub month: String,
    /// Whether it is closed.
    pub status: PeriodStatus,
    /// Whether it is over, so that it can be closed.
    pub over: bool,
    /// Its first instant: RFC 3339, UTC. Kept when it is closed, whatever time zone the tenant has later.
    pub starts_at: String,
    /// The first instant after it. An open month begins where a closed one before it ends.
    pub ends_at: String,
    /// The time zone by which it begins and ends.
    pub time_zone: String,
    /// What was debited.
    #[schema(value_type = u64)]
    pub gross_credits: u128,
    /// What was given back.
    #[schema(value_type = u64)]
    pub refunded_credits: u128,
    /// The difference; negative where more was given back than spent, which then was spent before.
    #[schema(value_type = i64)]
    pub spent_credits: i128,
    /// How many entries of the ledger were recorded in it.
    pub entries: u64,
    /// In which credits are priced: ISO 4217. Kept when it is closed, like the price.
    pub currency: String,
    /// What one credit costs.
    pub credit_price: String,
    /// What `spent_credits` cost, exactly.
    pub cost: String,
    /// When it was closed; `null` where it is open.
    pub closed_at: Option<String>,
    /// The user or delegation that closed it.
    pub closed_by: Option<String>,
    /// The position of the newest entry of the ledger before its end, as noted when it was closed; 0 where there was none.
    pub through_seq: Option<u64>,
    /// That entry's hash, in hexadecimal digits. `GET /ledger/proof` compares it with the ledger.
    pub head_hash: Option<String>,
}

/// Whether a month is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodStatus {
    /// The current one, or one that is over and was not closed.
    Open,
    /// Its bounds and its price stay as they are.
    Closed,
}

/// A page of months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountingPeriodList {
    /// In the order asked for.
    pub data: Vec<AccountingPeriod>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// Nothing has to be said to close a month or to open it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePeriod {}
