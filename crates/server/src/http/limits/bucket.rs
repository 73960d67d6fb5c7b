//! Token buckets, by the generic cell rate algorithm: of each subject one number is kept, the moment at which its bucket
//! will be full again.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Requests that it regains in a second.
    pub(super) per_second: f64,
    /// Requests that may come at once.
    pub(super) burst: f64,
}

impl Rate {
    /// Between two requests, in nanoseconds.
    fn interval_ns(self) -> f64 {
        1e9 / self.per_second
    }

    /// How long an empty bucket takes to be full.
    pub(super) fn window(self) -> Duration {
        Duration::from_secs_f64(self.burst / self.per_second)
    }
}

/// The buckets of many subjects. Those that were not used lately are forgotten, which is to fill them.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// When each is full, in nanoseconds since the server's start.
    full_at: Cache<K, Arc<AtomicU64>>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { full_at: Cache::new(most) }
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.full_at.len()
    }

    /// Takes `many` out of a subject's bucket, unless it is empty: then says how long to wait. More than it holds may be
    /// taken at once, and is waited for afterwards.
    pub(super) fn take(&self, subject: &K, rate: Rate, many: f64, now: Duration) -> Result<(), Duration> {
        let bucket = self.bucket(subject);
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            after(full_at, rate, many, now).ok()
        });
        taken.map(drop).map_err(|full_at| after(full_at, rate, many, now).err().unwrap_or_default())
    }

    /// How long to wait, where a subject's bucket is empty.
    pub(super) fn look(&self, subject: &K, rate: Rate, now: Duration) -> Result<(), Duration> {
        let Some(bucket) = self.full_at.get(subject) else { return Ok(()) };
        after(bucket.load(Ordering::Relaxed), rate, 1.0, now).map(drop)
    }

    fn bucket(&self, subject: &K) -> Arc<AtomicU64> {
        self.full_at.get(subject).unwrap_or_else(|| {
            let full = Arc::new(AtomicU64::new(0));
            self.full_at.insert(subject.clone(), Arc::clone(&full));
            full
        })
    }
}

/// When a bucket is full after something was taken out of it, or how long to wait.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds of some years; negative ones and those too many saturate"
)]
fn after(full_at: u64, rate: Rate, many: f64, now: Duration) -> Result<u64, Duration> {
    let (interval, now) = (rate.interval_ns(), now.as_nanos() as f64);
    let full_at = (full_at as f64).max(now);
    // The latest at which it may be full, so that there is one left.
    let latest = now + (rate.burst.max(1.0) - 1.0) * interval;
    if full_at > latest + 1.0 {
        return Err(Duration::from_nanos((full_at - latest) as u64));
    }
    Ok((full_at + many * interval) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 10.0 };

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(1_000.0 + seconds)
    }

    fn passed(buckets: &Buckets<u8>, attempts: usize, now: Duration) -> usize {
        (0..attempts).filter(|_| buckets.take(&1, RATE, 1.0, now).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_its_burst_and_regains_its_rate() {
        let buckets = Buckets::new(10);
        assert_eq!(passed(&buckets, 100, at(0.0)), 10);
        assert_eq!(passed(&buckets, 100, at(3.0)), 6);
        assert_eq!(passed(&buckets, 100, at(3.2)), 0);
        assert_eq!(passed(&buckets, 100, at(3_600.0)), 10, "and no more than that");
        assert!(buckets.take(&2, RATE, 1.0, at(0.0)).is_ok(), "another subject has its own");
    }

    #[test]
    fn whoever_waits_as_long_as_was_said_gets_through() {
        let buckets = Buckets::new(10);
        assert!(buckets.take(&1, RATE, 35.0, at(0.0)).is_ok(), "more than it holds, once");
        let wait = buckets.take(&1, RATE, 1.0, at(0.0)).unwrap_err();
        assert_eq!((wait.as_millis() + 500) / 1_000, 13, "25 of debt and one, at two a second");
        assert_eq!(buckets.look(&1, RATE, at(0.0)), Err(wait));
        let early = at(wait.as_secs_f64() - 0.1);
        assert!(buckets.take(&1, RATE, 1.0, early).is_err());
        assert!(buckets.take(&1, RATE, 1.0, at(wait.as_secs_f64() + 0.001)).is_ok());
    }

    #[test]
    fn however_many_subjects_there_are_memory_is_bounded() {
        let buckets = Buckets::new(100);
        for subject in 0..10_000_u32 {
            assert!(buckets.take(&subject, RATE, 1.0, at(0.0)).is_ok());
        }
        assert!(buckets.len() <= 128, "{} are kept", buckets.len());
    }
}
