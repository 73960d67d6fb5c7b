//! Reading the ledger of a subtree.

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId, LedgerEntry, NodePath, SpendId};
use subgrant_store::{
    Order,
    delegations::Place,
    ledger::{self, Range, Scope},
};

use crate::{
    AccessError, App, Principal, ServiceError,
    delegation::visible_path,
    locked::{Loaded, ReadTenant},
};

/// The most entries that a page of a large subtree looks at.
const MOST: u64 = 5_000;

/// The entries of a subtree with more nodes than this are looked for among the tenant's; of a smaller one, node by node.
const SMALL_SUBTREE: u64 = 2_000;

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct LedgerRequest {
    /// Of this node's subtree; absent: of the caller's.
    pub delegation: Option<DelegationId>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// From the one after this position on, in that order.
    pub after: Option<u64>,
    /// At most this many.
    pub limit: u8,
}

/// A page of entries.
#[derive(Debug)]
pub struct LedgerPage {
    /// In the order asked for.
    pub entries: Vec<LedgerEntry>,
    /// Where the next page begins.
    pub next: Option<u64>,
}

impl App {
    /// Lists the entries of a subtree of the caller's.
    pub async fn ledger(
        &self,
        principal: &Principal,
        request: &LedgerRequest,
    ) -> Result<LedgerPage, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, request.delegation).await?;
        let (scope, range) = (scope(&mut read, &path).await?, range(&mut read, request).await?);
        let limit = usize::from(request.limit);
        let listed = ledger::list(&mut read.tx, &scope, range, limit + 1, MOST).await?;
        let mut entries = listed.entries;
        let is_full = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|entry| entry.seq);
        let next = if is_full { last } else { listed.looked_until };
        Ok(LedgerPage { entries, next })
    }

    /// One entry of the caller's subtree.
    pub async fn ledger_entry(&self, principal: &Principal, id: SpendId) -> Result<LedgerEntry, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let found = ledger::by_id(&mut read.tx, id).await?;
        let found = found.filter(|(_, path)| path.is_within(principal.path.id()));
        found.map(|(entry, _)| entry).ok_or(AccessError::NotFound)
    }
}

/// How the entries of a subtree are found.
async fn scope(read: &mut ReadTenant, path: &NodePath) -> Result<Scope, ServiceError> {
    if path.depth() == 0 {
        return Ok(Scope::All);
    }
    read.load(&[path]).await?;
    let span = Place::of(path).subtree();
    // Another server may know of a node that was made offline before this one does; it has no entries then.
    let descendants = read.row(path.id()).map_or(0, |row| row.node.descendants);
    Ok(if descendants <= SMALL_SUBTREE { Scope::EachOf(span) } else { Scope::Among(span) })
}

/// Entries never go back in time, so that a range of times is one of positions.
async fn range(read: &mut ReadTenant, request: &LedgerRequest) -> Result<Range, ServiceError> {
    let head = ledger::head(&mut read.tx).await?;
    let since = match request.from {
        Some(from) => ledger::first_seq_since(&mut read.tx, from, head.seq).await?,
        None => 1,
    };
    let before_seq = match request.to {
        Some(to) => ledger::first_seq_since(&mut read.tx, to, head.seq).await?,
        None => head.seq + 1,
    };
    let whole = Range { after_seq: since - 1, before_seq, now: head.now, order: request.order };
    Ok(match (request.after, request.order) {
        (None, _) => whole,
        (Some(seq), Order::OldestFirst) => Range { after_seq: seq.max(whole.after_seq), ..whole },
        (Some(seq), Order::NewestFirst) => Range { before_seq: seq.min(whole.before_seq), ..whole },
    })
}
