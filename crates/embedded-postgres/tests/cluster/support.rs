//! What the tests share: directories that go away, and another process that owns a cluster.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use embedded_postgres::Installation;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A new directory that every account may enter, and a place for a cluster, both deleted in the end.
pub(crate) struct Scratch {
    directory: PathBuf,
    data_dir: PathBuf,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let unique = format!("test-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = std::env::temp_dir();
        let directory = temporary.join(format!("embedded-postgres-{unique}"));
        fs::create_dir(&directory).unwrap();
        open_to_everybody(&directory);
        // The name is one that a later `start_temporary` looks after, should this test be killed.
        Self { directory, data_dir: temporary.join(format!("subgrant-postgres-{unique}")) }
    }

    /// Does not exist yet.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
        drop(fs::remove_dir_all(&self.data_dir));
    }
}

/// Another process that owns a cluster.
pub(crate) struct Owner {
    child: Child,
    pub(crate) url: String,
}

impl Owner {
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_private-postgres")).arg(data_dir))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("postgres://"), "the owner did not start");
        Self { child, url: url.trim().to_owned() }
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        let psql = Installation::find().unwrap().bin_dir().join("psql");
        let output = Command::new(psql).args(["-XAtq", "-d", &self.url, "-c", statement]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// The owner's program as an account without rights. It is copied, because that account may not be able to
/// enter the directory where it was built.
pub(crate) fn program_as_nobody(scratch: &Scratch) -> Command {
    let copy = scratch.join("private-postgres");
    fs::copy(env!("CARGO_BIN_EXE_private-postgres"), &copy).unwrap();
    open_to_everybody(&copy);
    let mut command = Command::new(copy);
    if is_root() {
        command.uid(65534).gid(65534).env("HOME", "/nonexistent");
    }
    command.current_dir("/");
    command
}

/// Whatever the umask is.
pub(crate) fn open_to_everybody(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn pid_of_server(data_dir: &Path) -> i32 {
    let text = fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}
