//! Which servers are at work on this database.

use std::time::Duration;

use uuid::Uuid;

use crate::{Database, Result};

/// Takes note that a server is at work, forgets those that have not been seen for long, and returns how many there are.
pub async fn note(database: &Database, id: Uuid, patience: Duration) -> Result<u32> {
    let others = sqlx::query_scalar!(
        r#"WITH noted AS (
               INSERT INTO servers (id, seen_at) VALUES ($1, clock_timestamp())
               ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
           ), forgotten AS (
               DELETE FROM servers WHERE id <> $1 AND seen_at < clock_timestamp() - interval '1 hour'
           )
           SELECT count(*) AS "others!" FROM servers
           WHERE id <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2)"#,
        id,
        patience.as_secs_f64()
    )
    .fetch_one(database.directory())
    .await?;
    Ok(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1))
}

/// Takes note that a server has ended.
pub async fn forget(database: &Database, id: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM servers WHERE id = $1", id).execute(database.directory()).await?;
    Ok(())
}
