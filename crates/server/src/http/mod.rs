//! The HTTP surface.

mod accept;
mod body;
mod convert;
mod download;
mod expiry;
mod extract;
mod handlers;
mod idempotency;
mod middleware;
mod openapi;
mod problem;
mod respond;
mod router;
mod validate;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::delivery::WebhookTargets;
use subgrant_service::App;

pub(crate) use download::Pieces;
pub use middleware::HttpService;
pub use openapi::document;
pub use router::service;

/// How requests are handled.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether anybody may create a tenant.
    pub open_signup: bool,
    /// Where webhooks may lead.
    pub webhook_targets: WebhookTargets,
    /// How long a caller waits for a handler. The handler's work goes on, so that nothing is half-done.
    pub handler_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest body of a batch of debits, in bytes.
    pub max_batch_bytes: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            open_signup: true,
            webhook_targets: WebhookTargets::default(),
            handler_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            max_body_bytes: 1024 * 1024,
            max_batch_bytes: 24 * 1024 * 1024,
        }
    }
}

/// What every handler can reach.
#[derive(Clone)]
pub struct HttpState {
    pub(crate) app: App,
    pub(crate) options: Arc<HttpOptions>,
    draining: Arc<AtomicBool>,
}

impl HttpState {
    /// The state of a server that accepts requests.
    pub fn new(app: App, options: HttpOptions) -> Self {
        Self { app, options: Arc::new(options), draining: Arc::default() }
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
