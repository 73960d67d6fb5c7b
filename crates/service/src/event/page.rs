//! A stretch of a tenant's stream, read at one instant from its two sources.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;
use subgrant_domain::{DelegationId, EntryKind, EventPosition, LedgerEntry, NodePath, Tree};
use subgrant_store::{
    Database, Order, TenantTx,
    delegations::{self, Delegation},
    events::{self, StoredEvent},
    ledger::{self, Range, Scope},
};

use crate::ServiceError;

/// A place in the stream, and an instant that nothing after it precedes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) position: EventPosition,
    pub(super) at: Timestamp,
}

/// Everything from one place to another, with the nodes that it touches as they are at the end.
pub(super) struct Page {
    pub(super) from: EventPosition,
    pub(super) to: Mark,
    pub(super) events: Vec<Event>,
    pub(super) tree: Tree,
    pub(super) rows: HashMap<DelegationId, Delegation>,
    /// Whether more was waiting than one page takes.
    pub(super) has_more: bool,
}

/// Something that happened.
pub(super) struct Event {
    pub(super) mark: Mark,
    pub(super) body: Body,
    /// Nodes that no later event of the page touches: this one carries their new state.
    pub(super) settled: Vec<NodePath>,
}

/// What happened.
pub(super) enum Body {
    /// An entry of the ledger, and the path of its node.
    Entry(Box<LedgerEntry>, NodePath),
    /// Several entries in a row, by node.
    Summary(Vec<SpentAt>),
    /// Anything else.
    Stored { kind: String, path: Option<NodePath>, data: Value },
}

/// What several entries in a row come to at one node.
pub(super) struct SpentAt {
    pub(super) path: NodePath,
    pub(super) entries: u64,
    pub(super) spent: u64,
    pub(super) refunded: u64,
}

impl Body {
    pub(super) fn paths(&self) -> Vec<&NodePath> {
        match self {
            Self::Entry(_, path) => vec![path],
            Self::Summary(nodes) => nodes.iter().map(|node| &node.path).collect(),
            Self::Stored { path, .. } => path.iter().collect(),
        }
    }
}

/// The newest place of a tenant's stream.
pub(super) async fn newest(tx: &mut TenantTx) -> Result<Mark, ServiceError> {
    let at = ledger::head(tx).await?.now;
    Ok(Mark { position: events::newest(tx).await?, at })
}

/// Reads what follows a place; `None` where nothing does. At most `limit` of each source.
pub(super) async fn read(
    database: &Database,
    tenant: subgrant_domain::TenantId,
    from: Mark,
    limit: i64,
) -> Result<Option<Page>, ServiceError> {
    let mut tx = database.begin_read(tenant).await?;
    let head = ledger::head(&mut tx).await?;
    let stored = events::after(&mut tx, from.position, limit).await?;
    let after_seq = from.position.ledger_seq;
    let entries = if head.seq > after_seq {
        let range = Range { after_seq, before_seq: head.seq + 1, now: head.now, order: Order::OldestFirst };
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        ledger::list(&mut tx, &Scope::All, range, most, u64::MAX).await?.entries
    } else {
        Vec::new()
    };
    if stored.is_empty() && entries.is_empty() {
        return Ok(None);
    }
    let full = |length: usize| i64::try_from(length).is_ok_and(|length| length >= limit);
    let (end, has_more) = (shared_end(&stored, &entries, full), full(stored.len()) || full(entries.len()));
    let rows = nodes(&mut tx, &stored, &entries).await?;
    let tree = Tree::new(head.now, head.zone, rows.values().map(|row| row.node.clone()));
    let mut events = merged(stored, entries, &rows)?;
    events.retain(|event| end.is_none_or(|end| event.mark.position <= end));
    if has_more {
        events = summed_up(events);
    }
    settle(&mut events);
    let Some(to) = events.last().map(|event| event.mark) else { return Ok(None) };
    Ok(Some(Page { from: from.position, to, events, tree, rows, has_more }))
}

/// Where one source was cut off, the other one must not get ahead.
fn shared_end(
    stored: &[StoredEvent],
    entries: &[LedgerEntry],
    full: impl Fn(usize) -> bool,
) -> Option<EventPosition> {
    let of_entries = entries.last().filter(|_| full(entries.len()));
    let of_entries = of_entries.map(|entry| EventPosition { ledger_seq: entry.seq, number: u64::MAX });
    let of_stored = stored.last().filter(|_| full(stored.len())).map(|event| event.position);
    of_entries.into_iter().chain(of_stored).min()
}

/// Every touched node and all above it.
async fn nodes(
    tx: &mut TenantTx,
    stored: &[StoredEvent],
    entries: &[LedgerEntry],
) -> Result<HashMap<DelegationId, Delegation>, ServiceError> {
    let own: HashSet<_> = entries.iter().map(|entry| entry.delegation).collect();
    let mut rows: HashMap<_, _> = HashMap::new();
    for row in delegations::by_ids(tx, &own.into_iter().collect::<Vec<_>>()).await? {
        rows.insert(row.node.id(), row);
    }
    let of_stored = stored.iter().filter_map(|event| event.path.as_ref());
    let paths = of_stored.chain(rows.values().map(|row| &row.node.path));
    let missing: HashSet<_> =
        paths.flat_map(NodePath::ids).filter(|id| !rows.contains_key(id)).copied().collect();
    for row in delegations::by_ids(tx, &missing.into_iter().collect::<Vec<_>>()).await? {
        rows.insert(row.node.id(), row);
    }
    Ok(rows)
}

fn merged(
    stored: Vec<StoredEvent>,
    entries: Vec<LedgerEntry>,
    rows: &HashMap<DelegationId, Delegation>,
) -> Result<Vec<Event>, ServiceError> {
    let mut events = Vec::with_capacity(stored.len() + entries.len());
    for event in stored {
        let data = serde_json::from_str(&event.data)
            .map_err(|error| ServiceError::Inconsistent(format!("an event: {error}")))?;
        let mark = Mark { position: event.position, at: event.at };
        let body = Body::Stored { kind: event.kind, path: event.path, data };
        events.push(Event { mark, body, settled: Vec::new() });
    }
    for entry in entries {
        let row = rows.get(&entry.delegation);
        let row = row.ok_or_else(|| ServiceError::Inconsistent("an entry without delegation".to_owned()))?;
        let mark = Mark { position: EventPosition::of_entry(entry.seq), at: entry.recorded_at };
        let body = Body::Entry(Box::new(entry), row.node.path.clone());
        events.push(Event { mark, body, settled: Vec::new() });
    }
    events.sort_by_key(|event| event.mark.position);
    Ok(events)
}

/// Joins entries that follow each other without anything in between into one event, which stands where the last one
/// does. Its id covers all of them, so that whoever goes on from there has seen each once.
fn summed_up(events: Vec<Event>) -> Vec<Event> {
    let mut result: Vec<Event> = Vec::new();
    for event in events {
        let Body::Entry(entry, path) = &event.body else {
            result.push(event);
            continue;
        };
        if let Some(Event { mark, body: Body::Summary(nodes), .. }) = result.last_mut() {
            *mark = event.mark;
            count(nodes, entry, path);
        } else {
            let mut nodes = Vec::new();
            count(&mut nodes, entry, path);
            result.push(Event { body: Body::Summary(nodes), ..event });
        }
    }
    result
}

fn count(nodes: &mut Vec<SpentAt>, entry: &LedgerEntry, path: &NodePath) {
    let index = nodes.iter().position(|node| node.path.id() == path.id()).unwrap_or_else(|| {
        nodes.push(SpentAt { path: path.clone(), entries: 0, spent: 0, refunded: 0 });
        nodes.len() - 1
    });
    let node = &mut nodes[index];
    node.entries += 1;
    let sum = if entry.kind == EntryKind::Refund { &mut node.refunded } else { &mut node.spent };
    *sum = sum.saturating_add(entry.amount.get());
}

/// Lets the last event that touches a node carry its state.
fn settle(events: &mut [Event]) {
    let mut seen = HashSet::new();
    for event in events.iter_mut().rev() {
        let mut settled = Vec::new();
        for path in event.body.paths() {
            for depth in 0..=path.depth() {
                if seen.insert(path.ids()[depth]) {
                    settled.push(path.prefix(depth));
                }
            }
        }
        settled.sort_by_key(NodePath::depth);
        event.settled = settled;
    }
}
