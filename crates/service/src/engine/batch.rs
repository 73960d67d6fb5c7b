//! One transaction: many debits of one tenant, decided in order, each all or nothing.

use std::collections::{BTreeSet, HashMap};

use subgrant_domain::{
    EntryHash, EntryKind, LedgerEntry, Period, RootKeyId, SpendId, TenantId, check_spend, plan_spend,
    required_windows,
};
use subgrant_store::{
    StoreError,
    idempotency::{self, Key, Record},
    ledger,
    root_keys::{self, SealedRootKey},
    tokens::{self, Digest, Token},
    windows,
};

use super::{Answer, Command};
use crate::{
    AccessError, App, CredentialError, EngineError, Outcome, ServiceError,
    access::usable,
    app::fresh_id,
    credential::{Credential, TokenFacts},
    locked::{Loaded, LockedTenant},
    spend::{Spend, SpendError, SpendReceipt},
};

/// Decides and answers every command. A failure of the database leaves nothing written.
pub(super) async fn run(app: &App, tenant: TenantId, commands: impl Iterator<Item = Command>) {
    let (spends, replies): (Vec<_>, Vec<_>) = commands.map(|command| (command.spend, command.reply)).unzip();
    let answers = match decide(app, tenant, &spends).await {
        // One debit that the database refuses must not take its neighbours with it.
        Err(Failure::Refused(_)) if spends.len() > 1 => one_by_one(app, tenant, &spends).await,
        Err(failure) => spends.iter().map(|_| Err(failure.answer())).collect(),
        Ok(answers) => answers,
    };
    for (reply, answer) in replies.into_iter().zip(answers) {
        // A caller that went away does not undo a debit; its idempotency key finds it again.
        let _ = reply.send(answer);
    }
}

async fn one_by_one(app: &App, tenant: TenantId, spends: &[Spend]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(spends.len());
    for spend in spends {
        match decide(app, tenant, std::slice::from_ref(spend)).await {
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
async fn decide(app: &App, tenant: TenantId, spends: &[Spend]) -> Result<Vec<Answer>, Failure> {
    let mut batch = Batch::open(app, tenant, spends).await?;
    let answers: Vec<_> = spends.iter().map(|spend| batch.decide(spend)).collect();
    if batch.entries.is_empty() {
        return Ok(answers);
    }
    batch.write().await?;
    batch.tenant.tx.commit().await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
        Failure::OutcomeUnknown
    })?;
    Ok(answers)
}

/// A tenant under its lock, with everything that the decisions need.
struct Batch {
    tenant: LockedTenant,
    tokens: HashMap<Digest, Token>,
    root_keys: HashMap<RootKeyId, SealedRootKey>,
    recorded: HashMap<Key, Record>,
    seq: u64,
    hash: EntryHash,
    entries: Vec<(LedgerEntry, EntryHash)>,
    records: Vec<(Key, Record)>,
}

impl Batch {
    /// Locks and reads.
    async fn open(app: &App, tenant: TenantId, spends: &[Spend]) -> Result<Self, ServiceError> {
        let paths: Vec<_> = spends.iter().map(|spend| &spend.path).collect();
        let mut tenant = LockedTenant::open(&app.shared().database, tenant, &paths).await?;
        let digests: BTreeSet<_> = credentials(spends).filter_map(Credential::digest).collect();
        let tokens = tokens::by_digests(tenant.tx(), &digests.into_iter().collect::<Vec<_>>()).await?;
        let mut root_keys = HashMap::new();
        for credential in credentials(spends).filter(|credential| credential.digest().is_none()) {
            let id = credential.root_key.id;
            if !root_keys.contains_key(&id)
                && let Some(key) = root_keys::by_id(tenant.tx(), id).await?
            {
                root_keys.insert(id, key);
            }
        }
        let keys: Vec<_> =
            spends.iter().filter_map(|spend| spend.key.as_ref()).map(|key| key.key.clone()).collect();
        let recorded = idempotency::by_keys(tenant.tx(), &keys).await?.into_iter().collect();
        load_windows(&mut tenant, spends).await?;
        let (seq, hash) = (tenant.head.seq, tenant.head.hash);
        Ok(Self { tenant, tokens, root_keys, recorded, seq, hash, entries: Vec::new(), records: Vec::new() })
    }

    /// Decides one debit. Where it is refused, nothing in the batch has changed.
    fn decide(&mut self, spend: &Spend) -> Answer {
        if let Some(credential) = &spend.credential {
            self.check(credential)?;
        }
        if let Some(key) = &spend.key
            && let Some(record) = self.recorded.get(&key.key)
        {
            return Ok(Outcome::replayed(key.replay(record)?));
        }
        let (path, limits, amount) = (&spend.path, &spend.limits, spend.request.amount);
        if spend.request.dry_run {
            check_spend(&self.tenant.tree, path, limits, amount).map_err(SpendError::Denied)?;
            let mut receipt = self.receipt(spend);
            receipt.remaining = receipt.remaining.map(|left| left.saturating_sub(amount));
            receipt.effective_remaining = receipt.effective_remaining.map(|left| left.saturating_sub(amount));
            return Ok(Outcome::fresh(receipt));
        }
        plan_spend(&mut self.tenant.tree, path, limits, amount).map_err(SpendError::Denied)?;
        let id = self.enter(spend);
        let receipt = SpendReceipt { id: Some(id), ..self.receipt(spend) };
        if let Some(key) = &spend.key {
            let (key, record) = key.record(201, &receipt);
            // A duplicate further down in the same batch finds it too.
            self.recorded.insert(key.clone(), record.clone());
            self.records.push((key, record));
        }
        Ok(Outcome::fresh(receipt))
    }

    /// Refuses a token that is not, or no longer, good, by the clock and the rows read under the lock.
    fn check(&self, credential: &Credential) -> Result<(), SpendError> {
        let root = self.tenant.row(credential.path.root_id())?;
        let facts = match credential.digest() {
            Some(digest) => self.tokens.get(&digest).map(|token| TokenFacts::of_token(token, root)),
            None => {
                self.root_keys.get(&credential.root_key.id).map(|key| TokenFacts::of_root_token(key, root))
            }
        };
        let refused = |error: CredentialError| SpendError::Access(AccessError::Credential(error));
        let facts = facts.ok_or_else(|| refused(CredentialError::Forged))?;
        credential.check(&facts, self.tenant.head.now).map_err(refused)?;
        usable(self.tenant.tree.status(&credential.path)).map_err(refused)
    }

    /// Appends the ledger entry of a debit that the plan has made.
    fn enter(&mut self, spend: &Spend) -> SpendId {
        let terms = &self.tenant.tree.node(spend.path.id()).expect("the path was locked").terms;
        self.seq += 1;
        let entry = LedgerEntry {
            seq: self.seq,
            id: fresh_id(),
            kind: EntryKind::Spend,
            delegation: spend.path.id(),
            amount: spend.request.amount,
            cost_center: terms.cost_center.clone(),
            department: terms.department.clone(),
            recorded_at: self.tenant.head.now,
            idempotency_key: spend.key.as_ref().map(|key| key.key.key.clone()),
            description: spend.request.description.clone(),
            metadata: spend.request.metadata.clone(),
            reverses: None,
        };
        let id = entry.id;
        self.hash = self.hash.next(&entry);
        self.entries.push((entry, self.hash));
        id
    }

    fn receipt(&self, spend: &Spend) -> SpendReceipt {
        let tree = &self.tenant.tree;
        SpendReceipt {
            id: None,
            delegation: spend.path.id(),
            amount: spend.request.amount,
            remaining: tree.node(spend.path.id()).and_then(subgrant_domain::Node::remaining),
            effective_remaining: tree.effective_remaining(&spend.path),
            recorded_at: self.tenant.head.now,
        }
    }

    /// Writes balances, counters, entries and records, without committing.
    async fn write(&mut self) -> Result<(), ServiceError> {
        self.tenant.write_changes().await?;
        ledger::append(&mut self.tenant.tx, &self.entries).await?;
        idempotency::insert(&mut self.tenant.tx, &self.records).await?;
        Ok(())
    }
}

fn credentials(spends: &[Spend]) -> impl Iterator<Item = &Credential> {
    spends.iter().filter_map(|spend| spend.credential.as_ref())
}

/// Loads the counters that exist for the touched nodes, and sums up from the ledger those that a limit needs and that
/// do not exist yet.
async fn load_windows(tenant: &mut LockedTenant, spends: &[Spend]) -> Result<(), ServiceError> {
    let nodes: Vec<_> = tenant.rows.keys().copied().collect();
    let root = spends.first().map(|spend| spend.path.root_id()).expect("a batch is never empty");
    let starts = Period::ALL.map(|period| (period, tenant.tree.window_key(root, period).0.start));
    for (key, spent) in windows::current(tenant.tx(), &nodes, &starts).await? {
        tenant.tree.set_window(key, spent);
    }
    let required: BTreeSet<_> = spends
        .iter()
        .flat_map(|spend| required_windows(&tenant.tree, &spend.path, &spend.limits))
        .map(|(node, period)| tenant.tree.window_key(node, period).0)
        .filter(|key| tenant.tree.window(*key).is_none())
        .collect();
    for key in required {
        let spent = ledger::spent_in_window(tenant.tx(), key).await?;
        tenant.tree.set_window(key, spent);
    }
    Ok(())
}
