//! What the server counts about itself, and how it is written down for Prometheus.
//!
//! Invariants: to count is one or two additions to an atomic number, and never waits; which values a label may have is
//! known before anything is counted, so that no caller can make a series.
//!
//! Deliberately absent: names of tenants, delegations or people, and anything that a request says in its own words.

mod counters;
mod histogram;
mod page;

pub use counters::{Counters, Moment};
pub use histogram::{Histogram, SECONDS};
pub use page::Page;
pub use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

/// The registry's content as OpenMetrics 1.0 text.
pub fn openmetrics_text(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("a string takes everything");
    text
}

/// The same in Prometheus's older text format, for scrapers that know nothing else.
pub fn plain_text(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::prometheus_text::encode(&mut text, registry)
        .expect("a string takes everything");
    text
}
