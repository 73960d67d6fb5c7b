//! Moving money: spend, hold, capture, extend, release, refund. Verified here, decided in the tenant's queue.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subgrant_domain::{
    Action, Credits, DelegationId, Denial, EntryKind, HoldId, LedgerEntry, NodePath, SpendId,
};
use subgrant_store::{holds, ledger};

use crate::{
    AccessError, App, EngineError, IdempotencyKey, Outcome, Principal, ServiceError,
    credential::Credential,
    delegation::visible_path,
    engine::{Answer, Command, Item, Operation},
    idempotency::ScopedKey,
};

/// A debit from the caller's own node.
#[derive(Debug, Clone)]
pub struct SpendRequest {
    /// How much.
    pub amount: Credits,
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's JSON object, as text.
    pub metadata: Option<String>,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
}

/// An acknowledged debit, or an acknowledged refund of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendReceipt {
    /// The ledger entry; `None` for a dry run.
    pub id: Option<SpendId>,
    /// The node that spent.
    pub delegation: DelegationId,
    /// How much.
    pub amount: Credits,
    /// What remains of the node's budget; `None`: unlimited.
    pub remaining: Option<Credits>,
    /// The least over the path; `None`: unlimited.
    pub effective_remaining: Option<Credits>,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// The entry that a refund gives back; `None` for a debit.
    pub reverses: Option<SpendId>,
}

/// A hold, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReceipt {
    /// The hold.
    pub id: HoldId,
    /// The node whose credits are held.
    pub delegation: DelegationId,
    /// How much.
    pub amount: Credits,
    /// held or released.
    pub status: String,
    /// When it stops counting.
    pub expires_at: Timestamp,
    /// What remains of the node's budget; `None`: unlimited.
    pub remaining: Option<Credits>,
    /// The least over the path; `None`: unlimited.
    pub effective_remaining: Option<Credits>,
}

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Receipt {
    /// A debit or a refund.
    Entry(SpendReceipt),
    /// A hold that was made, extended or released.
    Hold(HoldReceipt),
}

/// Why no money moved.
#[derive(Debug, thiserror::Error)]
pub enum SpendError {
    /// The caller may not do this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The books refuse it.
    #[error("the books refuse it")]
    Denied(Denial),
    /// The queue is full or gone.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<ServiceError> for SpendError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for SpendError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl App {
    /// Debits the caller's node and every ancestor, or nothing.
    pub async fn spend(
        &self,
        principal: &Principal,
        request: SpendRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        principal.require(Action::Spend)?;
        let key = key.filter(|_| !request.dry_run);
        let item = own_item(principal, Operation::Spend(request), scoped(principal, "POST /spend", key));
        self.entry(principal, item).await
    }

    /// Holds credits of the caller's node for `lasts`, or as long as the node and the token live.
    pub async fn hold(
        &self,
        principal: &Principal,
        amount: Credits,
        lasts: SignedDuration,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<HoldReceipt>, SpendError> {
        principal.require(Action::Spend)?;
        let operation = Operation::Hold { amount, lasts };
        self.held(principal, own_item(principal, operation, scoped(principal, "POST /hold", key))).await
    }

    /// Spends up to what is held, and returns the rest.
    pub async fn capture(
        &self,
        principal: &Principal,
        hold: HoldId,
        amount: Credits,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        let key = scoped(principal, "POST /hold/{id}/capture", key);
        let item = self.hold_item(principal, hold, Operation::Capture { hold, amount }, key).await?;
        self.entry(principal, item).await
    }

    /// Lets a hold end `lasts` from now.
    pub async fn extend_hold(
        &self,
        principal: &Principal,
        hold: HoldId,
        lasts: SignedDuration,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<HoldReceipt>, SpendError> {
        let key = scoped(principal, "POST /hold/{id}/extend", key);
        let item = self.hold_item(principal, hold, Operation::Extend { hold, lasts }, key).await?;
        self.held(principal, item).await
    }

    /// Returns a hold unused.
    pub async fn release_hold(
        &self,
        principal: &Principal,
        hold: HoldId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<HoldReceipt>, SpendError> {
        let key = scoped(principal, "POST /hold/{id}/release", key);
        let item = self.hold_item(principal, hold, Operation::Release { hold }, key).await?;
        self.held(principal, item).await
    }

    /// Gives a debit back, wholly (`None`) or in part. By a holder above the node that spent, or for the whole tenant.
    pub async fn refund(
        &self,
        principal: &Principal,
        id: SpendId,
        amount: Option<Credits>,
        reason: String,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        principal.require(Action::Delegate)?;
        let (entry, path) = self.refundable(principal, id).await?;
        let key = scoped(principal, "POST /spend/{id}/refund", key);
        let details = serde_json::json!({ "amount_credits": amount, "reason": reason });
        let audit = principal.audit_entry("spend.refund", id.to_string(), &details);
        let operation = Operation::Refund { entry: Box::new(entry), amount, reason, audit: Box::new(audit) };
        self.entry(principal, item(principal, path, operation, key)).await
    }

    async fn refundable(
        &self,
        principal: &Principal,
        id: SpendId,
    ) -> Result<(LedgerEntry, NodePath), SpendError> {
        let mut read = self.read(principal).await?;
        let range = ledger::Range { id: Some(id), ..ledger::Range::default() };
        let found = ledger::list(&mut read.tx, &principal.path, &range, 1).await?.pop();
        let entry = found.filter(|entry| entry.kind == EntryKind::Spend).ok_or(AccessError::NotFound)?;
        let path = visible_path(&mut read, principal, Some(entry.delegation)).await?;
        if principal.path.depth() > 0 && path.id() == principal.path.id() {
            // Who spent may not take it back: that is for whoever granted it.
            return Err(AccessError::NotPermitted(Action::Delegate).into());
        }
        Ok((entry, path))
    }

    async fn hold_item(
        &self,
        principal: &Principal,
        hold: HoldId,
        operation: Operation,
        key: Option<ScopedKey>,
    ) -> Result<Item, SpendError> {
        principal.require(Action::Spend)?;
        let mut read = self.read(principal).await?;
        let path = holds::path_by_id(&mut read.tx, hold).await?;
        let path = path.filter(|path| path.is_within(principal.path.id())).ok_or(AccessError::NotFound)?;
        Ok(item(principal, path, operation, key))
    }

    async fn entry(&self, principal: &Principal, item: Item) -> Result<Outcome<SpendReceipt>, SpendError> {
        only_entry(self.submit(principal, item).await?)
    }

    async fn held(&self, principal: &Principal, item: Item) -> Result<Outcome<HoldReceipt>, SpendError> {
        let outcome = self.submit(principal, item).await?;
        match outcome.value {
            Receipt::Hold(receipt) => Ok(Outcome { value: receipt, replayed: outcome.replayed }),
            Receipt::Entry(_) => Err(ServiceError::Inconsistent("a debit answers a hold".to_owned()).into()),
        }
    }

    pub(crate) async fn submit(
        &self,
        principal: &Principal,
        item: Item,
    ) -> Result<Outcome<Receipt>, SpendError> {
        let (command, answer) = Command::new(item);
        self.shared().engine.submit(self, principal.tenant, command)?;
        // The queue answers unless its task died; then it is unknown whether the debit was committed.
        answer.await.map_err(|_| EngineError::OutcomeUnknown)?
    }
}

/// One debit of a batch.
pub struct BatchSpend {
    /// Who spends.
    pub principal: Principal,
    /// What.
    pub request: SpendRequest,
    /// The item's idempotency key.
    pub key: Option<IdempotencyKey>,
}

impl App {
    /// Debits many items of one tenant, each all or nothing, in order; one answer per item.
    pub async fn spend_batch(
        &self,
        spends: Vec<BatchSpend>,
    ) -> Vec<Result<Outcome<SpendReceipt>, SpendError>> {
        let mut answers = Vec::with_capacity(spends.len());
        let mut spends = spends.into_iter().peekable();
        while spends.peek().is_some() {
            // A slice at a time, so that one batch does not fill the queue before everybody else.
            let slice: Vec<_> = spends.by_ref().take(self.shared().options.batch_size).collect();
            let waiting: Vec<_> = slice.into_iter().map(|spend| self.enqueue(spend)).collect();
            for waiting in waiting {
                answers.push(
                    match waiting {
                        Ok(answer) => answer.await.map_err(|_| EngineError::OutcomeUnknown.into()).flatten(),
                        Err(refused) => Err(refused),
                    }
                    .and_then(only_entry),
                );
            }
        }
        answers
    }

    fn enqueue(&self, spend: BatchSpend) -> Result<tokio::sync::oneshot::Receiver<Answer>, SpendError> {
        let BatchSpend { principal, request, key } = spend;
        principal.require(Action::Spend)?;
        let item = own_item(&principal, Operation::Spend(request), scoped(&principal, "POST /spend", key));
        let (command, answer) = Command::new(item);
        self.shared().engine.submit(self, principal.tenant, command)?;
        Ok(answer)
    }
}

fn only_entry(outcome: Outcome<Receipt>) -> Result<Outcome<SpendReceipt>, SpendError> {
    match outcome.value {
        Receipt::Entry(receipt) => Ok(Outcome { value: receipt, replayed: outcome.replayed }),
        Receipt::Hold(_) => Err(ServiceError::Inconsistent("a hold answers a debit".to_owned()).into()),
    }
}

fn scoped(principal: &Principal, route: &'static str, key: Option<IdempotencyKey>) -> Option<ScopedKey> {
    key.map(|key| ScopedKey { key: principal.idempotency_key(route, key.key), fingerprint: key.fingerprint })
}

fn own_item(principal: &Principal, operation: Operation, key: Option<ScopedKey>) -> Item {
    item(principal, principal.path.clone(), operation, key)
}

fn item(principal: &Principal, path: NodePath, operation: Operation, key: Option<ScopedKey>) -> Item {
    Item {
        credential: principal.credential().cloned(),
        path,
        limits: principal.credential().map(Credential::spend_limits).unwrap_or_default(),
        operation,
        key,
    }
}
