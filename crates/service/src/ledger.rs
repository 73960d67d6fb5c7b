//! Reading the ledger of a subtree.

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId, LedgerEntry, SpendId};
use subgrant_store::ledger::{self, Range};

use crate::{AccessError, App, Principal, delegation::visible_path};

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct LedgerRequest {
    /// Of this node's subtree; absent: of the caller's.
    pub delegation: Option<DelegationId>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// After this position.
    pub after_seq: u64,
    /// At most this many.
    pub limit: u8,
}

/// A page of entries.
#[derive(Debug)]
pub struct LedgerPage {
    /// Oldest first.
    pub entries: Vec<LedgerEntry>,
    /// Where the next page begins.
    pub next_after_seq: Option<u64>,
}

impl App {
    /// Lists the entries of a subtree of the caller's, oldest first.
    pub async fn ledger(
        &self,
        principal: &Principal,
        request: &LedgerRequest,
    ) -> Result<LedgerPage, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, request.delegation).await?;
        let range = Range { from: request.from, to: request.to, id: None, after_seq: request.after_seq };
        let limit = usize::from(request.limit);
        let mut entries = ledger::list(&mut read.tx, &path, &range, i64::from(request.limit) + 1).await?;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next_after_seq = entries.last().map(|entry| entry.seq).filter(|_| has_more);
        Ok(LedgerPage { entries, next_after_seq })
    }

    /// One entry of the caller's subtree.
    pub async fn ledger_entry(&self, principal: &Principal, id: SpendId) -> Result<LedgerEntry, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let range = Range { id: Some(id), ..Range::default() };
        let found = ledger::list(&mut read.tx, &principal.path, &range, 1).await?.pop();
        found.ok_or(AccessError::NotFound)
    }
}
