//! Decides one item of a batch: each all or nothing, in order, by the planner.

use jiff::SignedDuration;
use serde_json::{Value, json};
use subgrant_domain::{
    Credits, Denial, EntryKind, Hold, HoldId, LedgerEntry, NodePath, SpendId, Status, check_spend,
    plan_capture, plan_extend, plan_hold, plan_refund, plan_release, plan_spend,
};
use subgrant_store::holds::{HoldStatus, Note, StoredHold};

use super::{Answer, Item, Operation, draft::Draft};
use crate::{
    AccessError, CredentialError, Outcome, ServiceError,
    access::usable,
    adoption::adopt,
    app::fresh_id,
    credential::{Credential, NO_LIMITS, TokenFacts},
    event::EventKind,
    receipt::{HoldReceipt, Receipt, SpendError, SpendReceipt},
    spend::SpendRequest,
};

impl Draft {
    /// Decides one item. Where it is refused, nothing in the batch has changed.
    pub(super) fn decide(&mut self, item: &Item) -> Answer {
        match &item.credential {
            Some(credential) if !credential.is_registered() => self.decide_offline(item, credential),
            Some(credential) => self.check(credential).and_then(|()| self.decide_checked(item)),
            None => self.check_session(item).and_then(|()| self.decide_checked(item)),
        }
    }

    /// Refuses a session that has ended since its user asked, as seen under the lock.
    fn check_session(&self, item: &Item) -> Result<(), SpendError> {
        let is_good = item.session.as_ref().is_none_or(|session| self.sessions.contains(&session.digest()));
        if is_good { Ok(()) } else { Err(SpendError::Access(AccessError::NoSession)) }
    }

    /// The same for a token whose node was made offline: it is entered if, and only if, the item is not refused.
    fn decide_offline(&mut self, item: &Item, credential: &Credential) -> Answer {
        self.check_token(credential)?;
        let (nodes_before, facts_before) = (self.tree.set_aside(&credential.path), self.adoption.clone());
        let adopted = adopt(&mut self.tree, &mut self.adoption, credential);
        let adopted = adopted.map_err(|error| SpendError::Access(AccessError::Credential(error)));
        let answer = adopted.and_then(|adopted| {
            usable(self.tree.status(&credential.path))
                .map_err(|error| AccessError::Credential(error).into())
                .and_then(|()| self.decide_checked(item).map(|outcome| (adopted, outcome)))
        });
        match answer {
            Ok((adopted, outcome)) if !item.operation.is_dry_run() => {
                self.writes.adopted.extend(adopted);
                Ok(outcome)
            }
            other => {
                self.tree.put_back(nodes_before);
                self.adoption = facts_before;
                other.map(|(_, outcome)| outcome)
            }
        }
    }

    fn decide_checked(&mut self, item: &Item) -> Answer {
        if let Some(key) = &item.key
            && let Some(record) = self.recorded(&key.key)
        {
            return Ok(Outcome::replayed(key.replay(record)?));
        }
        let receipt = self.operate(item)?;
        if let Some(key) = &item.key {
            let (key, record) = key.record(201, &receipt, self.standing.now);
            self.writes.records.insert(key, record);
        }
        Ok(Outcome::fresh(receipt))
    }

    fn operate(&mut self, item: &Item) -> Result<Receipt, SpendError> {
        match &item.operation {
            Operation::Spend(request) if request.dry_run => self.try_spend(item, request),
            Operation::Spend(request) => self.spend(item, request),
            Operation::Hold { amount, lasts, note } => self.hold(item, *amount, *lasts, note),
            Operation::Capture { hold, amount, note } => self.capture(item, *hold, *amount, note),
            Operation::Extend { hold, lasts } => self.extend(item, *hold, *lasts),
            Operation::Release { hold } => self.release(item, *hold),
            Operation::Refund { entry, amount, reason, audit } => {
                let receipt = self.refund(item, entry, *amount, reason)?;
                self.writes.audits.push((**audit).clone());
                Ok(receipt)
            }
        }
    }

    /// Refuses a token that is not, or no longer, good, by the clock and the rows read under the lock.
    fn check(&self, credential: &Credential) -> Result<(), SpendError> {
        self.check_token(credential)?;
        let usable = usable(self.tree.status(&credential.path));
        usable.map_err(|error| AccessError::Credential(error).into())
    }

    fn check_token(&self, credential: &Credential) -> Result<(), SpendError> {
        let root = self.known.root.as_ref().ok_or_else(|| {
            ServiceError::Inconsistent(format!("{} was not loaded", credential.path.root_id()))
        })?;
        let facts = match credential.digest() {
            Some(digest) => self.known.tokens.get(&digest).map(|token| TokenFacts::of_token(token, root)),
            None => self
                .known
                .root_keys
                .get(&credential.root_key.id)
                .map(|key| TokenFacts::of_root_token(key, root)),
        };
        let refused = |error: CredentialError| SpendError::Access(AccessError::Credential(error));
        let facts = facts.ok_or_else(|| refused(CredentialError::Forged))?;
        credential.check(&facts, self.standing.now).map_err(refused)
    }

    fn try_spend(&self, item: &Item, request: &SpendRequest) -> Result<Receipt, SpendError> {
        check_spend(&self.tree, &item.path, item.limits(), request.amount).map_err(SpendError::Denied)?;
        let after = |left: Option<Credits>| left.map(|left| left.saturating_sub(request.amount));
        let receipt = self.entry_receipt(item, None, request.amount);
        Ok(Receipt::Entry(SpendReceipt {
            remaining: after(receipt.remaining),
            effective_remaining: after(receipt.effective_remaining),
            ..receipt
        }))
    }

    fn spend(&mut self, item: &Item, request: &SpendRequest) -> Result<Receipt, SpendError> {
        plan_spend(&mut self.tree, &item.path, item.limits(), request.amount).map_err(SpendError::Denied)?;
        let entry = LedgerEntry {
            description: request.description.clone(),
            metadata: request.metadata.clone(),
            ..self.new_entry(item, EntryKind::Spend, request.amount)
        };
        let id = self.enter(entry);
        Ok(Receipt::Entry(self.entry_receipt(item, Some(id), request.amount)))
    }

    fn hold(
        &mut self,
        item: &Item,
        amount: Credits,
        lasts: SignedDuration,
        note: &Note,
    ) -> Result<Receipt, SpendError> {
        let asked = self.after(lasts);
        let hold = plan_hold(&mut self.tree, &item.path, item.limits(), amount, asked)
            .map_err(SpendError::Denied)?;
        let id = fresh_id();
        self.known.next_due = self.known.next_due.into_iter().chain([hold.expires_at]).min();
        self.tell(EventKind::HoldCreated, id, &hold, &json!({ "expires_at": hold.expires_at }));
        let stored = StoredHold { id, hold, status: HoldStatus::Held, note: note.clone() };
        let receipt = self.hold_receipt(item, &stored);
        self.writes.new_holds.push((id, stored.hold, stored.note));
        Ok(receipt)
    }

    fn capture(
        &mut self,
        item: &Item,
        id: HoldId,
        amount: Credits,
        note: &Note,
    ) -> Result<Receipt, SpendError> {
        let StoredHold { hold, note: said, .. } = self.open_hold(id)?;
        plan_capture(&mut self.tree, &hold, item.limits(), amount).map_err(SpendError::Denied)?;
        self.close(id, HoldStatus::Captured);
        let entry = LedgerEntry {
            description: note.description.clone().or(said.description),
            metadata: note.metadata.clone().or(said.metadata),
            ..self.new_entry(item, EntryKind::Spend, amount)
        };
        let entry = self.enter(entry);
        self.tell(
            EventKind::HoldCaptured,
            id,
            &hold,
            &json!({ "captured_credits": amount, "spend_id": entry }),
        );
        Ok(Receipt::Entry(self.entry_receipt(item, Some(entry), amount)))
    }

    fn extend(&mut self, item: &Item, id: HoldId, lasts: SignedDuration) -> Result<Receipt, SpendError> {
        let mut stored = self.open_hold(id)?;
        let asked = item.limits().expires_at.into_iter().fold(self.after(lasts), jiff::Timestamp::min);
        let expires_at = plan_extend(&self.tree, &stored.hold, asked).map_err(SpendError::Denied)?;
        stored.hold.expires_at = expires_at;
        self.writes.extended_holds.push((id, expires_at));
        self.tell(EventKind::HoldExtended, id, &stored.hold, &json!({ "expires_at": expires_at }));
        let receipt = self.hold_receipt(item, &stored);
        self.holds.insert(id, stored);
        Ok(receipt)
    }

    fn release(&mut self, item: &Item, id: HoldId) -> Result<Receipt, SpendError> {
        let stored = self.open_hold(id)?;
        plan_release(&mut self.tree, &stored.hold).map_err(SpendError::Denied)?;
        self.close(id, HoldStatus::Released);
        self.tell(EventKind::HoldReleased, id, &stored.hold, &json!({}));
        Ok(self.hold_receipt(item, &StoredHold { status: HoldStatus::Released, ..stored }))
    }

    fn refund(
        &mut self,
        item: &Item,
        spend: &LedgerEntry,
        amount: Option<Credits>,
        reason: &str,
    ) -> Result<Receipt, SpendError> {
        let before = self.refunded.get(&spend.id).copied().unwrap_or(Credits::ZERO);
        let left = spend.amount.saturating_sub(before);
        let amount = amount.unwrap_or(left);
        if amount.is_zero() {
            return Err(SpendError::Denied(Denial::RefundExceedsSpend { refundable: left }));
        }
        plan_refund(&mut self.tree, &item.path, spend.amount, before, amount).map_err(SpendError::Denied)?;
        let total = before.checked_add(amount).expect("no more is given back than was spent");
        self.refunded.insert(spend.id, total);
        let entry = LedgerEntry {
            // Given back where it was counted, whatever the node is attributed to now.
            cost_center: spend.cost_center.clone(),
            department: spend.department.clone(),
            description: Some(reason.to_owned()),
            reverses: Some(spend.id),
            ..self.new_entry(item, EntryKind::Refund, amount)
        };
        let id = self.enter(entry);
        let receipt = self.entry_receipt(item, Some(id), amount);
        Ok(Receipt::Entry(SpendReceipt { reverses: Some(spend.id), ..receipt }))
    }

    fn after(&self, lasts: SignedDuration) -> jiff::Timestamp {
        self.standing.now.saturating_add(lasts).unwrap_or(jiff::Timestamp::MAX)
    }

    fn open_hold(&self, id: HoldId) -> Result<StoredHold, SpendError> {
        let stored = self.holds.get(&id).ok_or(AccessError::NotFound)?;
        match stored.status {
            HoldStatus::Held => Ok(stored.clone()),
            HoldStatus::Expired => Err(SpendError::Denied(Denial::HoldExpired)),
            HoldStatus::Captured | HoldStatus::Released | HoldStatus::Voided => {
                Err(SpendError::Denied(Denial::HoldClosed))
            }
        }
    }

    fn close(&mut self, id: HoldId, status: HoldStatus) {
        if let Some(stored) = self.holds.get_mut(&id) {
            stored.status = status;
        }
        self.writes.closed_holds.push((id, status));
    }

    /// Tells those who watch what became of a hold, after the entries decided so far.
    fn tell(&mut self, kind: EventKind, id: HoldId, hold: &Hold, further: &Value) {
        let mut told = json!({ "hold_id": id, "amount_credits": hold.amount });
        if let (Some(told), Some(further)) = (told.as_object_mut(), further.as_object()) {
            told.extend(further.clone());
        }
        self.writes.events.push(kind.at(self.seq, Some(hold.path.id()), &told));
    }

    /// The next ledger entry of an item's node.
    fn new_entry(&self, item: &Item, kind: EntryKind, amount: Credits) -> LedgerEntry {
        let terms = &self.tree.node(item.path.id()).expect("the path was locked").terms;
        // A copy of an offline child's token may say more than the one that was first used.
        let scope = item
            .credential
            .as_deref()
            .filter(|credential| credential.path == item.path)
            .map(Credential::scope);
        LedgerEntry {
            seq: self.seq + 1,
            id: fresh_id(),
            kind,
            delegation: item.path.id(),
            amount,
            cost_center: terms.cost_center.clone().or_else(|| scope?.cost_center.clone()),
            department: terms.department.clone().or_else(|| scope?.department.clone()),
            recorded_at: self.standing.now,
            idempotency_key: item.key.as_ref().map(|key| key.key.key.clone()),
            description: None,
            metadata: None,
            reverses: None,
        }
    }

    /// Appends an entry to the chain.
    fn enter(&mut self, entry: LedgerEntry) -> SpendId {
        let id = entry.id;
        self.seq = entry.seq;
        self.hash = self.hash.next(&entry);
        self.tree.sum_up(&entry);
        self.writes.entries.push((entry, self.hash));
        id
    }

    fn entry_receipt(&self, item: &Item, id: Option<SpendId>, amount: Credits) -> SpendReceipt {
        SpendReceipt {
            id,
            delegation: item.path.id(),
            amount,
            remaining: self.remaining(&item.path),
            effective_remaining: self.effective_remaining(item, &item.path),
            recorded_at: self.standing.now,
            reverses: None,
        }
    }

    fn hold_receipt(&self, item: &Item, stored: &StoredHold) -> Receipt {
        let StoredHold { id, hold, status, note } = stored;
        Receipt::Hold(HoldReceipt {
            id: *id,
            delegation: hold.path.id(),
            amount: hold.amount,
            status: status.as_str().to_owned(),
            expires_at: hold.expires_at,
            remaining: self.remaining(&hold.path),
            effective_remaining: self.effective_remaining(item, &hold.path),
            description: note.description.clone(),
            metadata: note.metadata.clone(),
        })
    }

    fn effective_remaining(&self, item: &Item, path: &NodePath) -> Option<Credits> {
        if self.is_revoked(path) {
            return self.remaining(path);
        }
        let own = item.credential.as_ref().filter(|credential| credential.path == *path);
        let limits = own.map_or(&NO_LIMITS, |credential| &credential.limits);
        self.tree.effective_remaining_now(path, limits)
    }

    /// As a look at the node shows it: a revocation voids what the subtree holds without touching its rows.
    fn remaining(&self, path: &NodePath) -> Option<Credits> {
        let node = self.tree.node(path.id())?;
        if self.is_revoked(path) {
            return node.budget.map(|budget| budget.saturating_sub(node.spent));
        }
        node.remaining()
    }

    fn is_revoked(&self, path: &NodePath) -> bool {
        matches!(self.tree.status(path), Status::Revoked(_))
    }
}
