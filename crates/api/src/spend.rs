//! Debits.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::Metadata;

/// A debit from the caller's delegation and every ancestor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount_credits": 100, "description": "review of #42", "metadata": {"model": "small"}}))]
pub struct CreateSpend {
    /// How much, in whole credits.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub amount_credits: u64,
    /// What for: at most 1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Anything, at most 2 KiB of JSON as it was sent, which is how it is kept. No key may occur twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
    /// Only say whether it would pass.
    #[serde(default, deserialize_with = "crate::object::or_default")]
    #[schema(nullable)]
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
    /// The entry that a refund gives back; absent from a debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<String>,
    /// Present and true for a dry run: nothing was spent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A refund of a debit, wholly or in part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount_credits": 40, "reason": "the model answered nothing"}))]
pub struct RefundSpend {
    /// How much; absent: all that is left of the debit.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    #[schema(minimum = 1)]
    pub amount_credits: Option<u64>,
    /// Why: at most 1,024 bytes; kept in the ledger and the audit log.
    pub reason: String,
}

/// Up to 10,000 debits, each all or nothing by itself.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"items": [{"amount_credits": 50, "idempotency_key": "k1"}]}))]
pub struct SpendBatch {
    /// The debits. One that is not well-formed gets an outcome of its own and harms no other.
    #[schema(value_type = Vec<BatchItem>)]
    pub items: Vec<Box<RawValue>>,
}

/// One debit of a batch.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchItem {
    /// How much.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub amount_credits: u64,
    /// As the header of a single debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Anything, at most 2 KiB of JSON as it was sent, which is how it is kept. No key may occur twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
    /// Of which delegation of the same tenant; absent: the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The outcomes of a batch, one per item, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendBatchResult {
    /// A debit with `status` 201, or a problem with its own `status` and `code`.
    pub data: Vec<BatchOutcome>,
}

/// What became of one item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BatchOutcome {
    /// The status that a single debit would have been answered with.
    pub status: u16,
    /// `spd_…`, where it was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The delegation that spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// What remains of its budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_credits: Option<u64>,
    /// The least over the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_remaining_credits: Option<u64>,
    /// Whether the same item was answered before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was asked for, where a budget or limit refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_credits: Option<u64>,
    /// What every level could afford.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_affordable_credits: Option<u64>,
    /// When it may succeed, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
}
