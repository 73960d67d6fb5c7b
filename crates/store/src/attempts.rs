//! Attempts, counted over all server processes: each subject is a bucket that drains evenly.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{Database, Result, TenantTx};

/// What is counted: a digest of an account, a browser, a network, an address that mail goes to.
pub type Subject = [u8; 32];

/// So many attempts at once, and as many again in the time that it takes to drain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// How many there may be at once.
    pub size: i32,
    /// How long a full one takes to be empty.
    pub drains_in: Duration,
}

/// Counts an attempt before it is made, so that attempts at the same time count as well. `Some`: it is one too many, and does
/// not count; how long until there is room for one.
pub async fn count(database: &Database, subject: &Subject, bucket: Bucket) -> Result<Option<Duration>> {
    count_on(&mut *database.directory().acquire().await?, subject, bucket).await
}

/// The same, if the transaction commits.
pub async fn count_in(tx: &mut TenantTx, subject: &Subject, bucket: Bucket) -> Result<Option<Duration>> {
    count_on(tx.connection(), subject, bucket).await
}

async fn count_on(
    connection: &mut PgConnection,
    subject: &Subject,
    bucket: Bucket,
) -> Result<Option<Duration>> {
    let (size, per_second) = (f64::from(bucket.size), rate(bucket));
    let row = sqlx::query!(
        r#"INSERT INTO attempt_levels AS a (subject, counted_at, level, is_full)
           VALUES ($1, clock_timestamp(), CASE WHEN 1 > $2::float8 THEN 0 ELSE 1 END, 1 > $2::float8)
           ON CONFLICT (subject) DO UPDATE SET (level, counted_at, is_full) = (
               SELECT CASE WHEN left_over + 1 > $2::float8 THEN left_over ELSE left_over + 1 END, at, left_over + 1 > $2::float8
               FROM (SELECT at, greatest(0, a.level - extract(epoch FROM at - a.counted_at)::float8 * $3::float8) AS left_over
                     FROM (SELECT clock_timestamp() AS at) now) drained)
           RETURNING level, is_full"#,
        &subject[..],
        size,
        per_second
    )
    .fetch_one(connection)
    .await?;
    let wait = (row.level + 1.0 - size).max(0.0) / per_second;
    Ok(row.is_full.then(|| Duration::try_from_secs_f64(wait).unwrap_or(bucket.drains_in)))
}

/// How many attempts a bucket loses per second.
fn rate(bucket: Bucket) -> f64 {
    f64::from(bucket.size.max(1)) / bucket.drains_in.as_secs_f64().max(0.001)
}

/// Takes one attempt back: it did not fail.
pub async fn forgive(database: &Database, subject: &Subject) -> Result<()> {
    sqlx::query!("UPDATE attempt_levels SET level = greatest(0, level - 1) WHERE subject = $1", &subject[..])
        .execute(database.directory())
        .await?;
    Ok(())
}

/// Takes all attempts back.
pub async fn forget(database: &Database, subject: &Subject) -> Result<()> {
    sqlx::query!("DELETE FROM attempt_levels WHERE subject = $1", &subject[..])
        .execute(database.directory())
        .await?;
    Ok(())
}

/// Forgets buckets that have drained: nothing is counted over more than a day. Returns how many.
pub async fn forget_old(database: &Database) -> Result<u64> {
    let forgotten =
        sqlx::query!("DELETE FROM attempt_levels WHERE counted_at < clock_timestamp() - interval '1 day'")
            .execute(database.directory())
            .await?;
    Ok(forgotten.rows_affected())
}
