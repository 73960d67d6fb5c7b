//! Sends what one lane holds, in turns: of each party one thing, then of the next.
//!
//! A party that is slow, or has much, is bounded by itself: others have their turn at the next claim. Bounds are per process.

use std::{collections::HashMap, sync::Arc, time::Duration};

use subgrant_service::{App, OutboxItem, OutboxLane, background::task};
use tokio::{
    sync::Semaphore,
    task::{Id, JoinError, JoinSet},
};
use uuid::Uuid;

use super::{Senders, send};

/// What nobody has told of is looked for so often.
const POLL: Duration = Duration::from_secs(2);

/// How many of a lane read or note something in the database at the same time.
const BOOKS: usize = 4;

/// How much is sent at the same time.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// In all.
    at_once: usize,
    /// Of one party, while less than half of all is being sent; otherwise one.
    of_party: usize,
}

/// Calls wait for receivers, any of which may take its time, and cost hardly anything meanwhile. Mail waits for one server,
/// which is the operator's.
const fn bounds(lane: OutboxLane) -> Bounds {
    match lane {
        OutboxLane::Reset => Bounds { at_once: 8, of_party: 1 },
        OutboxLane::Mail => Bounds { at_once: 8, of_party: 2 },
        OutboxLane::Call => Bounds { at_once: 256, of_party: 4 },
    }
}

/// What is being sent, and whose turn it is.
struct Turns {
    bounds: Bounds,
    sending: JoinSet<()>,
    items: HashMap<Id, OutboxItem>,
    of_party: HashMap<Uuid, usize>,
    /// The party whose turn it was last.
    last: Uuid,
}

/// Sends until the process ends.
pub(super) async fn work(app: App, senders: Arc<Senders>, lane: OutboxLane) {
    let books = Arc::new(Semaphore::new(BOOKS));
    let mut turns = Turns::new(bounds(lane));
    loop {
        while let Some(ended) = turns.sending.try_join_next_with_id() {
            turns.conclude(&app, ended).await;
        }
        let items = turns.claim(&app, lane).await;
        if items.is_empty() {
            // Whatever the reason: nothing happens for a while, or until somebody says that there is something to send, or
            // that somebody is free to send it.
            tokio::select! {
                Some(ended) = turns.sending.join_next_with_id() => turns.conclude(&app, ended).await,
                _ = tokio::time::timeout(POLL, app.outbox_filled(lane)) => {}
            }
        }
        for item in items {
            let (app, senders, books) = (app.clone(), Arc::clone(&senders), Arc::clone(&books));
            turns.begin(item.clone(), async move { send(&app, &senders, &books, &item).await });
        }
    }
}

impl Turns {
    fn new(bounds: Bounds) -> Self {
        let (items, of_party) = (HashMap::new(), HashMap::new());
        Self { bounds, sending: JoinSet::new(), items, of_party, last: Uuid::nil() }
    }

    /// Takes one thing of each party whose turn it is, as far as there is room.
    async fn claim(&mut self, app: &App, lane: OutboxLane) -> Vec<OutboxItem> {
        let free = self.bounds.at_once.saturating_sub(self.sending.len());
        if free == 0 {
            return Vec::new();
        }
        let free = i64::try_from(free).unwrap_or(1);
        let busy = self.busy();
        // After the last party comes the first one again.
        let starts = if self.last.is_nil() { vec![Uuid::nil()] } else { vec![self.last, Uuid::nil()] };
        for after in starts {
            let claimed = app.claim_outbox(lane, after, &busy, free).await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                Vec::new()
            });
            self.last = claimed.iter().map(|item| item.party).max().unwrap_or_default();
            if !claimed.is_empty() {
                return claimed;
            }
        }
        Vec::new()
    }

    /// Those of whom nothing more is sent just now.
    fn busy(&self) -> Vec<Uuid> {
        let is_crowded = self.sending.len() * 2 >= self.bounds.at_once;
        let most = if is_crowded { 1 } else { self.bounds.of_party };
        self.of_party.iter().filter(|(_, sending)| **sending >= most).map(|(party, _)| *party).collect()
    }

    fn begin(&mut self, item: OutboxItem, sending: impl Future<Output = ()> + Send + 'static) {
        *self.of_party.entry(item.party).or_default() += 1;
        self.items.insert(self.sending.spawn(sending).id(), item);
    }

    /// Takes note that something was sent, or that the attempt has panicked: then it counts as failed.
    async fn conclude(&mut self, app: &App, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(item) = self.items.remove(&id) else { return };
        if let Some(sending) = self.of_party.get_mut(&item.party) {
            *sending -= 1;
            if *sending == 0 {
                self.of_party.remove(&item.party);
            }
        }
        if let Err(error) = ended {
            app.note_panic(task::SENDING, &error);
            // Where this fails as well, the claim ends by itself.
            let _ = app.retry(&item).await;
        }
    }
}
