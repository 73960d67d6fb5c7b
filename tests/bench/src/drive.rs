//! Clients that each wait for one answer before they ask again.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::figures::Load;

/// Lets `clients` call `operation` for as long as `lasts`. It gets the client's number and returns how much was done.
pub(crate) async fn drive<F, A>(clients: usize, lasts: Duration, operation: F) -> Load
where
    F: Fn(usize) -> A + Send + Sync + 'static,
    A: Future<Output = u64> + Send + 'static,
{
    let (operation, started) = (Arc::new(operation), Instant::now());
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let operation = Arc::clone(&operation);
            tokio::spawn(async move {
                let (mut done, mut latencies) = (0, Vec::new());
                while started.elapsed() < lasts {
                    let asked = Instant::now();
                    done += operation(client).await;
                    latencies.push(micros(asked.elapsed()));
                }
                (done, latencies)
            })
        })
        .collect();
    let (mut operations, mut latencies) = (0, Vec::new());
    for task in tasks {
        let (done, times) = task.await.expect("no client panics");
        operations += done;
        latencies.extend(times);
    }
    Load::of(operations, started.elapsed(), latencies)
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("nobody measures for 500,000 years")
}
