//! Complains when traces do not arrive, but not each time.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Exports},
};

/// How often at most the log says so.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// Exports, and says what was lost.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: SpanExporter,
    losses: Mutex<Losses>,
}

#[derive(Debug, Default)]
struct Losses {
    spans: usize,
    complained: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(inner: SpanExporter) -> Self {
        Self { inner, losses: Mutex::default() }
    }
}

impl Losses {
    /// Counts spans that were lost, and returns how many there were since the last complaint if another one is due.
    fn add(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        let is_due = self.complained.is_none_or(|last| now.duration_since(last) >= COMPLAIN_EVERY);
        is_due.then(|| {
            self.complained = Some(now);
            std::mem::take(&mut self.spans)
        })
    }
}

impl Exports for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.inner.export(batch).await;
        if let Err(error) = &exported {
            let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(lost) = losses.add(spans, Instant::now()) {
                tracing::warn!(%error, lost, "traces were not exported; this is said once a minute at most");
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_once_a_minute_and_none_is_forgotten() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        let mut after = |seconds, spans| losses.add(spans, start + Duration::from_secs(seconds));
        assert_eq!(after(0, 5), Some(5));
        assert_eq!(after(1, 7), None);
        assert_eq!(after(59, 1), None);
        assert_eq!(after(60, 2), Some(10));
        assert_eq!(after(61, 3), None);
    }
}
