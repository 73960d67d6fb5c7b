//! Finds PostgreSQL on this machine and runs a private cluster of it: for `cargo xtask run`, for the tests
//! and for benchmarks. Production uses a PostgreSQL that somebody else runs, and never this crate.
//!
//! # Invariants
//! - A cluster listens on a Unix socket in a directory of mode 0700 and on no TCP port. Whoever can reach the
//!   socket could read the data files as well, so that the socket asks for no password (`trust`), and no port
//!   can be taken.
//! - The server never runs as root. Under root it runs as the cluster's owner, `postgres` or else `nobody`.
//! - One data directory has one user at a time: a lock is held as long as the [`Cluster`] lives, and the
//!   kernel drops it when the process dies in whatever way.
//! - A server left behind by a killed process is stopped before the next one starts on the same data.
//! - Nothing half-made carries the name of a cluster: `initdb` works in a sibling directory that is renamed
//!   at the end.
//! - A directory that has other content is refused and not touched.
//!
//! # Deliberately absent
//! No async: starting takes about a second, happens once, and callers may use a blocking thread. No SQL
//! driver: roles and databases are made with `psql`, which every installation of the server has. No download
//! of PostgreSQL.
//!
//! # Layout of a data directory
//! `embedded-postgres.lock` marks and locks it, `cluster/` is what PostgreSQL calls its data directory,
//! `socket/` has the socket (or `/tmp/subgrant-…`, when the path is too long for one), `postgres.log` is the
//! server's log since its last start and `postgres.previous.log` the one before.

mod account;
mod cluster;
mod command;
mod data_dir;
mod error;
mod fallback;
mod initdb;
mod installation;
mod orphan;
mod pid_file;
mod postmaster;
mod psql;
mod socket;
mod temporary;

pub use cluster::{Cluster, Durability, Options};
pub use error::{Error, Result};
pub use fallback::reachable_data_dir;
pub use installation::{Installation, MINIMUM_MAJOR, Version};
