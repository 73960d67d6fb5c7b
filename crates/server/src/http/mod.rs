//! The HTTP surface.

mod accept;
mod body;
mod budget;
mod convert;
mod download;
mod event_stream;
mod expiry;
mod extract;
mod forwarded;
mod handlers;
mod idempotency;
mod intake;
mod limits;
mod middleware;
mod openapi;
mod problem;
mod requests;
mod respond;
mod router;
mod trace;
mod validate;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{connections::Connections, delivery::WebhookTargets};
use subgrant_metrics::Registry;
use subgrant_service::App;

pub(crate) use budget::{Budget, Held};
pub(crate) use download::Pieces;
pub use forwarded::{TrustedProxies, TrustedProxy};
pub use limits::{Limit, RateChange, Rates, keep_count, leave_count};
pub use middleware::HttpService;
pub use openapi::document;
pub use router::{metrics_service, service};

use budget::BytesInFlight;
use limits::{LimitsCollector, RateLimits};
use requests::Requests;

/// How requests are handled.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether anybody may create a tenant.
    pub open_signup: bool,
    /// Where webhooks may lead.
    pub webhook_targets: WebhookTargets,
    /// Who is told by `/metrics`.
    pub metrics_for: MetricsFor,
    /// Whose word about their clients counts.
    pub trusted_proxies: TrustedProxies,
    /// Scheme and host under which browsers reach this server, where it is known: `https://credits.acme.example`.
    pub public_origin: Option<String>,
    /// How long a caller waits for a handler. The handler's work goes on, so that nothing is half-done.
    pub handler_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long the reader of an export may take for each piece of it, some hundred kilobytes.
    pub piece_timeout: Duration,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest body of a batch of debits, in bytes.
    pub max_batch_bytes: usize,
    /// The most bytes of requests that are not answered yet. Beyond it the answer is 503.
    pub max_bytes_in_flight: usize,
    /// How often who may ask for what.
    pub rates: Rates,
}

/// Who is told by `/metrics` at the address of everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFor {
    /// Nobody: it has an address of its own.
    Nobody,
    /// Processes of the same machine that ask for themselves.
    ThisMachine,
    /// Anybody.
    Anybody,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            open_signup: true,
            webhook_targets: WebhookTargets::default(),
            metrics_for: MetricsFor::ThisMachine,
            trusted_proxies: TrustedProxies::default(),
            public_origin: None,
            handler_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            piece_timeout: Duration::from_secs(30),
            max_body_bytes: 1024 * 1024,
            max_batch_bytes: 24 * 1024 * 1024,
            max_bytes_in_flight: 256 * 1024 * 1024,
            rates: Rates::default(),
        }
    }
}

/// What every handler can reach.
#[derive(Clone)]
pub struct HttpState {
    pub(crate) app: App,
    pub(crate) options: Arc<HttpOptions>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) limits: Arc<RateLimits>,
    requests: Arc<Requests>,
    draining: Arc<AtomicBool>,
}

impl HttpState {
    /// The state of a server that accepts requests, which come over these connections.
    pub fn new(app: App, options: HttpOptions, connections: &Arc<Connections>) -> Self {
        let requests = Arc::new(Requests::new(router::templates()));
        let budget = Arc::new(Budget::new(options.max_bytes_in_flight));
        let limits = RateLimits::new(options.rates.clone());
        let mut registry = registry(&app, &requests, &limits);
        registry.register_collector(Box::new(Arc::clone(connections)));
        registry.register_collector(Box::new(BytesInFlight(Arc::clone(&budget))));
        let (options, registry) = (Arc::new(options), Arc::new(registry));
        Self { app, options, registry, budget, limits, requests, draining: Arc::default() }
    }

    /// From now on the readiness probe fails, so that no new work is sent here; streams end.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.app.end_streams();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Everything that `/metrics` shows.
fn registry(app: &App, requests: &Arc<Requests>, limits: &Arc<RateLimits>) -> Registry {
    let mut registry = Registry::with_prefix("subgrant");
    registry.register_collector(Box::new(requests::Build));
    registry.register_collector(Box::new(Arc::clone(requests)));
    registry.register_collector(app.collector());
    registry.register_collector(Box::new(LimitsCollector(Arc::clone(limits))));
    registry
}
