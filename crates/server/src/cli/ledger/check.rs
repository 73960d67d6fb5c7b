//! Checking an export with nothing but itself: the chain, line by line, then both identities.

use std::collections::HashMap;

use jiff::Timestamp;
use subgrant_api::{
    EntryKind as WireKind, ExportDelegation, ExportEnd, ExportEntry, ExportLine, LEDGER_FORMAT,
};
use subgrant_domain::{AttributeText, Credits, DelegationId, EntryHash, EntryKind, LedgerEntry};

/// What was found wrong, in words that name it.
pub(super) type Fault = String;

/// A hash that somebody has noted earlier: the ledger must still have it at that position.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) seq: u64,
    pub(super) hash: String,
}

/// An export that is being read. Memory grows with the number of delegations, not of entries.
#[derive(Default)]
pub(super) struct Check {
    noted: Option<Noted>,
    announced: Option<u64>,
    /// The last verified entry.
    seq: u64,
    hash: Option<EntryHash>,
    through: Option<Timestamp>,
    /// An entry that came too early: missing ones, or a swapped pair.
    early: Option<u64>,
    total: i128,
    own: HashMap<DelegationId, i128>,
    nodes: HashMap<DelegationId, Node>,
    below: HashMap<DelegationId, i128>,
    ended: bool,
}

struct Node {
    spent: i128,
    is_root: bool,
}

/// A checked export.
pub(super) struct Checked {
    pub(super) entries: u64,
    pub(super) delegations: u64,
    pub(super) head_hash: String,
    pub(super) through: Option<Timestamp>,
}

impl Check {
    /// Nothing read yet.
    pub(super) fn noting(noted: Option<Noted>) -> Self {
        Self { noted, ..Self::default() }
    }

    /// How many entries were verified.
    pub(super) fn entries(&self) -> u64 {
        self.seq
    }

    /// Takes the next line in.
    pub(super) fn line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let line: ExportLine =
            serde_json::from_slice(text).map_err(|error| format!("is no line of an export: {error}"))?;
        if self.ended {
            return Err("stands after the end of the export".to_owned());
        }
        if self.announced.is_none() && !matches!(line, ExportLine::Ledger(_)) {
            return Err("stands where an export's first line must: the beginning is missing".to_owned());
        }
        if let Some(early) = self.early {
            return Err(self.out_of_order(early, &line));
        }
        match line {
            ExportLine::Ledger(header) if self.announced.is_some() || header.format != LEDGER_FORMAT => {
                Err(format!("is not the only header of the format {LEDGER_FORMAT}"))
            }
            ExportLine::Ledger(header) => {
                self.announced = Some(header.entries);
                Ok(())
            }
            ExportLine::Entry(entry) => self.entry(entry),
            ExportLine::Delegation(node) => self.delegation(&node),
            ExportLine::End(end) => self.end(&end),
        }
    }

    /// What is wrong when the file ends here.
    pub(super) fn finish(self) -> Result<Checked, Fault> {
        if let Some(early) = self.early {
            return Err(missing(self.seq + 1, early));
        }
        if !self.ended {
            let announced = self.announced.unwrap_or_default();
            return Err(format!("the export is cut off after entry {} of {announced}", self.seq));
        }
        if let Some(noted) = self.noted.filter(|noted| noted.seq > self.seq) {
            return Err(format!(
                "the ledger had entry {} when its hash was noted, and ends before it",
                noted.seq
            ));
        }
        let head_hash = hex::encode(self.hash.unwrap_or(EntryHash::GENESIS).0);
        Ok(Checked {
            entries: self.seq,
            delegations: self.nodes.len() as u64,
            head_hash,
            through: self.through,
        })
    }

    fn entry(&mut self, line: ExportEntry) -> Result<(), Fault> {
        if !self.nodes.is_empty() {
            return Err(format!("entry {} stands among the delegations", line.seq));
        }
        if line.seq <= self.seq {
            return Err(format!("entry {} stands there twice", line.seq));
        }
        if line.seq > self.seq + 1 {
            // The next line tells whether one is missing or two are swapped.
            self.early = Some(line.seq);
            return Ok(());
        }
        let (seq, stored) = (line.seq, line.hash.clone());
        let entry = read(line).map_err(|why| format!("entry {seq} was altered: {why}"))?;
        let hash = self.hash.unwrap_or(EntryHash::GENESIS).next(&entry);
        if hex::encode(hash.0) != stored {
            return Err(format!(
                "entry {seq} was altered: its content, after the entries before it, does not give its hash"
            ));
        }
        if self.noted.as_ref().is_some_and(|noted| noted.seq == seq && noted.hash != stored) {
            return Err(format!("entry {seq}, or one before it, was rewritten since its hash was noted"));
        }
        let amount = i128::from(entry.amount.get());
        let amount = if entry.kind == EntryKind::Refund { -amount } else { amount };
        self.total += amount;
        *self.own.entry(entry.delegation).or_default() += amount;
        (self.seq, self.hash, self.through) = (seq, Some(hash), Some(entry.recorded_at));
        Ok(())
    }

    fn out_of_order(&self, early: u64, line: &ExportLine) -> Fault {
        let expected = self.seq + 1;
        match line {
            ExportLine::Entry(entry) if entry.seq == expected => {
                format!("entries {expected} and {early} are swapped")
            }
            _ => missing(expected, early),
        }
    }

    fn delegation(&mut self, line: &ExportDelegation) -> Result<(), Fault> {
        let id = read_id(&line.id)?;
        let spent = i128::from(line.spent_credits);
        let parent = line.parent_id.as_deref().map(read_id).transpose()?;
        if let Some(parent) = parent {
            if !self.nodes.contains_key(&parent) {
                return Err(format!("the parent of {id} is missing"));
            }
            *self.below.entry(parent).or_default() += spent;
        }
        match self.nodes.insert(id, Node { spent, is_root: parent.is_none() }) {
            Some(_) => Err(format!("{id} stands there twice")),
            None => Ok(()),
        }
    }

    fn end(&mut self, line: &ExportEnd) -> Result<(), Fault> {
        self.ended = true;
        let head_hash = hex::encode(self.hash.unwrap_or(EntryHash::GENESIS).0);
        if (line.entries, &line.head_hash) != (self.seq, &head_hash) || self.announced != Some(self.seq) {
            return Err(format!(
                "the newest entries are missing: the export has {} of {}",
                self.seq, line.entries
            ));
        }
        if line.delegations != self.nodes.len() as u64 {
            return Err(format!("{} of {} delegations are there", self.nodes.len(), line.delegations));
        }
        if let Some(id) = self.own.keys().find(|id| !self.nodes.contains_key(id)) {
            return Err(format!("{id} has entries and is missing"));
        }
        let mut roots = self.nodes.values().filter(|node| node.is_root);
        match (roots.next(), roots.next()) {
            (Some(root), None) if root.spent == self.total => {}
            (Some(root), None) => {
                return Err(format!(
                    "the entries sum up to {}, and the root has spent {}",
                    self.total, root.spent
                ));
            }
            _ => return Err("there is not exactly one root".to_owned()),
        }
        let sum = |sums: &HashMap<_, i128>, id| sums.get(id).copied().unwrap_or_default();
        let unequal =
            self.nodes.iter().find(|(id, node)| node.spent != sum(&self.own, id) + sum(&self.below, id));
        unequal.map_or(Ok(()), |(id, node)| {
            Err(format!(
                "{id} has spent {}, but its entries sum up to {} and what is below it to {}",
                node.spent,
                sum(&self.own, id),
                sum(&self.below, id)
            ))
        })
    }
}

fn missing(expected: u64, found: u64) -> Fault {
    match found - 1 {
        last if last == expected => format!("entry {expected} is missing"),
        last => format!("entries {expected} to {last} are missing"),
    }
}

fn read_id(text: &str) -> Result<DelegationId, Fault> {
    text.parse().map_err(|_| format!("{text:?} is no delegation's id"))
}

/// The entry as it was hashed.
fn read(line: ExportEntry) -> Result<LedgerEntry, &'static str> {
    let text = |text: Option<String>| {
        text.map(AttributeText::as_written)
            .transpose()
            .map_err(|_| "its attribution is not one that can be set")
    };
    Ok(LedgerEntry {
        seq: line.seq,
        id: line.id.parse().map_err(|_| "its id is none")?,
        kind: match line.kind {
            WireKind::Spend => EntryKind::Spend,
            WireKind::Refund => EntryKind::Refund,
            WireKind::Adjustment => EntryKind::Adjustment,
        },
        delegation: line.delegation_id.parse().map_err(|_| "its delegation's id is none")?,
        amount: Credits::new(line.amount_credits).map_err(|_| "its amount is none")?,
        cost_center: text(line.cost_center)?,
        department: text(line.department)?,
        recorded_at: Timestamp::from_microsecond(line.recorded_at_us).map_err(|_| "its time is none")?,
        idempotency_key: line.idempotency_key,
        description: line.description,
        metadata: line.metadata,
        reverses: line.reverses.map(|id| id.parse()).transpose().map_err(|_| "what it reverses is no id")?,
    })
}
