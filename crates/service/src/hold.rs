//! Two-phase spending: verified here, decided in the tenant's queue.

use jiff::SignedDuration;
use subgrant_domain::{Action, Credits, HoldId};
use subgrant_store::holds::{self, Note};

use crate::{
    AccessError, App, HoldReceipt, IdempotencyKey, Outcome, Principal, ServiceError, SpendError,
    SpendReceipt,
    engine::{Item, Operation},
    idempotency::{ScopedKey, scoped},
    receipt::Receipt,
    spend::{item, own_item},
};

impl App {
    /// Holds credits of the caller's node for `lasts`, or as long as the node and the token live.
    pub async fn hold(
        &self,
        principal: &Principal,
        amount: Credits,
        lasts: SignedDuration,
        note: Note,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<HoldReceipt>, SpendError> {
        principal.require(Action::Spend)?;
        let operation = Operation::Hold { amount, lasts, note };
        self.held(principal, own_item(principal, operation, scoped(principal, "POST /hold", key))).await
    }

    /// Spends up to what is held, and returns the rest. What the spend is for is what the hold was for, where `note` does not
    /// say it.
    pub async fn capture(
        &self,
        principal: &Principal,
        hold: HoldId,
        amount: Credits,
        note: Note,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        let key = scoped(principal, "POST /hold/{id}/capture", key);
        let item = self.hold_item(principal, hold, Operation::Capture { hold, amount, note }, key).await?;
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

    async fn held(&self, principal: &Principal, item: Item) -> Result<Outcome<HoldReceipt>, SpendError> {
        let outcome = self.submit(principal, item).await?;
        match outcome.value {
            Receipt::Hold(receipt) => Ok(Outcome { value: receipt, replayed: outcome.replayed }),
            Receipt::Entry(_) => Err(ServiceError::Inconsistent("a debit answers a hold".to_owned()).into()),
        }
    }
}
