//! One watcher: what it may see, from where on, and for how long.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use subgrant_domain::{DelegationId, EventId, EventPosition, LedgerEntry, NodePath};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, watch},
    time::Instant,
};

use super::{
    hub::Joined,
    page::{self, Body, Event, Mark, Page},
};
use crate::{AccessError, App, Caller, DelegationView, Principal, ServiceError, Via, background::task};

/// How old a resume point may be: what is older may have been forgotten.
pub(super) const RESUMABLE: SignedDuration = SignedDuration::from_hours(24 * 7);

/// How many entries of the ledger a watcher may have missed. Who missed more is faster by loading everything anew.
const MOST_MISSED: u64 = 100_000;

/// How often the watcher's credential is looked at when nothing happens, and at most when much does.
const CHECK_WHEN_IDLE: Duration = Duration::from_secs(5);
const CHECK_WHEN_BUSY: Duration = Duration::from_secs(1);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// After the event with this id.
    After(EventId),
}

/// Why nobody may watch.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The caller may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The resume point is no event's id.
    #[error("this is not the id of an event")]
    NoEvent,
    /// The caller, or the tenant, has as many streams as it may have.
    #[error("too many streams are open")]
    TooMany,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closing,
}

impl From<ServiceError> for SubscribeError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for SubscribeError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// What a watcher is sent.
#[derive(Debug)]
pub enum Delivery {
    /// The stream is open; everything after this id follows.
    Ready(EventId),
    /// What lies between the resume point and this id cannot be told any more: load everything anew.
    Reset(EventId),
    /// Something happened.
    Event(Box<EventView>),
    /// The credential is not good any more, or the database is away. The last one.
    Closed(EventId, AccessError),
}

/// Something that happened, as the watcher may see it.
#[derive(Debug)]
pub struct EventView {
    /// From where to resume.
    pub id: EventId,
    /// What happened.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// From the watcher's own node, or the highest one below it, to the node that it is about; empty where it is about
    /// none or about several.
    pub path: Vec<DelegationId>,
    /// Further facts.
    pub content: EventContent,
    /// The nodes that it changed, as they are now, as far as no later event of the same moment tells.
    pub delegations: Vec<DelegationView>,
}

/// Facts of an event.
#[derive(Debug)]
pub enum EventContent {
    /// As they were recorded.
    Recorded(Value),
    /// An entry of the ledger.
    Entry(Box<LedgerEntry>),
    /// Many entries at once.
    Summary(Vec<SpentBy>),
}

/// What several entries in a row come to at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentBy {
    /// The node.
    pub delegation: DelegationId,
    /// How many entries.
    pub entries: u64,
    /// The sum of the debits.
    pub spent: u64,
    /// The sum of the refunds.
    pub refunded: u64,
}

impl App {
    /// Opens a stream of what happens in the caller's subtree, or, for a session, in the tenant. Whoever does not take
    /// what is sent in time is dropped, and may come back with the last id.
    pub async fn subscribe(
        &self,
        principal: &Principal,
        start: Start,
    ) -> Result<mpsc::Receiver<Delivery>, SubscribeError> {
        self.open_stream(&Caller::Principal(principal.clone()), start).await
    }

    /// The same for a resource server too, which sees what becomes of every node, and nothing else.
    pub(super) async fn open_stream(
        &self,
        caller: &Caller,
        start: Start,
    ) -> Result<mpsc::Receiver<Delivery>, SubscribeError> {
        let mut tx = self.admit(caller).await?;
        let newest = page::newest(&mut tx).await?;
        drop(tx);
        let hub = &self.shared().hub;
        let closing = hub.closing();
        if *closing.borrow() {
            return Err(SubscribeError::Closing);
        }
        let (first, is_reset) = match start {
            Start::Now => (newest, false),
            Start::After(id) => {
                let (at, position) = EventPosition::read(id).ok_or(SubscribeError::NoEvent)?;
                let mark = Mark { position, at };
                if is_resumable(mark, newest) { (mark, false) } else { (newest, true) }
            }
        };
        let joined = hub.join(self, caller, newest).ok_or(SubscribeError::TooMany)?;
        let (sink, deliveries) = mpsc::channel(self.shared().options.stream_buffer);
        let id = first.position.id(first.at);
        let greeting = if is_reset { Delivery::Reset(id) } else { Delivery::Ready(id) };
        let watcher =
            Watcher { app: self.clone(), caller: caller.clone(), mark: first, checked: Instant::now(), sink };
        let app = self.clone();
        tokio::spawn(async move { app.isolate(task::EVENTS, watcher.run(greeting, joined, closing)).await });
        Ok(deliveries)
    }

    /// Ends every stream of this process, and opens no more.
    pub fn end_streams(&self) {
        self.shared().hub.close();
    }
}

/// Whether everything between `mark` and `newest` can still be told, and is worth it.
fn is_resumable(mark: Mark, newest: Mark) -> bool {
    let is_kept = newest.at.duration_since(mark.at) < RESUMABLE;
    let missed = newest.position.ledger_seq.checked_sub(mark.position.ledger_seq);
    is_kept && mark.position <= newest.position && missed.is_some_and(|missed| missed <= MOST_MISSED)
}

struct Watcher {
    app: App,
    caller: Caller,
    /// How far the watcher was told.
    mark: Mark,
    /// When its credential was last found good.
    checked: Instant,
    sink: mpsc::Sender<Delivery>,
}

/// The stream is over.
struct Over;

impl Watcher {
    async fn run(mut self, greeting: Delivery, joined: Joined, mut closing: watch::Receiver<bool>) {
        let sink = self.sink.clone();
        tokio::select! {
            // Nothing of the database is under way when these two win: work on it runs in tasks of its own.
            () = sink.closed() => {}
            _ = closing.wait_for(|is_closing| *is_closing) => {}
            _ = self.watch(greeting, joined) => {}
        }
    }

    async fn watch(&mut self, greeting: Delivery, joined: Joined) -> Result<(), Over> {
        let Joined { mut pages, handover, seat: _seat } = joined;
        self.send(greeting).await?;
        while self.mark.position < handover.position {
            let Some(page) = self.next_page().await? else { break };
            self.deliver(&page).await?;
        }
        loop {
            match tokio::time::timeout(CHECK_WHEN_IDLE, pages.recv()).await {
                Err(_) => self.check().await?,
                Ok(Ok(page)) => self.deliver(&page).await?,
                // It lags too far behind, or the reader has died: it may come back with its last id.
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return Err(Over),
            }
        }
    }

    /// Reads for itself what the common reader has already read. In a task of its own, so that the end of the stream
    /// does not cut a transaction off in the middle.
    async fn next_page(&self) -> Result<Option<Arc<Page>>, Over> {
        let (app, tenant, mark) = (self.app.clone(), self.caller.tenant(), self.mark);
        let task = tokio::spawn(async move {
            let shared = app.shared();
            page::read(&shared.database, tenant, mark, shared.options.event_page).await
        });
        match task.await {
            Ok(Ok(page)) => Ok(page.map(Arc::new)),
            Ok(Err(error)) => Err(self.close(error.into()).await),
            Err(error) => {
                self.app.note_panic(task::EVENTS, &error);
                Err(Over)
            }
        }
    }

    /// Sends what the watcher may see of a page, after its credential was found good.
    async fn deliver(&mut self, page: &Page) -> Result<(), Over> {
        if page.to.position <= self.mark.position {
            return Ok(());
        }
        if self.checked.elapsed() >= CHECK_WHEN_BUSY || page.events.iter().any(may_end_credentials) {
            self.check().await?;
        }
        debug_assert!(page.from <= self.mark.position, "nothing lies between pages");
        for event in page.events.iter().filter(|event| event.mark.position > self.mark.position) {
            let view = match &self.caller {
                Caller::Principal(principal) => view(principal, page, event),
                Caller::Service { .. } => view_of_service(event),
            };
            if let Some(view) = view {
                self.send(Delivery::Event(Box::new(view))).await?;
            }
        }
        self.mark = page.to;
        Ok(())
    }

    /// Ends the stream of a watcher whose credential is not good any more.
    async fn check(&mut self) -> Result<(), Over> {
        let (app, caller) = (self.app.clone(), self.caller.clone());
        let task = tokio::spawn(async move { app.admit(&caller).await.map(drop) });
        match task.await {
            Ok(Ok(())) => {
                self.checked = Instant::now();
                Ok(())
            }
            Ok(Err(error)) => Err(self.close(error).await),
            Err(error) => {
                self.app.note_panic(task::EVENTS, &error);
                Err(Over)
            }
        }
    }

    async fn close(&self, error: AccessError) -> Over {
        let _ = self.send(Delivery::Closed(self.mark.position.id(self.mark.at), error)).await;
        Over
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Over> {
        let patience = self.app.shared().options.stream_patience;
        self.sink.send_timeout(delivery, patience).await.map_err(|_| Over)
    }
}

/// The event as the watcher may see it; `None` where it may not.
fn view(principal: &Principal, page: &Page, event: &Event) -> Option<EventView> {
    let mut path = Vec::new();
    let (kind, content) = match &event.body {
        Body::Stored { kind, path: None, data } => {
            // People are the business of people: a token knows of nobody.
            matches!(principal.via, Via::Session { .. }).then_some(())?;
            (kind.clone(), EventContent::Recorded(data.clone()))
        }
        Body::Stored { kind, path: Some(node), data } => {
            path = visible(principal, node)?;
            (kind.clone(), EventContent::Recorded(data.clone()))
        }
        Body::Entry(entry, node) => {
            path = visible(principal, node)?;
            (entry_kind(entry).to_owned(), EventContent::Entry(entry.clone()))
        }
        Body::Summary(nodes) => {
            let seen = nodes.iter().filter(|node| visible(principal, &node.path).is_some());
            let seen: Vec<_> = seen.map(spent_by).collect();
            if seen.is_empty() {
                return None;
            }
            ("spend.summary".to_owned(), EventContent::Summary(seen))
        }
    };
    let seen = event.settled.iter().filter(|node| visible(principal, node).is_some());
    let rows = seen.filter_map(|node| page.rows.get(&node.id()));
    let delegations = rows.map(|row| DelegationView::new(&page.tree, row, principal)).collect();
    let Mark { position, at } = event.mark;
    Some(EventView { id: position.id(at), kind, at, path, content, delegations })
}

/// What a resource server may see of it: what becomes of which node.
fn view_of_service(event: &Event) -> Option<EventView> {
    let Body::Stored { kind, path: Some(node), data } = &event.body else { return None };
    let Mark { position, at } = event.mark;
    Some(EventView {
        id: position.id(at),
        kind: kind.clone(),
        at,
        path: node.ids().to_vec(),
        content: EventContent::Recorded(data.clone()),
        delegations: Vec::new(),
    })
}

/// The part of a path that the watcher may know.
fn visible(principal: &Principal, path: &NodePath) -> Option<Vec<DelegationId>> {
    let own = &principal.path;
    path.is_within(own.id()).then(|| path.ids()[own.depth()..].to_vec())
}

fn entry_kind(entry: &LedgerEntry) -> &'static str {
    match entry.kind {
        subgrant_domain::EntryKind::Spend => "spend.recorded",
        subgrant_domain::EntryKind::Refund => "spend.refunded",
        subgrant_domain::EntryKind::Adjustment => "spend.adjusted",
    }
}

fn spent_by(node: &page::SpentAt) -> SpentBy {
    let page::SpentAt { path, entries, spent, refunded } = node;
    SpentBy { delegation: path.id(), entries: *entries, spent: *spent, refunded: *refunded }
}

/// Whether somebody's credential may have ended with this event.
fn may_end_credentials(event: &Event) -> bool {
    match &event.body {
        Body::Stored { kind, .. } => {
            !kind.starts_with("hold.") && kind != "delegation.created" && kind != "delegation.adopted"
        }
        Body::Entry(..) | Body::Summary(_) => false,
    }
}
