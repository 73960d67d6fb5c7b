//! Other programs.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGINT;

use crate::error::{Failure, Result};
use crate::signals;

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A terminal's Ctrl-C reaches children as well, so they get time to end by themselves.
const GRACE_AFTER_CTRL_C: Duration = Duration::from_secs(5);

/// The Cargo that runs us, without what it says about this very package, which is wrong for any other.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    // libsodium, against which the tokens are cross-checked, comes from the system and is not compiled.
    command.current_dir(root).env("SODIUM_USE_PKG_CONFIG", "1").stdin(Stdio::null());
    command
}

/// Runs a command, its output visible, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status_of(command)?;
    if status.success() { Ok(()) } else { Err(failed(command, status)) }
}

/// Runs a command, its output visible.
pub(crate) fn status_of(command: &mut Command) -> Result<ExitStatus> {
    signals::check()?;
    let mut child = command.spawn().map_err(Failure::io("start", command.get_program()))?;
    wait(&mut child)
}

/// Waits for a child to end, and sees to it that it does when a signal comes.
pub(crate) fn wait(child: &mut Child) -> Result<ExitStatus> {
    let mut noticed: Option<Instant> = None;
    let mut is_told = false;
    loop {
        let status = child.try_wait().map_err(Failure::io("wait for", "a child process"))?;
        if let Some(status) = status {
            signals::check()?;
            return Ok(status);
        }
        if let Some(signal) = signals::noted() {
            let since = *noticed.get_or_insert_with(Instant::now);
            let grace = if signal == SIGINT { GRACE_AFTER_CTRL_C } else { Duration::ZERO };
            if !is_told && since.elapsed() >= grace {
                // It may have ended in the meantime, which is what is wanted.
                let _ = kill_process(Pid::from_child(child), Signal::TERM);
                is_told = true;
            }
        }
        sleep(POLL_INTERVAL);
    }
}

/// What a command prints on standard output; its standard error stays visible.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let command = command.stderr(Stdio::inherit());
    let output = command.output().map_err(Failure::io("start", command.get_program()))?;
    signals::check()?;
    if !output.status.success() {
        return Err(failed(command, output.status));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{}` does not print UTF-8", line_of(command))))
}

/// Whether a command exists and succeeds; nothing of it is seen.
pub(crate) fn succeeds(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    is_successful(Command::new(program).args(arguments))
}

/// The same for a command with more to it.
pub(crate) fn is_successful(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn failed(command: &Command, status: ExitStatus) -> Failure {
    Failure::new(format!("`{}` failed ({status}), see above", line_of(command)))
}

fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
