//! The whole ledger with every balance, as of one instant, piece by piece.

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId, EntryHash, LedgerEntry, TenantId};
use subgrant_store::{
    TenantTx,
    delegations::Place,
    ledger::{self, NodeSpent},
};

use crate::{
    AccessError, App, Principal, ServiceError,
    exports::{ExportPermit, ExportsBusy},
};

/// How many entries or delegations a piece has at most.
const PAGE: i64 = 2_000;

/// An export under way: a transaction that sees one instant, however long it takes.
pub struct LedgerExport {
    tx: TenantTx,
    /// Whose ledger it is.
    pub tenant: TenantId,
    /// The instant.
    pub at: Timestamp,
    /// How many entries there are.
    pub entries: u64,
    /// The newest one's hash.
    pub head_hash: EntryHash,
    progress: Progress,
    _permit: ExportPermit,
}

enum Progress {
    Entries { after_seq: u64 },
    Delegations { after: Option<Place> },
    Ended,
}

/// The next piece of an export.
#[derive(Debug)]
pub enum ExportPiece {
    /// Entries, in the order of the chain.
    Entries(Vec<(LedgerEntry, EntryHash)>),
    /// What delegations have spent, parents first: id, parent, credits.
    Delegations(Vec<(DelegationId, Option<DelegationId>, u64)>),
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The caller may not see it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There are too many just now.
    #[error(transparent)]
    Busy(#[from] ExportsBusy),
}

impl From<subgrant_store::StoreError> for ExportError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl App {
    /// Begins an export of everything. For the tenant's root.
    pub async fn export_ledger(&self, principal: &Principal) -> Result<LedgerExport, ExportError> {
        let read = self.read(principal).await?;
        principal.require_for_tenant(Action::Read)?;
        drop(read);
        self.export_ledger_of(principal.tenant).await
    }

    /// The same for an operator, who is asked for no credential.
    pub async fn export_ledger_of(&self, tenant: TenantId) -> Result<LedgerExport, ExportError> {
        let permit = self.shared().exports.begin(tenant)?;
        let mut tx = self.database().begin_read_for_export(tenant).await?;
        let head = ledger::head(&mut tx).await?;
        Ok(LedgerExport {
            tx,
            tenant,
            at: head.now,
            entries: head.seq,
            head_hash: head.hash,
            progress: Progress::Entries { after_seq: 0 },
            _permit: permit,
        })
    }
}

impl LedgerExport {
    /// The next piece; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<ExportPiece>, ServiceError> {
        loop {
            match &self.progress {
                Progress::Ended => return Ok(None),
                Progress::Entries { after_seq } => {
                    let entries = ledger::chain(&mut self.tx, *after_seq, PAGE).await?;
                    let Some((last, _)) = entries.last() else {
                        self.progress = Progress::Delegations { after: None };
                        continue;
                    };
                    self.progress = Progress::Entries { after_seq: last.seq };
                    return Ok(Some(ExportPiece::Entries(entries)));
                }
                Progress::Delegations { after } => {
                    let nodes = ledger::spent_after(&mut self.tx, after.as_ref(), PAGE).await?;
                    let Some(last) = nodes.last() else {
                        self.progress = Progress::Ended;
                        continue;
                    };
                    self.progress = Progress::Delegations { after: Some(last.place.clone()) };
                    let piece =
                        nodes.into_iter().map(|NodeSpent { id, parent, spent, .. }| (id, parent, spent));
                    return Ok(Some(ExportPiece::Delegations(piece.collect())));
                }
            }
        }
    }
}
