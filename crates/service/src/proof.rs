//! Proving that nobody has rewritten the ledger, and that the balances are what it says.
//!
//! A call costs no more, however long the ledger is: it verifies what is new since the last one, and with what is left of
//! its measure it goes on with a round that verifies everything once more. Where the measure suffices, that is everything,
//! each time. How far the books were proved is kept with a code that only this service can make.

mod checkpoint;
mod nodes;

use jiff::Timestamp;
use subgrant_domain::{Action, Credits, DelegationId, EntryHash, EntryKind, Month};
use subgrant_store::{
    TenantTx,
    ledger::{self, Checkpoint, Head, Verified},
    periods,
};

use crate::{AccessError, App, Principal, ServiceError};

pub use nodes::CheckedNodes;

/// How many entries are read per round trip.
const PAGE: u64 = 5_000;

/// Where a proof begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofFrom {
    /// Where the last one ended.
    Checkpoint,
    /// At the first entry: what was proved before is forgotten.
    Start,
}

/// What was checked, and what was found.
#[derive(Debug, Clone)]
pub struct Proof {
    /// How many entries the chain was verified through, in this call and before.
    pub entries: u64,
    /// When the last of them was recorded.
    pub through: Option<Timestamp>,
    /// The hash that covers them all.
    pub head_hash: EntryHash,
    /// How many entries the ledger has.
    pub ledger_entries: u64,
    /// The entries that were verified for the first time: after the first number, up to the second.
    pub new: (u64, u64),
    /// Those that were verified once more.
    pub again: (u64, u64),
    /// How often everything was verified once more, and when last.
    pub rounds: (u64, Option<Timestamp>),
    /// Whether the ledger's debits less its refunds are what the root has spent; `None` before the chain is verified
    /// through.
    pub ledger_equals_root: Option<bool>,
    /// The nodes that were checked.
    pub nodes: CheckedNodes,
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
    /// The newest entries are missing: the ledger's head, or what was proved, is further on.
    Truncated {
        /// The position of the last entry there was.
        head_seq: u64,
    },
    /// The record of how far the books were proved was written by somebody else.
    CheckpointForged,
    /// The ledger does not sum up to what the root has spent.
    LedgerUnequalRoot,
    /// A node's spent is not its own entries plus its children's spent.
    NodeUnequalChildren {
        /// The node.
        node: DelegationId,
    },
    /// The ledger is not what it was when a month was closed.
    PeriodChanged {
        /// The month.
        month: Month,
        /// The position of the last entry before its end.
        seq: u64,
    },
}

impl Proof {
    /// Whether the chain was verified through the newest entry, and every node was checked in this call.
    pub fn is_complete(&self) -> bool {
        self.entries == self.ledger_entries && self.nodes.checked == self.nodes.all
    }
}

/// The chain as verified, and what stands in the way of more.
struct Chain {
    verified: Verified,
    through: Option<Timestamp>,
    fault: Option<Fault>,
}

impl App {
    /// Goes on verifying the hash chain and both identities, at one instant. For the tenant's root.
    pub async fn proof(&self, principal: &Principal, from: ProofFrom) -> Result<Proof, AccessError> {
        let read = self.read(principal).await?;
        // The chain runs through the whole tenant's entries.
        principal.require_for_tenant(Action::Read)?;
        Ok(self.prove(read.tx, from).await?)
    }

    /// The same for whoever keeps house.
    pub async fn proof_of(&self, tenant: subgrant_domain::TenantId) -> Result<Proof, ServiceError> {
        let tx = self.database().begin_read(tenant).await?;
        self.prove(tx, ProofFrom::Checkpoint).await
    }

    async fn prove(&self, mut tx: TenantTx, from: ProofFrom) -> Result<Proof, ServiceError> {
        let tenant = tx.tenant();
        let stored = ledger::checkpoint(&mut tx).await?;
        let before = stored.as_ref().map(|(_, mac)| *mac);
        let (start, forged) = match (from, stored) {
            (ProofFrom::Start, _) | (_, None) => (Checkpoint::START, None),
            (ProofFrom::Checkpoint, Some((checkpoint, mac))) if self.is_own(tenant, &checkpoint, &mac) => {
                (checkpoint, None)
            }
            _ => (Checkpoint::START, Some(Fault::CheckpointForged)),
        };
        let mut next = start.clone();
        let mut proof = verify(&mut tx, self.shared().options.proof_measure, &start, &mut next).await?;
        proof.first_fault = forged.or(proof.first_fault);
        drop(tx);
        // Where there is a fault, the next proof has to find it again.
        if proof.first_fault.is_none() && (next != start || before.is_none()) {
            let mut tx = self.database().begin(tenant).await?;
            let mac = self.code(tenant, &next);
            ledger::save_checkpoint(&mut tx, &next, &mac, before.as_ref()).await?;
            tx.commit().await?;
        }
        self.metrics().proved(tenant, &proof);
        Ok(proof)
    }
}

/// Verifies up to `measure` entries, and checks about as many nodes; moves `next` to where that ended.
async fn verify(
    tx: &mut TenantTx,
    measure: u64,
    start: &Checkpoint,
    next: &mut Checkpoint,
) -> Result<Proof, ServiceError> {
    let head = ledger::head(tx).await?;
    let new = news(tx, &head, start.chain, measure).await?;
    next.chain = new.verified;
    let mut fault = new.fault;
    let left = measure.saturating_sub(new.verified.seq - start.chain.seq);
    let mut again = (start.round.seq, start.round.seq);
    if fault.is_none() {
        fault = round(tx, &head, start, next, left).await?;
        again.1 = if next.rounds > start.rounds { next.chain.seq } else { next.round.seq };
        if next.rounds > start.rounds {
            next.round_completed_at = Some(head.now);
        }
    }
    let (root_spent, all) = ledger::root_totals(tx).await?;
    let is_through = new.verified.seq == head.seq;
    let ledger_equals_root = (is_through && new.fault.is_none()).then_some(new.verified.total == root_spent);
    let nodes = nodes::check(tx, next, measure, all).await?;
    let changed = periods::first_changed(tx).await?;
    let first_fault = fault
        .or_else(|| (ledger_equals_root == Some(false)).then_some(Fault::LedgerUnequalRoot))
        .or_else(|| nodes.unequal.map(|node| Fault::NodeUnequalChildren { node }))
        .or_else(|| changed.map(|(month, seq)| Fault::PeriodChanged { month, seq }));
    Ok(Proof {
        entries: new.verified.seq,
        through: new.through,
        head_hash: new.verified.hash,
        ledger_entries: head.seq,
        new: (start.chain.seq, new.verified.seq),
        again,
        rounds: (next.rounds, next.round_completed_at),
        ledger_equals_root,
        nodes,
        first_fault,
    })
}

/// Verifies what is new, and that the ledger still has what was verified last, and ends where its head says.
async fn news(tx: &mut TenantTx, head: &Head, start: Verified, measure: u64) -> Result<Chain, ServiceError> {
    let mut through = None;
    if start.seq > 0 {
        let last = ledger::chain(tx, start.seq - 1, 1).await?.pop();
        let fault = match last {
            Some((entry, hash)) if entry.seq == start.seq && hash == start.hash => {
                through = Some(entry.recorded_at);
                None
            }
            Some((entry, _)) if entry.seq == start.seq => Some(Fault::HashMismatch { seq: start.seq }),
            Some((entry, _)) => Some(Fault::Gap { seq: entry.seq }),
            None => Some(Fault::Truncated { head_seq: start.seq }),
        };
        if fault.is_some() {
            return Ok(Chain { verified: start, through, fault });
        }
    }
    let mut chain = run(tx, start, start.seq.saturating_add(measure)).await?;
    chain.through = chain.through.or(through);
    let is_at_end = chain.verified.seq < start.seq.saturating_add(measure) || chain.verified.seq >= head.seq;
    if chain.fault.is_none()
        && is_at_end
        && (chain.verified.seq, chain.verified.hash) != (head.seq, head.hash)
    {
        chain.fault = Some(Fault::Truncated { head_seq: head.seq.max(chain.verified.seq) });
    }
    Ok(chain)
}

/// Goes on with the round that verifies once more what was verified before.
async fn round(
    tx: &mut TenantTx,
    head: &Head,
    start: &Checkpoint,
    next: &mut Checkpoint,
    measure: u64,
) -> Result<Option<Fault>, ServiceError> {
    if start.chain.seq == 0 {
        // What this call has verified begins at the first entry.
        next.rounds += u64::from(next.chain.seq == head.seq);
        return Ok(None);
    }
    let until = start.round.seq.saturating_add(measure).min(next.chain.seq);
    let chain = run(tx, start.round, until).await?;
    if chain.fault.is_some() {
        return Ok(chain.fault);
    }
    next.round = chain.verified;
    if chain.verified.seq == next.chain.seq {
        if chain.verified != next.chain {
            return Ok(Some(Fault::HashMismatch { seq: chain.verified.seq }));
        }
        next.round = Verified::NOTHING;
        next.rounds += 1;
    } else if chain.verified.seq < until {
        return Ok(Some(Fault::Truncated { head_seq: next.chain.seq }));
    }
    Ok(None)
}

/// Verifies the chain from a position on, up to another or to where it ends.
async fn run(tx: &mut TenantTx, start: Verified, until: u64) -> Result<Chain, ServiceError> {
    let (mut verified, mut through) = (start, None);
    while verified.seq < until {
        let page = PAGE.min(until - verified.seq);
        let entries = ledger::chain(tx, verified.seq, page.cast_signed()).await?;
        let is_last = (entries.len() as u64) < page;
        for (entry, stored) in entries {
            let fault = if entry.seq != verified.seq + 1 {
                Some(Fault::Gap { seq: entry.seq })
            } else if verified.hash.next(&entry) != stored {
                Some(Fault::HashMismatch { seq: entry.seq })
            } else {
                None
            };
            if fault.is_some() {
                return Ok(Chain { verified, through, fault });
            }
            let total = verified.total + signed(entry.kind, entry.amount);
            verified = Verified { seq: entry.seq, hash: stored, total };
            through = Some(entry.recorded_at);
        }
        if is_last {
            break;
        }
    }
    Ok(Chain { verified, through, fault: None })
}

/// What an entry adds to what was spent.
fn signed(kind: EntryKind, amount: Credits) -> i64 {
    let amount = amount.get().cast_signed();
    if kind == EntryKind::Refund { -amount } else { amount }
}
