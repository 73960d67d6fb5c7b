//! Proving that nobody has rewritten the ledger, and that the balances are what it says.

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId, EntryHash};
use subgrant_store::ledger::{self, Identities};

use crate::{AccessError, App, Principal};

/// How many entries are read per round trip.
const PAGE: i64 = 5_000;

/// What was checked, and what was found.
#[derive(Debug, Clone)]
pub struct Proof {
    /// How many entries the chain was checked through.
    pub entries: u64,
    /// When the last of them was recorded.
    pub through: Option<Timestamp>,
    /// The hash that covers them all.
    pub head_hash: EntryHash,
    /// The two identities.
    pub identities: Identities,
    /// The first thing that is not as it must be.
    pub first_fault: Option<Fault>,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An entry's content, or its predecessor's, is not what was hashed.
    HashMismatch {
        /// The entry's position.
        seq: u64,
    },
    /// Entries are missing before this position.
    Gap {
        /// The position at which the chain goes on.
        seq: u64,
    },
    /// The newest entries are missing: the ledger's head is further on.
    Truncated {
        /// The position of the head.
        head_seq: u64,
    },
    /// The ledger does not sum up to what the root has spent.
    LedgerUnequalRoot,
    /// A node's spent is not its own entries plus its children's spent.
    NodeUnequalChildren {
        /// The node.
        node: DelegationId,
    },
}

impl App {
    /// Recomputes the hash chain of the whole ledger and checks both identities, at one instant. For the tenant's root.
    pub async fn proof(&self, principal: &Principal) -> Result<Proof, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        if principal.path.depth() > 0 {
            // The chain runs through the whole tenant's entries, which only its root may see.
            return Err(AccessError::NotPermitted(Action::Read));
        }
        let head = ledger::head(&mut read.tx).await?;
        let (mut seq, mut hash, mut through, mut fault) = (0, EntryHash::GENESIS, None, None);
        'chain: loop {
            let page = ledger::chain(&mut read.tx, seq, PAGE).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for (entry, stored) in page {
                if entry.seq != seq + 1 {
                    fault = Some(Fault::Gap { seq: entry.seq });
                    break 'chain;
                }
                if hash.next(&entry) != stored {
                    fault = Some(Fault::HashMismatch { seq: entry.seq });
                    break 'chain;
                }
                (seq, hash, through) = (entry.seq, stored, Some(entry.recorded_at));
            }
            if is_last {
                break;
            }
        }
        if fault.is_none() && (seq, hash) != (head.seq, head.hash) {
            fault = Some(Fault::Truncated { head_seq: head.seq });
        }
        let identities = ledger::identities(&mut read.tx).await?;
        let first_fault = fault.or_else(|| fault_of(identities));
        Ok(Proof { entries: seq, through, head_hash: hash, identities, first_fault })
    }
}

fn fault_of(identities: Identities) -> Option<Fault> {
    if !identities.ledger_equals_root {
        return Some(Fault::LedgerUnequalRoot);
    }
    identities.unequal_node.map(|node| Fault::NodeUnequalChildren { node })
}
