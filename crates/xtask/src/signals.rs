//! Ctrl-C and its like. A command with a cluster must live to stop it: signals are noted, children are waited
//! for, and then the command ends by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Failure, Result};

static NOTED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From here on the three signals do not end this process.
pub(crate) fn note_from_now_on() -> Result<()> {
    let noted = NOTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let number = usize::try_from(signal).expect("signals have positive numbers");
        signal_hook::flag::register_usize(signal, Arc::clone(noted), number)
            .map_err(|error| Failure::new(format!("cannot handle signals: {error}")))?;
    }
    Ok(())
}

/// The last signal that came.
pub(crate) fn noted() -> Option<i32> {
    let number = NOTED.get()?.load(Ordering::Relaxed);
    i32::try_from(number).ok().filter(|number| *number != 0)
}

/// Fails if a signal has come.
pub(crate) fn check() -> Result<()> {
    noted().map_or(Ok(()), |signal| Err(Failure::Signal(signal)))
}
