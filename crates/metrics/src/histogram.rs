//! How values are distributed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds for times, in seconds: from a lookup in memory to what a client gives up on.
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets with fixed bounds. Unlike the library's own, it takes no lock: who observes adds to two numbers.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all.
    buckets: Box<[AtomicU64]>,
    /// In millionths, so that whole numbers suffice: half a million years of seconds.
    sum_millionths: AtomicU64,
}

impl Histogram {
    /// With these upper bounds, in ascending order.
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum_millionths: AtomicU64::new(0) }
    }

    /// Takes note of a time.
    pub fn observe(&self, time: Duration) {
        self.take(time.as_secs_f64(), u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Takes note of a number of things.
    pub fn observe_count(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.take(f64::from(count), u64::from(count) * 1_000_000);
    }

    fn take(&self, value: f64, millionths: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add(millionths, Ordering::Relaxed);
    }

    /// The sum, how many there were, and how many up to each bound and above the one before.
    pub(crate) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        #[expect(clippy::cast_precision_loss, reason = "what a sum of so many values loses does not show")]
        let sum = self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6;
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        // Counted from the same reading, so that the count is that of the highest bucket whatever happens meanwhile.
        (sum, counts.iter().sum(), bounds.zip(counts).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_it_and_one_above_all_to_the_last() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for count in [0, 1, 2, 10, 11, 1_000] {
            histogram.observe_count(count);
        }
        assert_eq!(histogram.read(), (1_024.0, 6, vec![(1.0, 2), (10.0, 2), (f64::INFINITY, 2)]));
    }

    #[test]
    fn times_are_summed_up_in_seconds() {
        let histogram = Histogram::new(SECONDS);
        histogram.observe(Duration::from_millis(1_500));
        histogram.observe(Duration::from_micros(250));
        let (sum, count, buckets) = histogram.read();
        assert_eq!((sum, count), (1.500_25, 2));
        assert_eq!(buckets[0], (0.0005, 1));
        assert!(buckets.contains(&(2.5, 1)));
    }
}
