//! One reader per tenant and process, however many watch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use subgrant_domain::TenantId;
use tokio::sync::{Notify, broadcast, watch};

use super::{
    page::{self, Mark, Page},
    seats::{Seat, Seats},
};
use crate::{App, Caller, ServiceError, background::task};

/// How long another process's change may stay unnoticed.
const POLL: Duration = Duration::from_millis(250);

/// How long a reader waits after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// How many pages a watcher may lag behind before it is dropped.
const PAGES: usize = 256;

/// The readers of this process.
pub(crate) struct Hub {
    readers: Mutex<HashMap<TenantId, Arc<Reader>>>,
    closing: watch::Sender<bool>,
}

/// A tenant's reader.
struct Reader {
    wake: Notify,
    pages: broadcast::Sender<Arc<Page>>,
    /// How far it has read. Whoever subscribes under this lock misses nothing that comes after.
    position: Mutex<Mark>,
    seats: Arc<Mutex<Seats>>,
}

/// What a new watcher begins with.
pub(super) struct Joined {
    pub(super) pages: broadcast::Receiver<Arc<Page>>,
    /// Up to here the watcher reads for itself.
    pub(super) handover: Mark,
    /// To be kept for as long as it watches.
    pub(super) seat: Seat,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self { readers: Mutex::default(), closing: watch::Sender::new(false) }
    }

    /// A change of this process was committed.
    pub(crate) fn wake(&self, tenant: TenantId) {
        if let Some(reader) = self.readers.lock().expect("nothing panics under this lock").get(&tenant) {
            reader.wake.notify_one();
        }
    }

    /// How many watch.
    pub(crate) fn streams(&self) -> usize {
        let readers = self.readers.lock().expect("nothing panics under this lock");
        readers.values().map(|reader| reader.pages.receiver_count()).sum()
    }

    /// Ends every stream.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Joins the watchers of the caller's tenant, starting its reader at `newest` where there is none. `None`: there is no
    /// seat for the caller.
    pub(super) fn join(&self, app: &App, caller: &Caller, newest: Mark) -> Option<Joined> {
        let tenant = caller.tenant();
        let mut readers = self.readers.lock().expect("nothing panics under this lock");
        let reader = readers.entry(tenant).or_insert_with(|| {
            let reader = Arc::new(Reader {
                wake: Notify::new(),
                pages: broadcast::Sender::new(PAGES),
                position: Mutex::new(newest),
                seats: Arc::default(),
            });
            let (app, own) = (app.clone(), Arc::clone(&reader));
            tokio::spawn(async move {
                app.supervise(task::EVENTS, || read(app.clone(), tenant, Arc::clone(&own))).await;
            });
            reader
        });
        let seat = Seats::take(&reader.seats, caller, app.shared().options.max_streams)?;
        let position = reader.position.lock().expect("nothing panics under this lock");
        Some(Joined { pages: reader.pages.subscribe(), handover: *position, seat })
    }

    /// Forgets a reader that nobody needs any more; says whether it is forgotten.
    fn retire(&self, tenant: TenantId, reader: &Reader) -> bool {
        let mut readers = self.readers.lock().expect("nothing panics under this lock");
        let is_idle = reader.pages.receiver_count() == 0;
        if is_idle {
            readers.remove(&tenant);
        }
        is_idle
    }
}

/// Reads page after page for as long as anybody watches.
async fn read(app: App, tenant: TenantId, reader: Arc<Reader>) {
    loop {
        // A hint may get lost; the clock does not.
        let _ = tokio::time::timeout(POLL, reader.wake.notified()).await;
        if app.shared().hub.retire(tenant, &reader) {
            return;
        }
        if let Err(error) = publish(&app, tenant, &reader).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the events of a tenant cannot be read");
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Hands on everything that is new.
async fn publish(app: &App, tenant: TenantId, reader: &Reader) -> Result<(), ServiceError> {
    loop {
        let from = *reader.position.lock().expect("nothing panics under this lock");
        let shared = app.shared();
        let found = page::read(&shared.database, tenant, from, shared.options.event_page).await?;
        let Some(page) = found else { return Ok(()) };
        let has_more = page.has_more;
        let mut position = reader.position.lock().expect("nothing panics under this lock");
        *position = page.to;
        // Nobody may be left to hear it.
        let _ = reader.pages.send(Arc::new(page));
        drop(position);
        if !has_more {
            return Ok(());
        }
    }
}
