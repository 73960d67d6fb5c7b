//! What one measurement yields, and how several of them become one line.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What clients saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    /// What was acknowledged: spends, not requests.
    pub(crate) operations: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of one request, in microseconds.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

/// What it took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// CPU time of the measured program, be it a server or this process.
    pub(crate) program: Duration,
    /// CPU time of PostgreSQL, all processes.
    pub(crate) database: Duration,
    /// What was written ahead.
    pub(crate) wal_bytes: u64,
}

/// Medians over rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) per_second: f64,
    /// The slowest and the fastest round.
    pub(crate) range: (f64, f64),
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Microseconds of CPU time for one operation.
    pub(crate) program_cpu_us: f64,
    pub(crate) database_cpu_us: f64,
    pub(crate) wal_bytes: f64,
}

impl Load {
    /// From the latencies of every request, in microseconds.
    pub(crate) fn of(operations: u64, elapsed: Duration, mut latencies_us: Vec<u64>) -> Self {
        latencies_us.sort_unstable();
        let at = |hundredth: usize| {
            latencies_us.get(latencies_us.len().saturating_sub(1) * hundredth / 100).copied().unwrap_or(0)
        };
        Self { operations, elapsed, p50_us: at(50), p99_us: at(99) }
    }
}

impl Figures {
    pub(crate) fn of(name: &'static str, rounds: &[(Load, Cost)]) -> Self {
        let of = |value: &dyn Fn(&(Load, Cost)) -> f64| median(rounds.iter().map(value).collect());
        #[expect(clippy::cast_precision_loss, reason = "rates and times need no more than 52 bits")]
        let count = |load: &Load| load.operations.max(1) as f64;
        let rate = |(load, _): &(Load, Cost)| count(load) / load.elapsed.as_secs_f64();
        let micros = |time: Duration, load: &Load| time.as_secs_f64() * 1e6 / count(load);
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let whole = |number: u64| number as f64;
        let rates = || rounds.iter().map(rate);
        Self {
            name,
            per_second: median(rates().collect()),
            range: (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max)),
            p50_us: of(&|(load, _)| whole(load.p50_us)),
            p99_us: of(&|(load, _)| whole(load.p99_us)),
            program_cpu_us: of(&|(load, cost)| micros(cost.program, load)),
            database_cpu_us: of(&|(load, cost)| micros(cost.database, load)),
            wal_bytes: of(&|(load, cost)| whole(cost.wal_bytes) / count(load)),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
