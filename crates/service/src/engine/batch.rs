//! One transaction: many debits of one tenant, decided in order, each all or nothing.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use subgrant_domain::{
    Credits, EntryHash, Hold, HoldId, LedgerEntry, Period, RootKeyId, SpendId, TenantId, required_windows,
    roll_up,
};
use subgrant_store::{
    StoreError, audit,
    events::{self, NewEvent},
    holds::{self, HoldStatus, StoredHold, Which},
    idempotency::{self, Key, Record},
    ledger, rollups,
    root_keys::{self, SealedRootKey},
    tokens::{self, Digest, Token},
    windows,
};

use super::{Answer, Command, Item, Operation};
use crate::{
    App, EngineError, ServiceError,
    adoption::AdoptionFacts,
    credential::Credential,
    locked::{Loaded, LockedTenant},
    receipt::SpendError,
};

/// Decides and answers every command. A failure of the database leaves nothing written.
pub(super) async fn run(app: &App, tenant: TenantId, commands: impl Iterator<Item = Command>) {
    let (items, replies): (Vec<_>, Vec<_>) = commands.map(|command| (command.item, command.reply)).unzip();
    let answers = match decide(app, tenant, &items).await {
        // One debit that the database refuses must not take its neighbours with it.
        Err(Failure::Refused(_)) if items.len() > 1 => one_by_one(app, tenant, &items).await,
        Err(failure) => items.iter().map(|_| Err(failure.answer())).collect(),
        Ok(answers) => answers,
    };
    for (reply, answer) in replies.into_iter().zip(answers) {
        // A caller that went away does not undo a debit; its idempotency key finds it again.
        let _ = reply.send(answer);
    }
}

async fn one_by_one(app: &App, tenant: TenantId, items: &[Item]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        match decide(app, tenant, std::slice::from_ref(item)).await {
            Ok(mut answer) => answers.append(&mut answer),
            Err(failure) => answers.push(Err(failure.answer())),
        }
    }
    answers
}

/// Why a whole transaction failed.
enum Failure {
    /// Before anything was committed, by the database's absence.
    Unavailable,
    /// Before anything was committed, by something in the batch.
    Refused(String),
    /// While committing: nobody knows.
    OutcomeUnknown,
}

impl Failure {
    fn answer(&self) -> SpendError {
        match self {
            Self::Unavailable => EngineError::Unavailable.into(),
            Self::Refused(why) => ServiceError::Inconsistent(why.clone()).into(),
            Self::OutcomeUnknown => EngineError::OutcomeUnknown.into(),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a batch of debits failed");
        match error {
            ServiceError::Store(StoreError::Unavailable(_)) => Self::Unavailable,
            other => Self::Refused(other.to_string()),
        }
    }
}

/// One transaction.
async fn decide(app: &App, tenant: TenantId, items: &[Item]) -> Result<Vec<Answer>, Failure> {
    let mut batch = Batch::open(app, tenant, items).await?;
    let answers: Vec<_> = items.iter().map(|item| batch.decide(item)).collect();
    if batch.writes.is_empty() {
        return Ok(answers);
    }
    batch.write().await?;
    batch.tenant.tx.commit().await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
        Failure::OutcomeUnknown
    })?;
    app.shared().hub.wake(tenant);
    Ok(answers)
}

/// A tenant under its lock, with everything that the decisions need.
pub(super) struct Batch {
    pub(super) tenant: LockedTenant,
    pub(super) tokens: HashMap<Digest, Token>,
    pub(super) root_keys: HashMap<RootKeyId, SealedRootKey>,
    pub(super) recorded: HashMap<Key, Record>,
    pub(super) adoption: AdoptionFacts,
    /// The holds that items close or extend, as they stand after the items decided so far.
    pub(super) holds: HashMap<HoldId, StoredHold>,
    /// What was given back of the debits that items refund, so far.
    pub(super) refunded: HashMap<SpendId, Credits>,
    /// The end of the ledger, entries of this batch included.
    pub(super) seq: u64,
    pub(super) hash: EntryHash,
    pub(super) writes: Writes,
}

/// What is written besides balances and counters, in the order of decision.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) entries: Vec<(LedgerEntry, EntryHash)>,
    pub(super) records: Vec<(Key, Record)>,
    pub(super) new_holds: Vec<(HoldId, Hold)>,
    pub(super) closed_holds: Vec<(HoldId, HoldStatus)>,
    pub(super) extended_holds: Vec<(HoldId, Timestamp)>,
    pub(super) audits: Vec<audit::Entry>,
    /// What the ledger does not tell: what became of holds.
    pub(super) events: Vec<NewEvent>,
}

impl Writes {
    fn is_empty(&self) -> bool {
        let holds =
            self.new_holds.is_empty() && self.closed_holds.is_empty() && self.extended_holds.is_empty();
        self.entries.is_empty() && holds
    }
}

impl Batch {
    /// Locks and reads.
    async fn open(app: &App, tenant: TenantId, items: &[Item]) -> Result<Self, ServiceError> {
        let paths: Vec<_> = items.iter().map(|item| &item.path).collect();
        let mut tenant = LockedTenant::open(&app.shared().database, tenant, &paths).await?;
        let digests: BTreeSet<_> = credentials(items).filter_map(Credential::digest).collect();
        let tokens = tokens::by_digests(tenant.tx(), &digests.into_iter().collect::<Vec<_>>()).await?;
        let mut root_keys = HashMap::new();
        for credential in credentials(items).filter(|credential| credential.digest().is_none()) {
            let id = credential.root_key.id;
            if !root_keys.contains_key(&id)
                && let Some(key) = root_keys::by_id(tenant.tx(), id).await?
            {
                root_keys.insert(id, key);
            }
        }
        let keys: Vec<_> =
            items.iter().filter_map(|item| item.key.as_ref()).map(|key| key.key.clone()).collect();
        let recorded = idempotency::by_keys(tenant.tx(), &keys).await?.into_iter().collect();
        let adoption = AdoptionFacts::read(tenant.tx(), credentials(items)).await?;
        load_windows(&mut tenant, items).await?;
        let holds: Vec<_> = items.iter().filter_map(|item| item.operation.hold()).collect();
        let holds = match holds.as_slice() {
            [] => HashMap::new(),
            ids => holds_by_id(holds::read(tenant.tx(), Which::Ids(ids)).await?),
        };
        let refunds: Vec<_> = items.iter().filter_map(refunded_entry).collect();
        let refunded = ledger::refunded(tenant.tx(), &refunds).await?.into_iter().collect();
        let (seq, hash) = (tenant.head.seq, tenant.head.hash);
        let writes = Writes::default();
        Ok(Self { tenant, tokens, root_keys, recorded, adoption, holds, refunded, seq, hash, writes })
    }

    /// Writes balances, counters, entries, their sums and records, without committing.
    async fn write(&mut self) -> Result<(), ServiceError> {
        self.tenant.write_changes().await?;
        let (tx, now, writes) = (&mut self.tenant.tx, self.tenant.head.now, &self.writes);
        ledger::append(tx, &writes.entries).await?;
        rollups::add(tx, &roll_up(writes.entries.iter().map(|(entry, _)| entry))).await?;
        for (id, hold) in &writes.new_holds {
            holds::insert(tx, *id, hold, now).await?;
        }
        for (id, expires_at) in &writes.extended_holds {
            holds::extend(tx, *id, *expires_at).await?;
        }
        holds::close(tx, &writes.closed_holds, now).await?;
        for entry in &writes.audits {
            audit::append(tx, entry).await?;
        }
        events::append(tx, &writes.events, now).await?;
        idempotency::insert(tx, &writes.records).await?;
        Ok(())
    }
}

fn holds_by_id(holds: Vec<StoredHold>) -> HashMap<HoldId, StoredHold> {
    holds.into_iter().map(|stored| (stored.id, stored)).collect()
}

fn refunded_entry(item: &Item) -> Option<SpendId> {
    match &item.operation {
        Operation::Refund { entry, .. } => Some(entry.id),
        _ => None,
    }
}

fn credentials(items: &[Item]) -> impl Iterator<Item = &Credential> + Clone {
    items.iter().filter_map(|item| item.credential.as_ref())
}

/// Loads the counters that exist for the touched nodes, and sums up from the ledger those that a limit needs and that
/// do not exist yet.
async fn load_windows(tenant: &mut LockedTenant, items: &[Item]) -> Result<(), ServiceError> {
    let nodes: Vec<_> = tenant.rows.keys().copied().collect();
    let root = items.first().map(|item| item.path.root_id()).expect("a batch is never empty");
    let starts = Period::ALL.map(|period| (period, tenant.tree.window_key(root, period).0.start));
    for (key, spent) in windows::current(tenant.tx(), &nodes, &starts).await? {
        tenant.tree.set_window(key, spent);
    }
    let required: BTreeSet<_> = items
        .iter()
        .flat_map(|item| {
            let known = item.known_path();
            required_windows(&tenant.tree, &known, &item.limits).collect::<Vec<_>>()
        })
        .map(|(node, period)| tenant.tree.window_key(node, period).0)
        .filter(|key| tenant.tree.window(*key).is_none())
        .collect();
    for key in required {
        let spent = ledger::spent_in_window(tenant.tx(), key).await?;
        tenant.tree.set_window(key, spent);
    }
    Ok(())
}
