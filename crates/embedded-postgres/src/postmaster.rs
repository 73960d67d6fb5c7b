//! The server process.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Durability, Options};
use crate::command::{decisive_line, quiet_as};
use crate::data_dir::DataDir;
use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::pid_file::PidFile;
use crate::socket::PORT;

/// Recovery after a crash reads what was written since the last checkpoint, which can take minutes.
const START_LIMIT: Duration = Duration::from_mins(5);
const FAST_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// When a server was killed together with us, its children need a moment to notice; until then a new one
/// refuses.
const LEFTOVER_CHILDREN_LIMIT: Duration = Duration::from_secs(5);
const LEFTOVER_CHILDREN: &str = "pre-existing shared memory block";

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Postmaster {
    child: Child,
    durability: Durability,
    has_ended: bool,
}

impl Postmaster {
    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(
        installation: &Installation,
        data_dir: &DataDir,
        socket_dir: &Path,
        options: &Options,
    ) -> Result<Self> {
        let patience = Instant::now() + LEFTOVER_CHILDREN_LIMIT;
        loop {
            let mut postmaster = Self::spawn(installation, data_dir, socket_dir, options)?;
            match postmaster.wait_until_ready(&data_dir.cluster(), &data_dir.log()) {
                Ok(()) => return Ok(postmaster),
                Err(Error::Start { reason, .. })
                    if reason.contains(LEFTOVER_CHILDREN) && Instant::now() < patience =>
                {
                    sleep(Duration::from_millis(200));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(
        installation: &Installation,
        data_dir: &DataDir,
        socket_dir: &Path,
        options: &Options,
    ) -> Result<Self> {
        let log = data_dir.rotate_log()?;
        let log_again = log.try_clone().map_err(Error::io("open", &data_dir.log()))?;
        let program = installation.program("postgres");
        let mut command = quiet_as(&program, data_dir.account());
        command.arg("-D").arg(data_dir.cluster());
        set(&mut command, "unix_socket_directories", quoted_list_item(socket_dir));
        for (name, value) in settings(options.durability) {
            set(&mut command, name, value);
        }
        for (name, value) in &options.settings {
            set(&mut command, name, value);
        }
        // A terminal's Ctrl-C goes to the whole foreground group. The server must outlive our own orderly
        // end, so it gets a group of its own.
        let child = command.process_group(0).stdout(Stdio::from(log)).stderr(Stdio::from(log_again)).spawn();
        let child = child.map_err(Error::io("start", &program))?;
        Ok(Self { child, durability: options.durability, has_ended: false })
    }

    fn wait_until_ready(&mut self, cluster: &Path, log: &Path) -> Result<()> {
        let fail = |reason: String| Error::Start { reason, log: log.to_path_buf() };
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if self.has_exited() {
                return Err(fail(decisive_line(&fs::read_to_string(log).unwrap_or_default())));
            }
            let own_pid = self.pid().as_raw_nonzero().get();
            if PidFile::read(cluster)?.is_some_and(|file| file.is_ready && file.pid == own_pid) {
                return Ok(());
            }
            sleep(POLL_INTERVAL);
        }
        Err(fail(format!("it was not ready after {} s", START_LIMIT.as_secs())))
    }

    /// Ends the server: in order when the data matter, at once when they do not.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if self.has_exited() {
            return Ok(());
        }
        let orderly = (Signal::INT, FAST_SHUTDOWN_LIMIT);
        let immediate = (Signal::QUIT, IMMEDIATE_SHUTDOWN_LIMIT);
        let steps = match self.durability {
            Durability::Durable => vec![orderly, immediate],
            Durability::Disposable => vec![immediate],
        };
        for (signal, limit) in steps {
            let _ = kill_process(self.pid(), signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if self.has_exited() {
                    return Ok(());
                }
                sleep(POLL_INTERVAL);
            }
        }
        Err(Error::Stop { pid: self.pid().as_raw_nonzero().get() })
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Remembers the answer, because a number whose process was waited for may soon be somebody else's.
    fn has_exited(&mut self) -> bool {
        self.has_ended = self.has_ended || self.child.try_wait().is_ok_and(|status| status.is_some());
        self.has_ended
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        // Nobody is left to hear about it, and the next start looks after a server that is still there.
        drop(self.stop());
    }
}

fn settings(durability: Durability) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("port", PORT.to_string()),
        ("unix_socket_permissions", "0700".into()),
        ("max_connections", "200".into()),
        ("shared_buffers", "128MB".into()),
        ("timezone", "UTC".into()),
        // Somebody who looks for lock trouble finds long waits in the log, next to the deadlocks.
        ("log_lock_waits", "on".into()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".into()),
    ];
    if durability == Durability::Disposable {
        settings.extend(
            ["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name, String::from("off"))),
        );
    }
    settings
}

fn set(command: &mut Command, name: &str, value: impl AsRef<str>) {
    command.arg("-c").arg(format!("{name}={}", value.as_ref()));
}

/// The setting is a list: a path with a space in it must be quoted.
fn quoted_list_item(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disposable_clusters_give_up_durability() {
        let names = |durability| settings(durability).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(!names(Durability::Durable).contains(&"fsync"));
        assert!(names(Durability::Disposable).contains(&"fsync"));
    }

    #[test]
    fn a_socket_directory_may_have_a_quote_in_its_name() {
        assert_eq!(quoted_list_item(Path::new("/a\"b c")), "\"/a\"\"b c\"");
    }
}
