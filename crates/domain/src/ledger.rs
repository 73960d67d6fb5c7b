//! Ledger entries and the hash chain that makes rewriting them evident.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{AttributeText, Credits, DelegationId, SpendId};

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A debit.
    Spend,
    /// A debit given back, wholly or in part.
    Refund,
    /// A correction made by an administrator.
    Adjustment,
}

impl EntryKind {
    /// The word used in JSON, SQL and the canonical encoding.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
        }
    }
}

/// One line of a tenant's ledger. Append-only: corrections are new entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Position in the tenant's ledger, from 1, without gaps.
    pub seq: u64,
    /// The entry's id.
    pub id: SpendId,
    /// What it records.
    pub kind: EntryKind,
    /// The node that spent.
    pub delegation: DelegationId,
    /// The amount, positive for every kind; the kind gives its direction.
    pub amount: Credits,
    /// The node's cost centre at that time.
    pub cost_center: Option<AttributeText>,
    /// The node's department at that time.
    pub department: Option<AttributeText>,
    /// When the entry was decided, by the database's clock; never before its predecessor. Microseconds.
    pub recorded_at: Timestamp,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's JSON object, as text.
    pub metadata: Option<String>,
    /// The entry that this one corrects.
    pub reverses: Option<SpendId>,
}

/// SHA-256 over the predecessor's hash and an entry's canonical encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryHash(pub [u8; 32]);

impl EntryHash {
    /// What stands before the first entry of a tenant.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of `entry` as the successor of the entry whose hash this is.
    ///
    /// Canonical encoding: the ASCII text `subgrant/ledger/v1`, this hash, then every field in the order of
    /// [`LedgerEntry`], each as its length in bytes (u32, big-endian) and its bytes. Numbers are decimal text, ids
    /// their prefixed text, times microseconds since the epoch as decimal text, an absent field has length
    /// `0xffff_ffff` and no bytes.
    #[must_use]
    pub fn next(self, entry: &LedgerEntry) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"subgrant/ledger/v1");
        hasher.update(self.0);
        let mut field = |value: Option<&str>| match value {
            None => hasher.update(u32::MAX.to_be_bytes()),
            Some(text) => {
                let length = u32::try_from(text.len()).expect("fields are at most a few KiB");
                hasher.update(length.to_be_bytes());
                hasher.update(text.as_bytes());
            }
        };
        field(Some(&entry.seq.to_string()));
        field(Some(&entry.id.to_string()));
        field(Some(entry.kind.as_str()));
        field(Some(&entry.delegation.to_string()));
        field(Some(&entry.amount.to_string()));
        field(entry.cost_center.as_ref().map(AttributeText::as_str));
        field(entry.department.as_ref().map(AttributeText::as_str));
        field(Some(&entry.recorded_at.as_microsecond().to_string()));
        field(entry.idempotency_key.as_deref());
        field(entry.description.as_deref());
        field(entry.metadata.as_deref());
        field(entry.reverses.map(|id| id.to_string()).as_deref());
        Self(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn entry() -> LedgerEntry {
        LedgerEntry {
            seq: 1,
            id: SpendId::from_uuid(Uuid::from_u128(1)),
            kind: EntryKind::Spend,
            delegation: DelegationId::from_uuid(Uuid::from_u128(2)),
            amount: Credits::new(100).unwrap(),
            cost_center: None,
            department: None,
            recorded_at: Timestamp::UNIX_EPOCH,
            idempotency_key: None,
            description: None,
            metadata: None,
            reverses: None,
        }
    }

    #[test]
    fn every_field_and_the_predecessor_change_the_hash() {
        let base = EntryHash::GENESIS.next(&entry());
        let text = || AttributeText::new("x").unwrap();
        let variants = [
            LedgerEntry { seq: 2, ..entry() },
            LedgerEntry { id: SpendId::from_uuid(Uuid::from_u128(9)), ..entry() },
            LedgerEntry { kind: EntryKind::Refund, ..entry() },
            LedgerEntry { delegation: DelegationId::from_uuid(Uuid::from_u128(9)), ..entry() },
            LedgerEntry { amount: Credits::new(101).unwrap(), ..entry() },
            LedgerEntry { cost_center: Some(text()), ..entry() },
            LedgerEntry { department: Some(text()), ..entry() },
            LedgerEntry { recorded_at: Timestamp::from_microsecond(1).unwrap(), ..entry() },
            LedgerEntry { idempotency_key: Some("x".into()), ..entry() },
            LedgerEntry { description: Some(String::new()), ..entry() },
            LedgerEntry { metadata: Some("x".into()), ..entry() },
            LedgerEntry { reverses: Some(SpendId::from_uuid(Uuid::from_u128(1))), ..entry() },
        ];
        let hashes: std::collections::HashSet<_> = variants
            .iter()
            .map(|variant| EntryHash::GENESIS.next(variant))
            .chain([base, base.next(&entry())])
            .collect();
        assert_eq!(hashes.len(), variants.len() + 2);
    }
}
