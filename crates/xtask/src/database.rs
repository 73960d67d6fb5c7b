//! The private cluster of a command.

use embedded_postgres::{Cluster, Installation};

use crate::error::Result;
use crate::signals;

/// Runs `work` with a cluster of its own, which is stopped and deleted whatever happens.
pub(crate) fn with_cluster<T>(work: impl FnOnce(&Cluster) -> Result<T>) -> Result<T> {
    signals::note_from_now_on()?;
    let cluster = start()?;
    let result = signals::check().and_then(|()| work(&cluster));
    let stopped = cluster.stop();
    let value = result?;
    stopped?;
    Ok(value)
}

fn start() -> Result<Cluster> {
    let installation = Installation::find()?;
    eprintln!("Starting a private PostgreSQL {}", installation.version());
    let started = Cluster::start_temporary(&installation);
    // Ctrl-C reaches `initdb` as well, and then that is what went wrong.
    signals::check()?;
    Ok(started?)
}
