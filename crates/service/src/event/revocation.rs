//! The revocation feed: what a resource server must refuse of the tokens that it verifies without asking.
//!
//! It begins with how things stand, and goes on with events. Each entry names one node, whatever is below it: a token
//! lists the ids of its chain.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;
use subgrant_domain::{Action, DelegationId, EventId, EventPosition, NodePath, ServiceId};
use subgrant_store::{
    TenantTx,
    events::{self, StoredEvent},
    revocations::{self, Replaced, Stopped},
};

use super::{EventKind, page, subscription::RESUMABLE};
use crate::{AccessError, App, Caller, ServiceError};

/// How many rows are looked at for one page.
const LOOKED_AT: i64 = 1_000;

/// What has become of a node, or of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationKind {
    /// The node and all below it are over.
    Revoked,
    /// The node and all below it are stopped.
    Frozen,
    /// They go on.
    Unfrozen,
    /// Tokens of the node were replaced.
    Rotated,
    /// Every token of the tenant that was issued before an instant is refused.
    CutOff,
}

/// An entry of the feed.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// Where to go on from; `None` where it tells how things stood in the beginning.
    pub id: Option<EventId>,
    /// What has happened.
    pub kind: RevocationKind,
    /// To which node.
    pub delegation: DelegationId,
    /// When.
    pub at: Timestamp,
    /// The digests of the tokens that were replaced, and from when on each is refused.
    pub replaced: Vec<Replaced>,
    /// Before when tokens must have been issued to be refused.
    pub issued_before: Option<Timestamp>,
}

/// Where a page goes on: after an event or, while it is still told how things stood when that event was the newest, after
/// a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedCursor {
    event: EventId,
    after: Option<DelegationId>,
}

/// A page of the feed.
#[derive(Debug)]
pub struct RevocationPage {
    /// In order.
    pub entries: Vec<Revocation>,
    /// Where the next page begins.
    pub next: FeedCursor,
    /// Whether there is more already.
    pub has_more: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The cursor is none of this feed.
    #[error("this is no cursor of the feed")]
    NoCursor,
    /// What follows it can be told no more.
    #[error("the cursor is too old")]
    TooOld,
}

impl From<ServiceError> for FeedError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for FeedError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl FeedCursor {
    /// Reads what [`FeedCursor::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (event, after) = match text.split_once('.') {
            Some((event, suffix)) => (event, Some(DelegationId::from_suffix(suffix).ok()?)),
            None => (text, None),
        };
        let event = event.parse().ok()?;
        EventPosition::read(event).map(|_| Self { event, after })
    }

    /// The text to hand out: an event's id, and the end of a node's id where it is in the middle of the beginning.
    pub fn to_text(self) -> String {
        match self.after {
            Some(after) => format!("{}.{}", self.event, after.suffix()),
            None => self.event.to_string(),
        }
    }

    /// The event after which everything is to be told; `None` in the middle of the beginning.
    pub fn event(self) -> Option<EventId> {
        self.after.is_none().then_some(self.event)
    }
}

impl App {
    /// A page of the feed: from the beginning (`None`), or after a cursor.
    pub async fn revocations(
        &self,
        caller: &Caller,
        since: Option<FeedCursor>,
        limit: u8,
    ) -> Result<RevocationPage, FeedError> {
        let mut tx = self.admit(caller).await?;
        check_reader(caller)?;
        let newest = page::newest(&mut tx).await?;
        let newest_id = newest.position.id(newest.at);
        let cursor = since.unwrap_or(FeedCursor { event: newest_id, after: None });
        let (at, position) = EventPosition::read(cursor.event).ok_or(FeedError::NoCursor)?;
        if newest.at.duration_since(at) >= RESUMABLE || position > newest.position {
            return Err(FeedError::TooOld);
        }
        let service = caller.service();
        match (since, cursor.after) {
            (None, _) | (_, Some(_)) => beginning(&mut tx, service, cursor, newest.at, limit).await,
            (Some(_), None) => changes(&mut tx, service, position, newest_id, limit).await,
        }
    }

    /// What an event means for whoever refuses tokens; `None`: nothing.
    pub(super) async fn revocation_of(
        &self,
        caller: &Caller,
        event: StoredEvent,
    ) -> Result<Option<Revocation>, AccessError> {
        if !is_told(&event.kind) {
            return Ok(None);
        }
        let mut tx = self.shared().database.begin_read(caller.tenant()).await?;
        let facts = Facts::read(&mut tx, caller.service(), event.path.iter()).await?;
        Ok(facts.of_event(&event))
    }
}

/// Refuses whoever does not act for the whole tenant, unless it is a resource server: entries name every node.
pub(super) fn check_reader(caller: &Caller) -> Result<(), AccessError> {
    match caller {
        Caller::Principal(principal) if principal.path.depth() > 0 => {
            Err(AccessError::NotPermitted(Action::Read))
        }
        Caller::Principal(_) | Caller::Service { .. } => Ok(()),
    }
}

/// How things stand, node by node.
async fn beginning(
    tx: &mut TenantTx,
    service: Option<ServiceId>,
    cursor: FeedCursor,
    now: Timestamp,
    limit: u8,
) -> Result<RevocationPage, FeedError> {
    let mut stopped = revocations::stopped(tx, cursor.after, LOOKED_AT).await?;
    let mut has_more = i64::try_from(stopped.len()).is_ok_and(|found| found >= LOOKED_AT);
    let last = stopped.last().map(|node| node.path.id());
    stopped.retain(|node| node.expires_at.is_none_or(|end| end > now));
    let facts = Facts::read(tx, service, stopped.iter().map(|node| &node.path)).await?;
    let (mut entries, mut after) = (Vec::new(), last);
    for node in &stopped {
        let told = facts.of_node(node);
        if !entries.is_empty() && entries.len() + told.len() > usize::from(limit) {
            has_more = true;
            break;
        }
        after = Some(node.path.id());
        entries.extend(told);
    }
    let after = if has_more { after } else { None };
    Ok(RevocationPage { entries, next: FeedCursor { after, ..cursor }, has_more })
}

/// What has happened since.
async fn changes(
    tx: &mut TenantTx,
    service: Option<ServiceId>,
    position: EventPosition,
    newest: EventId,
    limit: u8,
) -> Result<RevocationPage, FeedError> {
    let looked_at = events::after(tx, position, LOOKED_AT).await?;
    let mut has_more = i64::try_from(looked_at.len()).is_ok_and(|found| found >= LOOKED_AT);
    let told = looked_at.iter().filter(|event| is_told(&event.kind));
    let facts = Facts::read(tx, service, told.filter_map(|event| event.path.as_ref())).await?;
    let (mut entries, mut last) = (Vec::new(), None);
    for event in &looked_at {
        if entries.len() >= usize::from(limit) {
            has_more = true;
            break;
        }
        last = Some(event.position.id(event.at));
        entries.extend(facts.of_event(event));
    }
    let event = last.filter(|_| has_more).unwrap_or(newest);
    Ok(RevocationPage { entries, next: FeedCursor { event, after: None }, has_more })
}

/// What else must be known of nodes to tell what has become of them.
struct Facts {
    /// Those that concern the reader; `None`: all do.
    concerning: Option<HashSet<DelegationId>>,
    replaced: HashMap<DelegationId, Vec<Replaced>>,
}

impl Facts {
    async fn read(
        tx: &mut TenantTx,
        service: Option<ServiceId>,
        paths: impl Iterator<Item = &NodePath>,
    ) -> Result<Self, ServiceError> {
        let paths: Vec<_> = paths.collect();
        let ids: Vec<_> = paths.iter().map(|path| path.id()).collect();
        let concerning = match service {
            Some(service) => Some(revocations::concerning(tx, service, &paths).await?),
            None => None,
        };
        Ok(Self { concerning, replaced: revocations::replaced(tx, &ids, service).await? })
    }

    fn of_node(&self, node: &Stopped) -> Vec<Revocation> {
        let delegation = node.path.id();
        let entry = |kind, at| Revocation {
            id: None,
            kind,
            delegation,
            at,
            replaced: Vec::new(),
            issued_before: None,
        };
        let cut_off = node
            .tokens_valid_from
            .map(|at| Revocation { issued_before: Some(at), ..entry(RevocationKind::CutOff, at) });
        if !self.concerns(delegation) {
            return cut_off.into_iter().collect();
        }
        if let Some(at) = node.revoked_at {
            return cut_off.into_iter().chain([entry(RevocationKind::Revoked, at)]).collect();
        }
        let frozen = node.frozen_at.map(|at| entry(RevocationKind::Frozen, at));
        let rotated = self.replaced.get(&delegation).and_then(|replaced| {
            let at = replaced.first()?.newest_at;
            Some(Revocation { replaced: replaced.clone(), ..entry(RevocationKind::Rotated, at) })
        });
        cut_off.into_iter().chain(frozen).chain(rotated).collect()
    }

    fn of_event(&self, event: &StoredEvent) -> Option<Revocation> {
        let (kind, delegation) = (kind_of(&event.kind)?, event.path.as_ref()?.id());
        let entry = Revocation {
            id: Some(event.position.id(event.at)),
            kind,
            delegation,
            at: event.at,
            replaced: Vec::new(),
            issued_before: None,
        };
        match kind {
            RevocationKind::CutOff => {
                let data: Value = serde_json::from_str(&event.data).ok()?;
                let issued_before = data["revoke_issued_before"].as_str()?.parse().ok()?;
                Some(Revocation { issued_before: Some(issued_before), ..entry })
            }
            RevocationKind::Rotated => {
                let replaced = self.replaced.get(&delegation)?.clone();
                Some(Revocation { replaced, ..entry })
            }
            _ => self.concerns(delegation).then_some(entry),
        }
    }

    fn concerns(&self, node: DelegationId) -> bool {
        self.concerning.as_ref().is_none_or(|concerning| concerning.contains(&node))
    }
}

fn is_told(event: &str) -> bool {
    kind_of(event).is_some()
}

fn kind_of(event: &str) -> Option<RevocationKind> {
    let kinds = [
        (EventKind::DelegationRevoked, RevocationKind::Revoked),
        (EventKind::DelegationFrozen, RevocationKind::Frozen),
        (EventKind::DelegationUnfrozen, RevocationKind::Unfrozen),
        (EventKind::DelegationRotated, RevocationKind::Rotated),
        (EventKind::RootRotated, RevocationKind::CutOff),
    ];
    kinds.into_iter().find(|(kind, _)| kind.as_str() == event).map(|(_, kind)| kind)
}
