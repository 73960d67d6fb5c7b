//! Debits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A debit from the caller's delegation and every ancestor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount_credits": 100, "description": "review of #42", "metadata": {"model": "small"}}))]
pub struct CreateSpend {
    /// How much, in whole credits.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub amount_credits: u64,
    /// What for: at most 1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Anything, at most 2 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// Only say whether it would pass.
    #[serde(default)]
    pub dry_run: bool,
}

/// An acknowledged debit, durable before this answer was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spend {
    /// `spd_…`; absent from a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "spd_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: Option<String>,
    /// The delegation that spent.
    pub delegation_id: String,
    /// How much.
    pub amount_credits: u64,
    /// What remains of its budget; `null`: unlimited.
    pub remaining_credits: Option<u64>,
    /// The least over the path; `null`: unlimited.
    pub effective_remaining_credits: Option<u64>,
    /// RFC 3339, UTC.
    pub recorded_at: String,
    /// Present and true for a dry run: nothing was spent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}
