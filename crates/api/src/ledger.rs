//! The ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEntry {
    /// Position in the tenant's ledger, from 1.
    pub seq: u64,
    /// `spd_…`.
    pub id: String,
    /// What it records.
    pub kind: EntryKind,
    /// The delegation that spent.
    pub delegation_id: String,
    /// Positive for every kind.
    pub amount_credits: u64,
    /// Attribution at that time.
    pub cost_center: Option<String>,
    /// Attribution at that time.
    pub department: Option<String>,
    /// RFC 3339, UTC.
    pub recorded_at: String,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's object.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// The entry that this one corrects.
    pub reverses: Option<String>,
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A debit.
    Spend,
    /// A debit given back.
    Refund,
    /// A correction.
    Adjustment,
}

/// A page of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerList {
    /// Oldest first.
    pub data: Vec<LedgerEntry>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
