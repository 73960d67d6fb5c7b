//! Attempts to sign in, counted over all server processes.

use std::time::Duration;

use sqlx::PgExecutor;

use crate::{Database, Result, TenantTx};

/// What is counted: a digest of an account or of a network address.
pub type Subject = [u8; 32];

/// How many attempts there were in the window, and how much of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// This one included.
    pub attempts: i32,
    /// Until the window is over.
    pub left: Duration,
}

/// Counts an attempt before it is made, so that attempts at the same time count as well. A window begins with the first
/// attempt after the last one is over.
pub async fn count(database: &Database, subject: &Subject, window: Duration) -> Result<Counted> {
    count_on(database.directory(), subject, window).await
}

/// The same as a part of a transaction: what is not committed is not counted.
pub async fn count_in(tx: &mut TenantTx, subject: &Subject, window: Duration) -> Result<Counted> {
    count_on(tx.connection(), subject, window).await
}

async fn count_on(executor: impl PgExecutor<'_>, subject: &Subject, window: Duration) -> Result<Counted> {
    let seconds = window.as_secs_f64();
    let row = sqlx::query!(
        r#"INSERT INTO sign_in_attempts AS a (subject, window_start, attempts) VALUES ($1, clock_timestamp(), 1)
           ON CONFLICT (subject) DO UPDATE SET
               attempts = CASE WHEN a.window_start <= clock_timestamp() - make_interval(secs => $2)
                   THEN 1 ELSE least(a.attempts, 1000000) + 1 END,
               window_start = CASE WHEN a.window_start <= clock_timestamp() - make_interval(secs => $2)
                   THEN clock_timestamp() ELSE a.window_start END
           RETURNING attempts,
               extract(epoch FROM window_start - clock_timestamp() + make_interval(secs => $2))::float8 AS "left!""#,
        &subject[..],
        seconds
    )
    .fetch_one(executor)
    .await?;
    let left = Duration::try_from_secs_f64(row.left.max(0.0)).unwrap_or(window);
    Ok(Counted { attempts: row.attempts, left })
}

/// Takes one attempt back: it did not fail.
pub async fn forgive(database: &Database, subject: &Subject) -> Result<()> {
    sqlx::query!(
        "UPDATE sign_in_attempts SET attempts = attempts - 1 WHERE subject = $1 AND attempts > 0",
        &subject[..]
    )
    .execute(database.directory())
    .await?;
    Ok(())
}

/// Takes all attempts back.
pub async fn forget(database: &Database, subject: &Subject) -> Result<()> {
    sqlx::query!("DELETE FROM sign_in_attempts WHERE subject = $1", &subject[..])
        .execute(database.directory())
        .await?;
    Ok(())
}

/// Forgets windows that were over a day ago; returns how many.
pub async fn forget_old(database: &Database) -> Result<u64> {
    let forgotten = sqlx::query!(
        "DELETE FROM sign_in_attempts WHERE window_start < clock_timestamp() - interval '1 day'"
    )
    .execute(database.directory())
    .await?;
    Ok(forgotten.rows_affected())
}
