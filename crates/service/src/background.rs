//! Work that nobody waits for must not end unseen: a panic is logged, counted, and the work begun anew.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::task::{JoinError, JoinSet};

use crate::App;

/// Work in the background, by the names under which panics of it are counted.
pub mod task {
    /// Looking at tenants' alerts.
    pub const ALERTS: &str = "alerts";
    /// A tenant's spend engine.
    pub const ENGINE: &str = "engine";
    /// Reading a tenant's events for its streams, and passing them on.
    pub const EVENTS: &str = "events";
    /// Housekeeping: summaries, proofs, forgetting what is old.
    pub const HOUSEKEEPING: &str = "housekeeping";
    /// Sending what the outbox holds.
    pub const SENDING: &str = "sending";

    pub(crate) const ALL: &[&str] = &[ALERTS, ENGINE, EVENTS, HOUSEKEEPING, SENDING];
}

/// The first wait before work is begun anew; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Work that went on for so long begins with the first wait again.
const HEALTHY: Duration = Duration::from_mins(10);

/// How many tasks have panicked and wait to begin anew.
#[derive(Debug, Default)]
pub(crate) struct Down(AtomicUsize);

impl Down {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counted as down until it is dropped.
struct Resting<'a>(&'a Down);

impl<'a> Resting<'a> {
    fn new(down: &'a Down) -> Self {
        down.0.fetch_add(1, Ordering::Relaxed);
        Self(down)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl App {
    /// Does work until it ends by itself, and begins it anew after each panic, with growing waits in between. Whoever stops
    /// waiting ends the work.
    pub async fn supervise<F>(&self, name: &'static str, mut work: impl FnMut() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut wait = FIRST_WAIT;
        loop {
            let began = Instant::now();
            if self.isolate(name, work()).await.is_some() {
                return;
            }
            if began.elapsed() >= HEALTHY {
                wait = FIRST_WAIT;
            }
            let resting = Resting::new(&self.metrics().down);
            tokio::time::sleep(wait).await;
            drop(resting);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Does a part of some work whose panic must not end the whole; `None`: it has panicked, which is logged and counted.
    /// Whoever stops waiting ends the work.
    pub async fn isolate<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        // Unlike a lone task, a set ends its tasks when it is dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        let ended = tasks.join_next().await?;
        ended.inspect_err(|error| self.note_panic(name, error)).ok()
    }

    /// Logs and counts that work in the background has panicked.
    pub fn note_panic(&self, name: &'static str, error: &JoinError) {
        if error.is_panic() {
            self.metrics().panics.count(name);
            tracing::error!(error = error as &dyn std::error::Error, task = name, "background work panicked");
        }
    }
}
