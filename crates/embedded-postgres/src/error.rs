//! Everything that can go wrong, each case as one sentence that ends with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::installation::{MINIMUM_MAJOR, Version};

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why PostgreSQL was not found or a cluster did not start, stop or obey.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server programs anywhere.
    #[error("PostgreSQL {MINIMUM_MAJOR} or newer was not found: {}", install_remedy())]
    Missing,
    /// Only server programs of a version that is not supported any more.
    #[error(
        "PostgreSQL {found} in {} is too old, {MINIMUM_MAJOR} or newer is needed: {}",
        bin_dir.display(), install_remedy()
    )]
    TooOld {
        /// The newest of the old ones.
        found: Version,
        /// Where it is.
        bin_dir: PathBuf,
    },
    /// A server without the contributed extensions.
    #[error(
        "PostgreSQL {found} in {} lacks the extension ltree, which is part of its contrib package: {}",
        bin_dir.display(), install_remedy()
    )]
    MissingLtree {
        /// The version that was found.
        found: Version,
        /// Where it is.
        bin_dir: PathBuf,
    },
    /// The directory that the environment names has no PostgreSQL in it.
    #[error(
        "SUBGRANT_PG_BINDIR is set to {}, which lacks at least one of postgres, initdb and psql: unset it, or set it to what `pg_config --bindir` prints",
        bin_dir.display()
    )]
    WrongBinDir {
        /// What the variable says.
        bin_dir: PathBuf,
    },
    /// The data directory's path leads to something else.
    #[error("{} is a file and not a directory: choose another data directory", path.display())]
    NotADirectory {
        /// The path in question.
        path: PathBuf,
    },
    /// The data directory, or a part of it, belongs to somebody else.
    #[error(
        "{} is not accessible for this user: choose another data directory, or run as the user who owns this one",
        path.display()
    )]
    NotAccessible {
        /// The path in question.
        path: PathBuf,
    },
    /// The data directory has content that this crate did not put there.
    #[error(
        "{} has other files in it and was left alone: choose an empty or new data directory",
        path.display()
    )]
    ForeignContent {
        /// The path in question.
        path: PathBuf,
    },
    /// Another process has a cluster running there.
    #[error(
        "{} is in use by another process: stop that one, or choose another data directory",
        path.display()
    )]
    InUse {
        /// The path in question.
        path: PathBuf,
    },
    /// The account that the server runs as cannot get to the data directory.
    #[error(
        "the server runs as user {user}, who cannot enter {}: choose a data directory elsewhere, or allow it with `chmod o+x {}`",
        closed.display(), closed.display()
    )]
    Unreachable {
        /// The account.
        user: String,
        /// The topmost directory that is closed to it.
        closed: PathBuf,
    },
    /// Running as root on a machine without an unprivileged account.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody: create one with `useradd --system postgres`"
    )]
    NoAccount,
    /// The cluster's directory is there, but not PostgreSQL's files.
    #[error(
        "{} is damaged, for it has no readable PG_VERSION: restore it from a backup, or delete it to begin with an empty database",
        path.display()
    )]
    NotACluster {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// The data were made by another major version.
    #[error(
        "the data in {} were made by PostgreSQL {made_by}, but {} was found: set SUBGRANT_PG_BINDIR to the programs of {made_by}, or choose another data directory",
        path.display(), found
    )]
    OtherMajor {
        /// The cluster's directory.
        path: PathBuf,
        /// What its `PG_VERSION` says.
        made_by: String,
        /// What was going to run on it.
        found: Version,
    },
    /// `initdb` failed.
    #[error("initdb could not create a cluster in {}: {reason}", path.display())]
    Initdb {
        /// Where.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The server ended or said nothing while starting.
    #[error("PostgreSQL did not start: {reason} (its log is {})", log.display())]
    Start {
        /// The log's decisive line, or what was waited for in vain.
        reason: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server did not end, not even when it was told to abort.
    #[error("PostgreSQL (process {pid}) does not stop: end it with `kill -9 {pid}` and look into its log")]
    Stop {
        /// The server's process.
        pid: i32,
    },
    /// The directory for the socket is somebody else's.
    #[error(
        "{} belongs to another user, so that no socket is put there: delete it, or choose a data directory with a shorter path",
        path.display()
    )]
    SocketDir {
        /// The path in question.
        path: PathBuf,
    },
    /// A statement failed, or `psql` did.
    #[error("psql: {reason}")]
    Sql {
        /// What it said.
        reason: String,
    },
    /// A system call failed for a reason that no case above foresees.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: create, read, start.
        action: &'static str,
        /// The file or program.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: says what was being done to which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied if action != "start" => Self::NotAccessible { path },
            _ => Self::Io { action, path, source },
        }
    }
}

fn install_remedy() -> &'static str {
    if cfg!(target_os = "macos") {
        "install it with `brew install postgresql@17`"
    } else {
        "install it with `apt-get install postgresql postgresql-contrib` (Debian, Ubuntu) or \
         `dnf install postgresql-server postgresql-contrib` (Fedora)"
    }
}
