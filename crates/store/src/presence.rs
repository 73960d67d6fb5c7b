//! Whether somebody still waits for what is done on their behalf.
//!
//! A request's work goes on when its caller has gone, so that nothing is half-done. What has not begun need not begin:
//! whoever stands in a queue leaves it.

use std::future::Future;

use tokio_util::sync::{CancellationToken, DropGuard};

tokio::task_local! {
    static CALLER: CancellationToken;
}

/// Somebody who waits. Gone when this is dropped.
#[derive(Debug)]
pub struct Presence {
    token: CancellationToken,
    _guard: DropGuard,
}

impl Presence {
    /// Somebody who is here.
    pub fn begin() -> Self {
        let token = CancellationToken::new();
        Self { _guard: token.clone().drop_guard(), token }
    }

    /// Work on behalf of whoever this is. Queues within it are left when they have gone.
    pub fn attend<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CALLER.scope(self.token.clone(), work)
    }
}

/// Waits until the caller, on whose behalf this task works, has gone. For ever, where nobody in particular is waiting:
/// background work is for everybody.
pub async fn gone() {
    match CALLER.try_with(Clone::clone) {
        Ok(caller) => caller.cancelled_owned().await,
        Err(_) => std::future::pending().await,
    }
}

/// Whether the caller, on whose behalf this task works, has gone, or was answered already.
pub fn is_gone() -> bool {
    CALLER.try_with(CancellationToken::is_cancelled).unwrap_or(false)
}
