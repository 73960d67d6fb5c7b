//! The ledger.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Metadata;

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
    pub metadata: Option<Metadata>,
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

/// Whether the ledger is what was written, and the balances are what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerProof {
    /// Whether everything is as it must be.
    pub intact: bool,
    /// How many entries the hash chain was verified through, in this call and before.
    pub entries: u64,
    /// When the last of them was recorded; `null` where there is none.
    pub through: Option<String>,
    /// The hash that covers them all: 64 hexadecimal digits.
    pub head_hash: String,
    /// The two identities of the books.
    pub identities: Identities,
    /// The first thing that is not as it must be.
    pub first_fault: Option<LedgerFault>,
    /// Whether the chain was verified through the newest entry, and every delegation was checked in this call. Where it is
    /// `false`, `intact` speaks of what was covered only.
    pub complete: bool,
    /// How many entries the ledger has.
    pub ledger_entries: u64,
    /// The entries that this call was the first to verify; `null`: none.
    pub newly_verified: Option<LedgerStretch>,
    /// The entries that this call has verified once more; `null`: none.
    pub verified_again: Option<LedgerStretch>,
    /// How often all entries were verified from the first to the last.
    pub rounds: u64,
    /// When that was last done; `null`: never.
    pub last_round_at: Option<String>,
}

/// Entries from one position to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerStretch {
    /// The first.
    pub from: u64,
    /// The last.
    pub through: u64,
}

/// The two identities of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identities {
    /// The ledger's debits less its refunds are what the root has spent. `null` while the chain is not verified through.
    pub ledger_equals_root: Option<bool>,
    /// Every delegation that was checked has spent its own entries plus what its children have spent.
    pub nodes_equal_own_plus_children: bool,
    /// How many delegations this call has checked; the next one goes on after them.
    pub nodes_checked: u64,
    /// How many there are.
    pub nodes: u64,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerFault {
    /// `hash_mismatch`, `gap`, `truncated`, `checkpoint_forged`, `ledger_unequal_root`,
    /// `node_unequal_children` or `period_changed`.
    pub kind: String,
    /// At which position of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// At which delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// At the end of which closed month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
}
