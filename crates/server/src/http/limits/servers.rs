//! How many servers there are: each notes in the database that it is at work, and counts the others.

use std::{sync::atomic::Ordering, time::Duration};

use subgrant_store::servers;

use crate::http::HttpState;

/// How often a server notes that it is at work.
const INTERVAL: Duration = Duration::from_secs(5);

/// After how long one that has not is taken to have ended.
const PATIENCE: Duration = Duration::from_secs(15);

/// Keeps count of the servers until it is cancelled. While the database is away, the last count holds.
pub async fn keep_count(state: HttpState) {
    loop {
        match servers::note(state.app.database(), state.limits.server, PATIENCE).await {
            Ok(servers) => state.limits.servers.store(servers, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "servers were not counted");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Leaves this server's share to the others, who otherwise notice its end by themselves.
pub async fn leave_count(state: &HttpState) {
    if let Err(error) = servers::forget(state.app.database(), state.limits.server).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the server's end was not noted");
    }
}
