//! What a ledger adds up to, by time and attribution.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AttributeText, DelegationId, EntryKind, LedgerEntry, Node};

/// The finest bucket of time, in microseconds. Since 1972 every hour of every time zone has begun at a quarter of an hour of
/// UTC, so that hours, days, weeks and months of any zone are unions of such buckets.
const QUARTER: i64 = 15 * 60 * 1_000_000;

/// The quarter of an hour, in UTC, that contains `at`, whole microseconds: its start.
pub fn quarter_of(at: Timestamp) -> Timestamp {
    let since_epoch = at.as_microsecond();
    let start = Timestamp::from_microsecond(since_epoch - since_epoch.rem_euclid(QUARTER));
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    fn has_room_for(&self, other: Self) -> bool {
        let most = u128::from(i64::MAX.unsigned_abs());
        self.gross + other.gross <= most && self.refunded + other.refunded <= most
    }

    fn of(entry: &LedgerEntry) -> Self {
        let amount = u128::from(entry.amount.get());
        match entry.kind {
            EntryKind::Spend | EntryKind::Adjustment => Self { gross: amount, refunded: 0, entries: 1 },
            EntryKind::Refund => Self { gross: 0, refunded: amount, entries: 1 },
        }
    }
}

/// A node's newest entry, and what its entries of that quarter of an hour add up to. It stands beside the node's balances,
/// which an entry changes anyway; the rollups hold the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// When the newest entry was recorded.
    pub at: Timestamp,
    /// The sum of those that are attributed as the node is, as far as it is not in the rollups. Each side fits 63 bits.
    pub tally: Tally,
}

impl Node {
    /// Counts the node's next entry in its newest sum. Returns what the rollups take over: the sum of a quarter of an hour
    /// that is over, or has become too large, and what is attributed otherwise than the node is.
    pub(crate) fn sum_up(&mut self, entry: &LedgerEntry) -> Vec<(RollupKey, Tally)> {
        let quarter = quarter_of(entry.recorded_at);
        let (mut tally, mut handed_over) = (Tally::default(), Vec::new());
        if let Some(newest) = self.newest {
            let before = quarter_of(newest.at);
            if before == quarter {
                tally = newest.tally;
            } else if newest.tally.entries > 0 {
                handed_over.push((self.own_rollup(before), newest.tally));
            }
        }
        let added = Tally::of(entry);
        if (&entry.cost_center, &entry.department) == (&self.terms.cost_center, &self.terms.department) {
            if !tally.has_room_for(added) {
                handed_over.push((self.own_rollup(quarter), tally));
                tally = Tally::default();
            }
            tally.add(added);
        } else {
            let key = self.own_rollup(quarter);
            let (cost_center, department) = (entry.cost_center.clone(), entry.department.clone());
            handed_over.push((RollupKey { cost_center, department, ..key }, added));
        }
        self.newest = Some(Newest { at: entry.recorded_at, tally });
        handed_over
    }

    fn own_rollup(&self, bucket: Timestamp) -> RollupKey {
        RollupKey {
            bucket,
            delegation: self.id(),
            cost_center: self.terms.cost_center.clone(),
            department: self.terms.department.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credits, SpendId, Terms};
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

    fn node() -> Node {
        let cost_center = Some(AttributeText::new("A").unwrap());
        let root = Node::root(DelegationId::from_uuid(Uuid::from_u128(2)));
        Node { terms: Terms { cost_center, ..Terms::UNRESTRICTED }, ..root }
    }

    /// What the rollups have taken over and what the node has kept: bucket, cost centre, gross, refunded and entries.
    fn sums(entries: &[LedgerEntry]) -> Vec<(String, Option<String>, u128, u128, u64)> {
        let mut node = node();
        let mut sums: Vec<_> = entries.iter().flat_map(|entry| node.sum_up(entry)).collect();
        let newest = node.newest.expect("there was an entry");
        sums.push((node.own_rollup(quarter_of(newest.at)), newest.tally));
        let told = |(key, tally): (RollupKey, Tally)| {
            let cost_center = key.cost_center.map(|text| text.to_string());
            (key.bucket.to_string(), cost_center, tally.gross, tally.refunded, tally.entries)
        };
        sums.into_iter().map(told).collect()
    }

    #[test]
    fn entries_of_a_quarter_are_added_and_refunds_count_against_them() {
        let entries = [
            entry(EntryKind::Spend, 100, Some("A"), "2026-11-22T10:00:00Z"),
            entry(EntryKind::Spend, 7, None, "2026-11-22T10:00:00Z"),
            entry(EntryKind::Refund, 130, Some("A"), "2026-11-22T10:14:59Z"),
            entry(EntryKind::Adjustment, 5, Some("A"), "2026-11-22T10:15:00Z"),
        ];
        let (first, second) = ("2026-11-22T10:00:00Z".to_owned(), "2026-11-22T10:15:00Z".to_owned());
        let own = Some("A".to_owned());
        assert_eq!(
            sums(&entries),
            [(first.clone(), None, 7, 0, 1), (first, own.clone(), 100, 130, 2), (second, own, 5, 0, 1)]
        );
        assert_eq!(Tally { gross: 100, refunded: 130, entries: 2 }.spent(), -30);
    }

    #[test]
    fn a_sum_that_has_become_too_large_is_handed_over() {
        let most = Credits::MAX.get();
        let entries = vec![entry(EntryKind::Spend, most, Some("A"), "2026-11-22T10:00:00Z"); 1_025];
        let all: Vec<_> =
            sums(&entries).into_iter().map(|(.., gross, _, entries)| (gross, entries)).collect();
        let most = u128::from(most);
        assert_eq!(all, [(1_024 * most, 1_024), (most, 1)]);
    }

    #[test]
    fn what_is_attributed_otherwise_is_the_newest_all_the_same() {
        let entries = [
            entry(EntryKind::Spend, 1, Some("A"), "2026-11-22T10:00:00Z"),
            entry(EntryKind::Spend, 2, Some("B"), "2026-11-22T10:20:00Z"),
        ];
        let mut node = node();
        let handed_over: Vec<_> = entries.iter().flat_map(|entry| node.sum_up(entry)).collect();
        assert_eq!(handed_over.iter().map(|(_, tally)| tally.gross).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(node.newest, Some(Newest { at: entries[1].recorded_at, tally: Tally::default() }));
    }
}
