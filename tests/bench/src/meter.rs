//! CPU time and write-ahead log, before and after.

use std::time::Duration;

use procfs::process::{Process, Stat, all_processes};
use sqlx::PgPool;

use crate::figures::Cost;

/// Reads what a measurement costs.
pub(crate) struct Meter {
    pool: PgPool,
    postmaster: i32,
}

/// How the counters stood.
pub(crate) struct Reading {
    cost: Cost,
}

impl Meter {
    /// `pool` leads to the measured database.
    pub(crate) async fn new(pool: &PgPool) -> Self {
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(pool)
            .await
            .expect("the database answers");
        let postmaster = stat(backend).expect("the database runs on this machine").ppid;
        Self { pool: pool.clone(), postmaster }
    }

    /// Reads the counters. `programs` are the measured processes besides the database.
    pub(crate) async fn read(&self, programs: &[u32]) -> Reading {
        let wal_bytes: i64 =
            sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
                .fetch_one(&self.pool)
                .await
                .expect("the superuser may look at the log");
        let program = programs.iter().filter_map(|pid| stat(pid.cast_signed())).map(|stat| own(&stat)).sum();
        Reading { cost: Cost { program, database: self.database(), wal_bytes: wal_bytes.cast_unsigned() } }
    }

    /// What was spent since `before`.
    pub(crate) async fn since(&self, before: &Reading, programs: &[u32]) -> Cost {
        let now = self.read(programs).await.cost;
        Cost {
            program: now.program.saturating_sub(before.cost.program),
            database: now.database.saturating_sub(before.cost.database),
            wal_bytes: now.wal_bytes.saturating_sub(before.cost.wal_bytes),
        }
    }

    /// Of the postmaster's children, those that have ended included.
    fn database(&self) -> Duration {
        let postmaster = stat(self.postmaster).expect("the database runs");
        let ended = ticks(postmaster.cutime.cast_unsigned() + postmaster.cstime.cast_unsigned());
        let children =
            all_processes().expect("/proc is mounted").filter_map(|process| process.ok()?.stat().ok());
        let running: Duration =
            children.filter(|stat| stat.ppid == self.postmaster).map(|stat| own(&stat)).sum();
        ended + running
    }
}

fn stat(pid: i32) -> Option<Stat> {
    Process::new(pid).ok()?.stat().ok()
}

fn own(stat: &Stat) -> Duration {
    ticks(stat.utime + stat.stime)
}

#[expect(clippy::cast_precision_loss, reason = "a run takes minutes")]
fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / procfs::ticks_per_second() as f64)
}
