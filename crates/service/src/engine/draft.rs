//! What a tenant's queue knows, and what it has decided on top of that.
//!
//! Every write of a tenant counts its revision up before it commits, whoever makes it. Whoever finds the revision that he
//! left behind knows that nobody has written in between, that every row is still as it was, and so that what he has decided
//! meanwhile stands. Hence a draft goes on while the transaction before it is under way, and reads nothing twice.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use subgrant_domain::{
    Credits, EntryHash, Hold, HoldId, LedgerEntry, RootKeyId, SpendId, TenantId, Tree, required_windows,
};
use subgrant_store::{
    audit,
    books::Posting,
    delegations::{Delegation, Standing},
    events::NewEvent,
    holds::{HoldStatus, Note, StoredHold},
    idempotency::{Key, Record},
    root_keys::SealedRootKey,
    tokens::{Digest, Token},
};

use super::{AT_A_TIME, Answer, Command, Item, Operation, commit::Decisions, recent::RecentKeys};
use crate::adoption::{Adopted, AdoptionFacts};

/// How long after the last look at the database what is known counts: so long may somebody who changes rows by hand, and
/// does not count the revision up, go unnoticed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many nodes are known at most, some hundred bytes each. Whoever touches more reads those of each batch.
const MOST_NODES: usize = 20_000;

/// How far the database's clock may be ahead of what is known of it. A decision is no earlier than that before its request.
const MOST_SLACK: Duration = Duration::from_millis(5);

/// The database's clock, as far as is known: what it shows at an instant at least, and by how much it may be ahead of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    read: Timestamp,
    at: Instant,
    slack: Duration,
    /// When the database last had the chance to contradict.
    confirmed: Instant,
}

impl Clock {
    /// As it showed at some moment since `asked`.
    pub(super) fn read(showed: Timestamp, asked: Instant) -> Self {
        let answered = Instant::now();
        Self { read: showed, at: answered, slack: answered - asked, confirmed: answered }
    }

    /// Known better by what it showed at some moment since `asked`.
    pub(super) fn confirmed(self, showed: Timestamp, asked: Instant) -> Self {
        let new = Self::read(showed, asked);
        let Some(known) = self.at_instant(new.at) else { return new };
        let latest =
            |earliest: Timestamp, slack| earliest.checked_add(SignedDuration::try_from(slack).ok()?).ok();
        let (earliest, latest) =
            (known.max(showed), latest(known, self.slack).min(latest(showed, new.slack)));
        let slack = latest.and_then(|latest| Duration::try_from(latest.duration_since(earliest)).ok());
        // Where the two contradict each other, one of the clocks was set.
        slack.map_or(new, |slack| Self { read: earliest, slack, ..new })
    }

    /// What it shows now, or a little less. In microseconds, as the database stores it.
    fn now(&self) -> Option<Timestamp> {
        self.at_instant(Instant::now())
    }

    fn at_instant(&self, instant: Instant) -> Option<Timestamp> {
        let passed = SignedDuration::try_from(instant.saturating_duration_since(self.at)).ok()?;
        let then = self.read.checked_add(passed).ok()?;
        Timestamp::from_microsecond(then.as_microsecond()).ok()
    }

    /// Whether the database was asked so lately that what is known counts.
    fn is_fresh(&self) -> bool {
        self.confirmed.elapsed() < PAUSE
    }

    /// Whether it is known so well that decisions can be made by it.
    fn is_exact(&self) -> bool {
        self.slack <= MOST_SLACK
    }
}

/// What is known of a tenant besides its tree.
pub(super) struct Known {
    pub(super) zone: TimeZone,
    /// The root's settings. Its balances are in the tree.
    pub(super) root: Option<Delegation>,
    pub(super) tokens: HashMap<Digest, Token>,
    pub(super) root_keys: HashMap<RootKeyId, SealedRootKey>,
    /// When the next hold or node comes to its end; it may be earlier than that.
    pub(super) next_due: Option<Timestamp>,
}

impl Known {
    /// Nothing.
    pub(super) fn nothing(zone: TimeZone) -> Self {
        Self {
            zone,
            root: None,
            tokens: HashMap::new(),
            root_keys: HashMap::new(),
            next_due: Some(Timestamp::MIN),
        }
    }
}

/// Decisions on commands of one tenant, in order, that are to be committed together.
pub(super) struct Draft {
    /// How the books stand below the decisions. Its instant is that of the newest decision.
    pub(super) standing: Standing,
    pub(super) clock: Clock,
    pub(super) tree: Tree,
    pub(super) known: Known,
    /// Answers that had been recorded before.
    pub(super) recorded: HashMap<Key, Record>,
    /// Keys that were looked up, found or not.
    pub(super) looked_up: HashSet<Key>,
    /// Keys of refused items that were not: what was refused may have been answered before.
    pub(super) unsure: Vec<Key>,
    pub(super) adoption: AdoptionFacts,
    /// The sessions that were found good under the lock.
    pub(super) sessions: HashSet<[u8; 32]>,
    /// The holds that items close or extend, as they stand after the items decided so far.
    pub(super) holds: HashMap<HoldId, StoredHold>,
    /// What was given back of the debits that items refund, so far.
    pub(super) refunded: HashMap<SpendId, Credits>,
    /// The end of the ledger, entries of this draft included.
    pub(super) seq: u64,
    pub(super) hash: EntryHash,
    pub(super) writes: Writes,
    pub(super) decided: Vec<(Command, Answer)>,
}

/// What is written besides balances and counters, in the order of decision.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) entries: Vec<(LedgerEntry, EntryHash)>,
    /// Answers under their keys, where a duplicate further down finds them too.
    pub(super) records: IndexMap<Key, Record>,
    pub(super) adopted: Vec<Adopted>,
    pub(super) new_holds: Vec<(HoldId, Hold, Note)>,
    pub(super) closed_holds: Vec<(HoldId, HoldStatus)>,
    pub(super) extended_holds: Vec<(HoldId, Timestamp)>,
    pub(super) audits: Vec<audit::Entry>,
    /// What the ledger does not tell: what became of holds.
    pub(super) events: Vec<NewEvent>,
    /// Whether something that had come to its end was written already.
    pub(super) has_settled: bool,
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        let holds =
            self.new_holds.is_empty() && self.closed_holds.is_empty() && self.extended_holds.is_empty();
        self.entries.is_empty() && holds && !self.has_settled
    }
}

impl Draft {
    pub(super) fn new(standing: Standing, clock: Clock, tree: Tree, known: Known) -> Self {
        Self {
            standing,
            clock,
            tree,
            known,
            recorded: HashMap::new(),
            looked_up: HashSet::new(),
            unsure: Vec::new(),
            adoption: AdoptionFacts::default(),
            sessions: HashSet::new(),
            holds: HashMap::new(),
            refunded: HashMap::new(),
            seq: standing.seq,
            hash: standing.hash,
            writes: Writes::default(),
            decided: Vec::new(),
        }
    }

    /// Decides commands in order. Lets others go on in between: a crowd of one tenant must not hold up another.
    pub(super) async fn decide_all(&mut self, commands: Vec<Command>) {
        for (number, command) in commands.into_iter().enumerate() {
            if number % AT_A_TIME == AT_A_TIME - 1 {
                tokio::task::yield_now().await;
            }
            let answer = self.decide(&command.item);
            if let (Err(_), Some(key)) = (&answer, &command.item.key)
                && !self.looked_up.contains(&key.key)
            {
                self.unsure.push(key.key.clone());
            }
            self.decided.push((command, answer));
        }
    }

    /// Moves on to this moment, and tells whether everything that deciding on the commands takes is known and still
    /// counts. Where it does not, nothing may be decided from memory.
    pub(super) fn covers(&mut self, commands: &[Command], recent: &RecentKeys) -> bool {
        let Some(now) = self.clock.now().map(|now| now.max(self.standing.now)) else { return false };
        let is_current = self.clock.is_fresh()
            && self.clock.is_exact()
            && self.known.next_due.is_none_or(|due| due > now)
            && self.tree.go_on(now);
        if !is_current {
            return false;
        }
        self.standing.now = now;
        commands.iter().all(|command| self.covers_item(&command.item, recent))
    }

    fn covers_item(&self, item: &Item, recent: &RecentKeys) -> bool {
        // A session may end, or its user get another role, without a write that the engine would notice.
        if item.session.is_some() || !matches!(item.operation, Operation::Spend(_) | Operation::Hold { .. }) {
            return false;
        }
        if item.key.as_ref().is_some_and(|key| recent.contains(&key.key) && self.recorded(&key.key).is_none())
        {
            return false;
        }
        let is_known = item.credential.as_ref().is_none_or(|credential| {
            credential.is_registered()
                && match credential.digest() {
                    Some(digest) => self.known.tokens.contains_key(&digest),
                    None => self.known.root_keys.contains_key(&credential.root_key.id),
                }
        });
        is_known
            && item.path.ids().iter().all(|id| self.tree.node(*id).is_some())
            && required_windows(&self.tree, &item.path, item.limits())
                .all(|(node, period)| self.tree.window(self.tree.window_key(node, period).0).is_some())
    }

    /// What was answered under a key, as far as that was looked up or decided here.
    pub(super) fn recorded(&self, key: &Key) -> Option<&Record> {
        self.writes.records.get(key).or_else(|| self.recorded.get(key))
    }

    /// Whether what is known is what `found` says.
    pub(super) fn still_counts(&self, found: &Standing) -> bool {
        self.standing.is_of_same_books(found) && self.clock.is_fresh()
    }

    /// Parts the decisions from what is known once they are committed, where that is worth keeping.
    pub(super) fn part(mut self, tenant: TenantId) -> (Decisions, Option<Self>) {
        let mut writes = std::mem::take(&mut self.writes);
        let newest_at = writes.entries.last().map_or(self.standing.newest_at, |(entry, _)| entry.recorded_at);
        let is_empty = writes.is_empty();
        let (entries, records) = (std::mem::take(&mut writes.entries), std::mem::take(&mut writes.records));
        let decisions = Decisions {
            tenant,
            standing: self.standing,
            clock: self.clock,
            posting: (!is_empty).then(|| Posting::new(&self.tree, entries, records)),
            writes,
            unsure: self.unsure,
            decided: self.decided,
        };
        self.tree.forget_changes();
        let revision = self.standing.revision + i64::from(!is_empty);
        let standing = Standing { seq: self.seq, hash: self.hash, newest_at, revision, ..self.standing };
        let sizes = [self.tree.len(), self.known.tokens.len()];
        let is_small = sizes.into_iter().all(|size| size <= MOST_NODES);
        let next = is_small.then(|| Self::new(standing, self.clock, self.tree, self.known));
        (decisions, next)
    }
}
