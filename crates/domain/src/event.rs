//! Where an event stands in its tenant's stream, and the id that says so.

use jiff::Timestamp;
use uuid::Uuid;

use crate::EventId;

/// A place in a tenant's stream of events: after the ledger's entry at `ledger_seq`, and after so many other events
/// since that entry. The entry itself has the number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPosition {
    /// Position in the ledger; 0 before the first entry.
    pub ledger_seq: u64,
    /// Events since that entry.
    pub number: u64,
}

const SEQ_BITS: u32 = 42;
const NUMBER_BITS: u32 = 32;
const LOW_BITS: u32 = 62;
const VERSION: u128 = 7 << 76;
const VARIANT: u128 = 0b10 << LOW_BITS;
const MASK: u128 = (0xf << 76) | (0b11 << LOW_BITS);

impl EventPosition {
    /// The beginning.
    pub const START: Self = Self { ledger_seq: 0, number: 0 };

    /// The place of a ledger entry.
    pub const fn of_entry(seq: u64) -> Self {
        Self { ledger_seq: seq, number: 0 }
    }

    /// The id of what stands here: a `UUIDv7` of the event's time, in which the place stands where others are random,
    /// so that an id alone says from where to go on. Layout of the 74 bits: 42 of `ledger_seq`, 32 of `number`.
    pub fn id(self, at: Timestamp) -> EventId {
        let millis = u128::try_from(at.as_millisecond()).unwrap_or_default() & ((1 << 48) - 1);
        let seq = u128::from(self.ledger_seq.min((1 << SEQ_BITS) - 1));
        let number = u128::from(self.number.min((1 << NUMBER_BITS) - 1));
        let place = (seq << NUMBER_BITS) | number;
        let (high, low) = (place >> LOW_BITS, place & ((1 << LOW_BITS) - 1));
        EventId::from_uuid(Uuid::from_u128((millis << 80) | VERSION | (high << 64) | VARIANT | low))
    }

    /// Reads an id that [`EventPosition::id`] made: the time, in milliseconds, and the place. `None` for an id of
    /// another make. Anybody can make one up, so that it may name a place that does not exist.
    pub fn read(id: EventId) -> Option<(Timestamp, Self)> {
        let value = id.as_uuid().as_u128();
        if value & MASK != VERSION | VARIANT {
            return None;
        }
        let at = Timestamp::from_millisecond(i64::try_from(value >> 80).ok()?).ok()?;
        let place = (((value >> 64) & 0xfff) << LOW_BITS) | (value & ((1 << LOW_BITS) - 1));
        let ledger_seq = u64::try_from(place >> NUMBER_BITS).ok()?;
        let number = u64::try_from(place & ((1 << NUMBER_BITS) - 1)).ok()?;
        Some((at, Self { ledger_seq, number }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_says_when_and_where(
            millis in 0_i64..253_402_207_200_000,
            ledger_seq in 0_u64..(1 << 42),
            number in 0_u64..(1 << 32),
        ) {
            let at = Timestamp::from_millisecond(millis).unwrap();
            let position = EventPosition { ledger_seq, number };
            let id = position.id(at);
            prop_assert_eq!(EventPosition::read(id), Some((at, position)));
            prop_assert_eq!(id.as_uuid().get_version_num(), 7);
        }

        #[test]
        fn ids_of_the_same_instant_are_ordered_like_their_places(
            a in (0_u64..(1 << 42), 0_u64..(1 << 32)),
            b in (0_u64..(1 << 42), 0_u64..(1 << 32)),
        ) {
            let place = |(ledger_seq, number)| EventPosition { ledger_seq, number };
            let id = |pair| place(pair).id(Timestamp::UNIX_EPOCH);
            prop_assert_eq!(id(a).cmp(&id(b)), place(a).cmp(&place(b)));
        }
    }

    #[test]
    fn an_id_of_another_make_names_no_place() {
        assert_eq!(EventPosition::read(EventId::from_uuid(Uuid::nil())), None);
        assert_eq!(EventPosition::read(EventId::from_uuid(Uuid::max())), None);
    }
}
