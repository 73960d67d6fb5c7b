//! The program `subgrant` as a process.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use uuid::Uuid;

/// A command line of the program, run with no `SUBGRANT_…` and `OTEL_…` variables but those given here.
#[derive(Clone)]
pub struct Program {
    binary: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    input: String,
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it told its user.
    pub stderr: String,
}

/// A server in a process of its own. Dropping it stops it.
pub struct Running {
    /// `http://127.0.0.1:<port>`.
    pub origin: String,
    process: Process,
}

/// A process, and where its output goes. Dropping it stops it.
struct Process {
    child: Child,
    scratch: Scratch,
}

/// A new directory that is deleted in the end, and that PostgreSQL's account can enter.
pub struct Scratch(PathBuf);

/// No start or stop takes nearly as long, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

impl Program {
    /// The program with arguments; `binary` is `env!("CARGO_BIN_EXE_subgrant-under-test")`.
    pub fn new<A: Into<OsString>>(binary: &str, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { binary: binary.into(), args, environment: Vec::new(), input: String::new() }
    }

    /// With further arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().as_os_str().to_owned()));
        self
    }

    /// With several environment variables.
    #[must_use]
    pub fn envs(self, variables: &[(&str, &str)]) -> Self {
        variables.iter().fold(self, |program, (name, value)| program.env(name, value))
    }

    /// With this on standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Runs the program to its end. A server that comes up instead is stopped, and is a failure.
    pub fn run(&self) -> Output {
        let mut process = self.spawn();
        let mut stdin = process.child.stdin.take().expect("standard input is a pipe");
        // A program that fails before it reads closes its end first.
        let _ = stdin.write_all(self.input.as_bytes());
        drop(stdin);
        let status = process.wait_for(|process| {
            let text = process.scratch.read("stderr");
            assert!(!text.contains("Listening on "), "{self:?} serves instead of ending");
            process.status()
        });
        Output { status, stdout: process.scratch.read("stdout"), stderr: process.scratch.read("stderr") }
    }

    /// Starts a server and waits until it listens.
    pub fn start(&self) -> Running {
        let mut process = self.spawn();
        let origin = process.wait_for(|process| {
            let ended = process.status();
            let text = process.scratch.read("stderr");
            assert!(ended.is_none(), "the server ended: {text}");
            let line = text.lines().find_map(|line| line.strip_prefix("Listening on "))?;
            line.split(' ').next().filter(|_| text.ends_with('\n')).map(str::to_owned)
        });
        Running { origin, process }
    }

    fn spawn(&self) -> Process {
        let scratch = Scratch::new();
        let mut command = Command::new(&self.binary);
        // Where PostgreSQL is found is a matter of the machine.
        let inherited = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            (name.starts_with("SUBGRANT_") && name != "SUBGRANT_PG_BINDIR") || name.starts_with("OTEL_")
        });
        inherited.for_each(|name| {
            command.env_remove(name);
        });
        command.env_remove("RUST_BACKTRACE").envs(self.environment.iter().cloned()).args(&self.args);
        let file = |name: &str| File::create(scratch.path(name)).expect("a scratch file can be made");
        command.stdin(Stdio::piped()).stdout(file("stdout")).stderr(file("stderr"));
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        Process { child, scratch }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "subgrant {:?}", self.args)
    }
}

impl Running {
    /// What the server has printed on standard output.
    pub fn printed(&self) -> String {
        self.process.scratch.read("stdout")
    }

    /// What it has told its user.
    pub fn told(&self) -> String {
        self.process.scratch.read("stderr")
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Asks the server to stop, as supervisors do.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until the server has ended by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait_for(Process::status)
    }

    /// Stops the server in order.
    pub fn stop(self) -> ExitStatus {
        self.terminate();
        self.wait()
    }
}

impl Process {
    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "a running process takes a signal");
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Asks again and again until there is an answer.
    fn wait_for<T>(&mut self, mut answer: impl FnMut(&mut Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(value) = answer(self) {
                return value;
            }
            assert!(started.elapsed() < PATIENCE, "nothing happens: {}", self.scratch.read("stderr"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

impl Scratch {
    /// Makes the directory.
    #[expect(clippy::new_without_default, reason = "making a directory is no default")]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("subgrant-test-{}", Uuid::now_v7().simple()));
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
