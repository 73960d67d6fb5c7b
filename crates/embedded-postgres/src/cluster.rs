//! A running cluster, as callers see it.

use std::path::{Path, PathBuf};

use crate::data_dir::DataDir;
use crate::error::Result;
use crate::initdb::{self, SUPERUSER};
use crate::installation::Installation;
use crate::orphan;
use crate::postmaster::Postmaster;
use crate::psql::{self, quote_identifier, quote_literal};
use crate::socket::{self, SocketDir};
use crate::temporary::TemporaryDir;

/// Whether the data are to survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// PostgreSQL's own promises: what was committed survives.
    Durable,
    /// For tests: several times faster, and worth nothing after a crash of the machine.
    Disposable,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's own directory. It may be missing or empty; no other files may be put there.
    pub data_dir: PathBuf,
    /// Whether the data are to survive a crash.
    pub durability: Durability,
    /// Further settings of the server, by name and value, which override this crate's.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// For data that are to be kept.
    pub fn durable(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), durability: Durability::Durable, settings: Vec::new() }
    }

    /// For data that are thrown away; see also [`Cluster::start_temporary`].
    pub fn disposable(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), durability: Durability::Disposable, settings: Vec::new() }
    }
}

/// A running server with its data. Dropping it stops the server; [`Cluster::stop`] also says whether that
/// worked.
#[derive(Debug)]
pub struct Cluster {
    // The order is that of dropping: the server ends, then its socket's directory, the lock and a temporary
    // directory go.
    postmaster: Postmaster,
    socket_dir: SocketDir,
    data_dir: DataDir,
    _temporary: Option<TemporaryDir>,
    psql: PathBuf,
}

impl Cluster {
    /// Starts a server on the data directory, which is made into a cluster first if it is new.
    pub fn start(installation: &Installation, options: &Options) -> Result<Self> {
        Self::launch(installation, options, None)
    }

    /// Starts a disposable cluster in a new temporary directory, which is deleted when the cluster stops.
    /// After a SIGKILL the next call on this machine, ten minutes later or more, stops the server and deletes
    /// it.
    pub fn start_temporary(installation: &Installation) -> Result<Self> {
        let temporary = TemporaryDir::create()?;
        let options = Options::disposable(temporary.path());
        Self::launch(installation, &options, Some(temporary))
    }

    fn launch(
        installation: &Installation,
        options: &Options,
        temporary: Option<TemporaryDir>,
    ) -> Result<Self> {
        let data_dir = DataDir::open(&options.data_dir)?;
        initdb::ensure_cluster(installation, &data_dir, options.durability)?;
        orphan::stop_predecessor(&data_dir.cluster())?;
        let socket_dir = SocketDir::ensure(&data_dir)?;
        let postmaster = Postmaster::start(installation, &data_dir, socket_dir.path(), options)?;
        let psql = installation.program("psql");
        Ok(Self { postmaster, socket_dir, data_dir, _temporary: temporary, psql })
    }

    /// Ends every connection and stops the server: in order when it is durable, at once when it is
    /// disposable.
    pub fn stop(mut self) -> Result<()> {
        self.postmaster.stop()
    }

    /// The directory with the server's socket.
    pub fn socket_dir(&self) -> &Path {
        self.socket_dir.path()
    }

    /// The server's log since this start. Deadlocks and waits for locks of a second and more are in it.
    pub fn log_path(&self) -> PathBuf {
        self.data_dir.log()
    }

    /// Where a role connects to a database, for sqlx and everything that is built on libpq.
    pub fn url(&self, database: &str, role: &str) -> String {
        socket::url(self.socket_dir(), database, role)
    }

    /// The same for the superuser.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(database, SUPERUSER)
    }

    /// Runs statements as the superuser, up to the first error, and returns the rows they print: one per
    /// line, columns separated by `|`.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String> {
        psql::execute(&self.psql, &self.superuser_url(database), sql)
    }

    /// Creates a role that may log in and nothing else, unless there is one of that name.
    pub fn ensure_role(&self, name: &str) -> Result<()> {
        let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", quote_literal(name));
        if self.execute("postgres", &exists)?.is_empty() {
            self.execute("postgres", &format!("CREATE ROLE {} LOGIN", quote_identifier(name)))?;
        }
        Ok(())
    }

    /// Creates a database that belongs to `owner`, unless there is one of that name.
    pub fn ensure_database(&self, name: &str, owner: &str) -> Result<()> {
        let exists = format!("SELECT 1 FROM pg_database WHERE datname = {}", quote_literal(name));
        if self.execute("postgres", &exists)?.is_empty() {
            let (name, owner) = (quote_identifier(name), quote_identifier(owner));
            self.execute("postgres", &format!("CREATE DATABASE {name} OWNER {owner}"))?;
        }
        Ok(())
    }
}
