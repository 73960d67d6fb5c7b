//! `postmaster.pid`, which a server keeps in its cluster while it runs. Its lines are described in
//! PostgreSQL's `src/include/utils/pidfile.h`: process, data directory, start time, port, socket directory,
//! listen address, shared memory, status.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use rustix::process::Pid;

use crate::error::{Error, Result};

/// What is of interest in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) is_ready: bool,
}

impl PidFile {
    /// `None` when there is no file, or one that was caught while it was being written.
    pub(crate) fn read(cluster: &Path) -> Result<Option<Self>> {
        let path = path_in(cluster);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io("read", &path)(source)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        // A stand-alone backend, such as a crashed `initdb` leaves, writes its number as a negative one.
        let pid = lines.next()?.trim().parse::<i32>().ok()?.saturating_abs();
        let is_ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, is_ready })
    }

    /// Whether that process is a server on this very cluster. Process numbers are used again, after a restart
    /// of a container even the same ones, so that being alive proves nothing; its command line does.
    pub(crate) fn is_served(&self, cluster: &Path) -> bool {
        command_line(self.pid).contains(&format!("-D {} ", cluster.display()))
    }

    pub(crate) fn is_alive(&self) -> bool {
        Pid::from_raw(self.pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
}

/// Puts our own number into a left-over file whose number now belongs to a stranger. A server accepts its
/// parent's number as stale and goes on to its other check, whether anybody still uses the shared memory
/// named in the file. Deleting the file would skip that check, and so endanger the data.
pub(crate) fn disown(cluster: &Path) -> Result<()> {
    let path = path_in(cluster);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(&path, format!("{}\n{rest}", process::id())).map_err(Error::io("write", &path))
}

fn path_in(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Empty for a process that has ended, also for one that nobody has waited for yet.
fn command_line(pid: i32) -> String {
    if Path::new("/proc/self").exists() {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        return String::from_utf8_lossy(&bytes).replace('\0', " ");
    }
    let output = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::PidFile;

    const RUNNING: &str = "4711\n/data/cluster\n1700000000\n5432\n/data/socket\n\n  1234  5\nready   \n";

    #[test]
    fn a_running_servers_file_is_understood() {
        assert_eq!(PidFile::parse(RUNNING), Some(PidFile { pid: 4711, is_ready: true }));
    }

    #[test]
    fn a_server_that_recovers_is_not_ready() {
        let starting = RUNNING.replace("ready   ", "starting");
        assert_eq!(PidFile::parse(&starting), Some(PidFile { pid: 4711, is_ready: false }));
        assert_eq!(PidFile::parse("4711\n/data"), Some(PidFile { pid: 4711, is_ready: false }));
    }

    #[test]
    fn a_stand_alone_backends_number_is_made_positive_and_an_empty_file_is_none() {
        assert_eq!(PidFile::parse("-4711\n").map(|file| file.pid), Some(4711));
        assert_eq!(PidFile::parse(""), None);
    }
}
