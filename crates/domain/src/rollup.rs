//! What a ledger adds up to, by time and attribution.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{AttributeText, DelegationId, EntryKind, LedgerEntry};

/// The finest bucket of time, in nanoseconds. Since 1972 every hour of every time zone has begun at a quarter of an hour of
/// UTC, so that hours, days, weeks and months of any zone are unions of such buckets.
const QUARTER: i128 = 15 * 60 * 1_000_000_000;

/// The quarter of an hour, in UTC, that contains `at`: its start.
pub fn quarter_of(at: Timestamp) -> Timestamp {
    let since_epoch = at.as_nanosecond();
    let start = Timestamp::from_nanosecond(since_epoch - since_epoch.rem_euclid(QUARTER));
    start.expect("entries are recorded far from the ends of year ±9999")
}

/// What entries are added up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollupKey {
    /// The start of the quarter of an hour in which they were recorded.
    pub bucket: Timestamp,
    /// The node that spent: not its ancestors, so that a sum counts each entry once.
    pub delegation: DelegationId,
    /// The cost centre stamped on them.
    pub cost_center: Option<AttributeText>,
    /// The department stamped on them.
    pub department: Option<AttributeText>,
}

/// What entries add up to. Sums of amounts have no bound of their own: credits that were given back are spent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Debits and adjustments.
    pub gross: u128,
    /// What was given back.
    pub refunded: u128,
    /// How many entries.
    pub entries: u64,
}

impl Tally {
    /// What is left spent; negative where more was given back than spent, which then was spent before.
    pub fn spent(&self) -> i128 {
        let signed =
            |amount: u128| i128::try_from(amount).expect("2^64 entries of 2^53 credits fit 127 bits");
        signed(self.gross) - signed(self.refunded)
    }

    /// Counts further entries.
    pub fn add(&mut self, other: Self) {
        self.gross += other.gross;
        self.refunded += other.refunded;
        self.entries += other.entries;
    }

    fn of(entry: &LedgerEntry) -> Self {
        let amount = u128::from(entry.amount.get());
        match entry.kind {
            EntryKind::Spend | EntryKind::Adjustment => Self { gross: amount, refunded: 0, entries: 1 },
            EntryKind::Refund => Self { gross: 0, refunded: amount, entries: 1 },
        }
    }
}

/// What `entries` add to the rollups, in the order of the keys.
pub fn roll_up<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> BTreeMap<RollupKey, Tally> {
    let mut sums = BTreeMap::<RollupKey, Tally>::new();
    for entry in entries {
        let key = RollupKey {
            bucket: quarter_of(entry.recorded_at),
            delegation: entry.delegation,
            cost_center: entry.cost_center.clone(),
            department: entry.department.clone(),
        };
        sums.entry(key).or_default().add(Tally::of(entry));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credits, SpendId};
    use uuid::Uuid;

    fn entry(kind: EntryKind, amount: u64, cost_center: Option<&str>, recorded_at: &str) -> LedgerEntry {
        LedgerEntry {
            seq: 1,
            id: SpendId::from_uuid(Uuid::from_u128(1)),
            kind,
            delegation: DelegationId::from_uuid(Uuid::from_u128(2)),
            amount: Credits::new(amount).unwrap(),
            cost_center: cost_center.map(|text| AttributeText::new(text).unwrap()),
            department: None,
            recorded_at: recorded_at.parse().unwrap(),
            idempotency_key: None,
            description: None,
            metadata: None,
            reverses: None,
        }
    }

    #[test]
    fn a_quarter_holds_its_first_instant_and_not_its_last() {
        let quarter = |at: &str| quarter_of(at.parse().unwrap()).to_string();
        assert_eq!(quarter("2026-10-25T00:15:00Z"), "2026-10-25T00:15:00Z");
        assert_eq!(quarter("2026-10-25T00:29:59.999999Z"), "2026-10-25T00:15:00Z");
        assert_eq!(quarter("1969-12-31T23:59:59.5Z"), "1969-12-31T23:45:00Z");
    }

    #[test]
    fn entries_of_one_key_are_added_and_refunds_count_against_them() {
        let entries = [
            entry(EntryKind::Spend, 100, Some("A"), "2026-11-22T10:00:00Z"),
            entry(EntryKind::Refund, 130, Some("A"), "2026-11-22T10:14:59Z"),
            entry(EntryKind::Adjustment, 5, Some("A"), "2026-11-22T10:15:00Z"),
            entry(EntryKind::Spend, 7, None, "2026-11-22T10:00:00Z"),
        ];
        let sums: Vec<_> = roll_up(&entries).into_values().collect();
        assert_eq!(sums.len(), 3);
        assert_eq!(sums[0], Tally { gross: 7, refunded: 0, entries: 1 });
        assert_eq!((sums[1].spent(), sums[1].entries), (-30, 2));
        assert_eq!(sums[2].spent(), 5);
    }
}
