//! Debits and refunds: verified here, decided in the tenant's queue.

use std::collections::VecDeque;

use subgrant_domain::{Action, Credits, EntryKind, LedgerEntry, NodePath, SpendId};
use subgrant_store::ledger;
use tokio::sync::oneshot;
use tracing::Span;

use crate::{
    AccessError, App, EngineError, IdempotencyKey, Outcome, Principal, ServiceError, SpendError,
    SpendReceipt,
    engine::{self, Answer, Command, Item, Operation},
    idempotency::{ScopedKey, scoped},
    receipt::Receipt,
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
        let found = ledger::by_id(&mut read.tx, id).await?;
        let found = found
            .filter(|(entry, path)| entry.kind == EntryKind::Spend && path.is_within(principal.path.id()));
        let (entry, path) = found.ok_or(AccessError::NotFound)?;
        if principal.path.depth() > 0 && path.id() == principal.path.id() {
            // Who spent may not take it back: that is for whoever granted it.
            return Err(SpendError::OwnRefund);
        }
        Ok((entry, path))
    }

    pub(crate) async fn entry(
        &self,
        principal: &Principal,
        item: Item,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        only_entry(self.submit(principal, item).await?)
    }

    pub(crate) async fn submit(
        &self,
        principal: &Principal,
        item: Item,
    ) -> Result<Outcome<Receipt>, SpendError> {
        let (command, answer) = Command::new(item, engine::waiting());
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
        // Enough of them wait at any time for a transaction, but one batch does not fill the queue before everybody else.
        let mut waiting = VecDeque::new();
        // One for all of them: thousands would tell nothing more.
        let span = engine::waiting();
        for spend in spends {
            if waiting.len() == self.shared().options.batch_size
                && let Some(first) = waiting.pop_front()
            {
                answers.push(answered(first).await);
            }
            waiting.push_back(self.enqueue(spend, span.clone()));
        }
        for waiting in waiting {
            answers.push(answered(waiting).await);
        }
        answers
    }

    fn enqueue(&self, spend: BatchSpend, waiting: Span) -> Result<oneshot::Receiver<Answer>, SpendError> {
        let BatchSpend { principal, request, key } = spend;
        principal.require(Action::Spend)?;
        let item = own_item(&principal, Operation::Spend(request), scoped(&principal, "POST /spend", key));
        let (command, answer) = Command::new(item, waiting);
        self.shared().engine.submit(self, principal.tenant, command)?;
        Ok(answer)
    }
}

async fn answered(
    waiting: Result<oneshot::Receiver<Answer>, SpendError>,
) -> Result<Outcome<SpendReceipt>, SpendError> {
    only_entry(waiting?.await.map_err(|_| EngineError::OutcomeUnknown)??)
}

fn only_entry(outcome: Outcome<Receipt>) -> Result<Outcome<SpendReceipt>, SpendError> {
    match outcome.value {
        Receipt::Entry(receipt) => Ok(Outcome { value: receipt, replayed: outcome.replayed }),
        Receipt::Hold(_) => Err(ServiceError::Inconsistent("a hold answers a debit".to_owned()).into()),
    }
}

pub(crate) fn own_item(principal: &Principal, operation: Operation, key: Option<ScopedKey>) -> Item {
    item(principal, principal.path.clone(), operation, key)
}

pub(crate) fn item(
    principal: &Principal,
    path: NodePath,
    operation: Operation,
    key: Option<ScopedKey>,
) -> Item {
    Item { credential: principal.credential().cloned(), session: principal.session(), path, operation, key }
}
