//! The ledger as a file: one JSON object per line. `docs/ledger-format.md` describes it for whoever checks it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::EntryKind;

/// The name of the format, with its version.
pub const LEDGER_FORMAT: &str = "subgrant-ledger/1";

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ExportLine {
    /// The first line.
    Ledger(ExportHeader),
    /// An entry of the ledger, in the order of the chain.
    Entry(ExportEntry),
    /// A delegation's balances, after all entries; a parent before what is below it.
    Delegation(ExportDelegation),
    /// The last line.
    End(ExportEnd),
}

/// What was exported, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// `subgrant-ledger/1`.
    pub format: String,
    /// `ten_…`.
    pub tenant_id: String,
    /// The instant that everything in the export is of: RFC 3339, UTC.
    pub exported_at: String,
    /// How many entries follow.
    pub entries: u64,
}

/// Everything of an entry that its hash covers, and the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportEntry {
    /// Position in the ledger, from 1.
    pub seq: u64,
    /// `spd_…`.
    pub id: String,
    /// What it records.
    pub kind: EntryKind,
    /// `dlg_…`.
    pub delegation_id: String,
    /// Positive for every kind.
    pub amount_credits: u64,
    /// Attribution at that time.
    pub cost_center: Option<String>,
    /// Attribution at that time.
    pub department: Option<String>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub recorded_at_us: i64,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's object, as the text that was hashed.
    pub metadata: Option<String>,
    /// The entry that this one corrects.
    pub reverses: Option<String>,
    /// 64 hexadecimal digits.
    pub hash: String,
}

/// What a delegation and everything below it has spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportDelegation {
    /// `dlg_…`.
    pub id: String,
    /// Its parent; `null` for the root.
    pub parent_id: Option<String>,
    /// Spent by it and its whole subtree.
    pub spent_credits: u64,
}

/// What must have come before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportEnd {
    /// How many entries.
    pub entries: u64,
    /// How many delegations.
    pub delegations: u64,
    /// The newest entry's hash; 64 zeros where there is none.
    pub head_hash: String,
}
