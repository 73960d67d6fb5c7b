//! What the service counts for whoever operates it.

mod outcome;

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use subgrant_domain::TenantId;
use subgrant_metrics::{Collector, Counters, DescriptorEncoder, Histogram, Moment, Page, SECONDS};

use crate::{
    App,
    background::{Down, task},
    engine::QueueUse,
    proof::Proof,
};

pub(crate) use outcome::{OVERLOADED, outcome};

/// Upper bounds for the items of a batch: one that goes alone, up to all that are decided at once.
const ITEMS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// Items by what they were answered with.
    pub(crate) items: Counters,
    /// Batches by what became of them.
    pub(crate) batches: Counters,
    /// The items of those that were committed.
    pub(crate) batch_items: Histogram,
    /// How long it took to write and commit them.
    pub(crate) commit_times: Histogram,
    /// Tokens by whether they were known.
    pub(crate) tokens: Counters,
    /// Mails by what became of the attempt to send them.
    pub mails: Counters,
    /// Calls of webhooks in the same way.
    pub calls: Counters,
    /// Panics of work in the background, by what it was.
    pub(crate) panics: Counters,
    /// Work in the background that waits to begin anew.
    pub(crate) down: Down,
    /// Runs of housekeeping.
    pub housekeeping: Counters,
    /// When the last one was completed.
    pub housekeeping_completed: Moment,
    proofs: Counters,
    proved: Moment,
    /// Those whose last proof found a fault. Kept apart, so that the next tenant's good proof does not hide a bad one.
    not_intact: Mutex<HashSet<TenantId>>,
}

/// What became of something that was to be sent.
pub const SENT: &str = "sent";
/// It is tried again later.
pub const PUT_OFF: &str = "put_off";
/// It is given up.
pub const GIVEN_UP: &str = "given_up";

const SENDING: &[&str] = &[SENT, PUT_OFF, GIVEN_UP];

/// What became of work in the background.
pub const COMPLETED: &str = "completed";
/// It will be tried again.
pub const FAILED: &str = "failed";

/// Where a token was found.
pub(crate) const CACHED: &str = "cached";
pub(crate) const VERIFIED: &str = "verified";
pub(crate) const REFUSED: &str = "refused";

/// What became of a batch.
pub(crate) const COMMITTED: &str = "committed";

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            items: Counters::new(outcome::OUTCOMES),
            batches: Counters::new(&[
                COMMITTED,
                "stale",
                "key_taken",
                "unavailable",
                "refused",
                "outcome_unknown",
            ]),
            batch_items: Histogram::new(ITEMS),
            commit_times: Histogram::new(SECONDS),
            tokens: Counters::new(&[CACHED, VERIFIED, REFUSED]),
            mails: Counters::new(SENDING),
            calls: Counters::new(SENDING),
            panics: Counters::new(task::ALL),
            down: Down::default(),
            housekeeping: Counters::new(&[COMPLETED, FAILED]),
            housekeeping_completed: Moment::default(),
            proofs: Counters::new(&["intact", "fault"]),
            proved: Moment::default(),
            not_intact: Mutex::default(),
        }
    }

    /// Takes note of a proof of a tenant's books.
    pub(crate) fn proved(&self, tenant: TenantId, proof: &Proof) {
        let mut not_intact = self.not_intact.lock().unwrap_or_else(PoisonError::into_inner);
        if proof.first_fault.is_some() {
            not_intact.insert(tenant);
        } else {
            not_intact.remove(&tenant);
        }
        drop(not_intact);
        self.proofs.count(if proof.first_fault.is_some() { "fault" } else { "intact" });
        self.proved.set();
    }

    fn write_engine(&self, page: &mut Page<'_>, queues: &QueueUse) -> fmt::Result {
        page.gauge("engine_queues", "Tenants whose queue is open", queues.open)?;
        page.gauge(
            "engine_waiting_items",
            "Items in all queues that no batch has taken yet",
            queues.waiting,
        )?;
        let help = "Items in the fullest queue; beyond the capacity of one, 503 is answered";
        page.gauge("engine_fullest_queue_items", help, queues.fullest)?;
        page.gauge("engine_queue_capacity_items", "How many items one queue holds", queues.capacity)?;
        let help = "Spends, holds, captures, extensions, releases and refunds by what they were answered with: acknowledged, replayed, or the code of the refusal";
        page.counters("engine_items", help, "outcome", &self.items)?;
        let help = "Transactions of the engine by what became of them; what is stale or has a key taken is decided again";
        page.counters("engine_batches", help, "result", &self.batches)?;
        page.histogram("engine_batch_items", "Items of each committed transaction", &self.batch_items)?;
        let help = "Time to lock, write and commit each committed transaction";
        page.seconds("engine_commit_duration", help, &self.commit_times)
    }

    fn write_work(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Tokens that were presented: known already, verified, or refused when they were verified";
        page.counters("token_lookups", help, "result", &self.tokens)?;
        page.counters("mails", "Attempts to send mail", "result", &self.mails)?;
        page.counters("webhook_calls", "Attempts to call webhooks", "result", &self.calls)?;
        let help = "Panics of work in the background, which begins anew after each";
        page.counters("background_panics", help, "task", &self.panics)?;
        let help = "Work in the background that has panicked and waits to begin anew";
        page.gauge("background_tasks_down", help, self.down.count())?;
        page.counters("housekeeping_runs", "Runs of housekeeping", "result", &self.housekeeping)?;
        let help = "When housekeeping was last completed";
        page.moment("housekeeping_completed", help, &self.housekeeping_completed)?;
        let help = "Proofs of tenants' books, asked for or by housekeeping";
        page.counters("ledger_proofs", help, "result", &self.proofs)?;
        page.moment("ledger_proved", "When books were last proved", &self.proved)?;
        let not_intact = self.not_intact.lock().unwrap_or_else(PoisonError::into_inner).len();
        let help = "1 while no tenant's last proof by this process has found a fault, otherwise 0";
        page.gauge("ledger_intact", help, usize::from(not_intact == 0))?;
        page.gauge("ledgers_not_intact", "Tenants whose last proof has found a fault", not_intact)
    }
}

/// Writes what the service has counted, and how it stands at the moment. Asks nobody, the database least of all.
struct AppCollector(App);

impl fmt::Debug for AppCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppCollector")
    }
}

impl Collector for AppCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let shared = self.0.shared();
        let mut page = Page::new(encoder);
        shared.metrics.write_engine(&mut page, &shared.engine.queue_use())?;
        let pool = shared.database.pool_use();
        let states = [("busy", pool.busy), ("idle", pool.idle)];
        page.gauges("database_connections", "Open connections to the database", "state", &states)?;
        page.gauge("database_max_connections", "The most connections to the database", pool.most)?;
        let help = "Time to get a connection and begin a transaction on it";
        page.seconds("database_begin_duration", help, shared.database.begin_times())?;
        let lanes = shared.database.lane_use();
        let waiting = [("write", lanes.writers), ("read", lanes.readers), ("stranger", lanes.strangers)];
        let help = "Transactions that wait for their turn, before they take a connection";
        page.gauges("database_waiting", help, "lane", &waiting)?;
        let hashing = shared.hashing.hashing_use();
        let waiting = [("known", hashing.known), ("new", hashing.new)];
        let help = "Passwords that wait to be hashed: to sign in, or because they are new";
        page.gauges("password_hashing_waiting", help, "password", &waiting)?;
        page.gauge("event_streams", "Open streams of events", shared.hub.streams())?;
        shared.metrics.write_work(&mut page)
    }
}

impl App {
    /// Where work outside of this crate is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared().metrics
    }

    /// Everything that the service counts, to be written when somebody asks.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(AppCollector(self.clone()))
    }
}
