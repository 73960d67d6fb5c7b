//! Numbers that only grow, and moments.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

/// Counters that differ in the value of one label.
#[derive(Debug)]
pub struct Counters {
    values: &'static [&'static str],
    counts: Box<[AtomicU64]>,
}

impl Counters {
    /// One for each value; those that are counted most often come first.
    pub fn new(values: &'static [&'static str]) -> Self {
        Self { values, counts: values.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts one more.
    pub fn count(&self, value: &'static str) {
        self.add(value, 1);
    }

    /// Counts so many more.
    pub fn add(&self, value: &'static str, many: u64) {
        let place = self.values.iter().position(|known| *known == value);
        debug_assert!(place.is_some(), "{value} is not among {:?}", self.values);
        if let Some(place) = place {
            self.counts[place].fetch_add(many, Ordering::Relaxed);
        }
    }

    /// Every value with how often it was counted.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.values.iter().zip(&self.counts).map(|(value, count)| (*value, count.load(Ordering::Relaxed)))
    }
}

/// When something last happened, if it did.
#[derive(Debug, Default)]
pub struct Moment {
    unix_ms: AtomicU64,
}

impl Moment {
    /// It happens now.
    pub fn set(&self) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.unix_ms.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// In seconds since 1970.
    pub(crate) fn unix_seconds(&self) -> Option<f64> {
        let unix_ms = self.unix_ms.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a double holds milliseconds for 285,000 years")]
        (unix_ms > 0).then_some(unix_ms as f64 / 1_000.0)
    }
}
