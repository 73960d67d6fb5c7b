//! Servers without a parent. A process that is killed with SIGKILL cannot stop its server, and telling the
//! kernel to do it (`PR_SET_PDEATHSIG`) needs unsafe code; so the next start does.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};
use crate::pid_file::{self, PidFile};

const FAST_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Stops the server that a killed process has left running on this cluster, if there is one. The caller holds
/// the data directory's lock, so that nobody else's server can be meant.
pub(crate) fn stop_predecessor(cluster: &Path) -> Result<()> {
    let Some(left) = PidFile::read(cluster)? else {
        return Ok(());
    };
    if left.is_served(cluster) {
        return stop(&left, cluster);
    }
    if left.is_alive() {
        pid_file::disown(cluster)?;
    }
    Ok(())
}

fn stop(left: &PidFile, cluster: &Path) -> Result<()> {
    let pid = Pid::from_raw(left.pid).ok_or(Error::Stop { pid: left.pid })?;
    for (signal, limit) in [(Signal::INT, FAST_SHUTDOWN_LIMIT), (Signal::QUIT, IMMEDIATE_SHUTDOWN_LIMIT)] {
        // It may end by itself in between; what counts is that it is gone.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if !left.is_served(cluster) {
                return Ok(());
            }
            sleep(POLL_INTERVAL);
        }
    }
    Err(Error::Stop { pid: left.pid })
}
