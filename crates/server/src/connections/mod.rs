//! Connections of clients: how many there are, and for how long one may do nothing.
//!
//! Invariants: the number of connections has a bound in all and for each address, so that file descriptors are left for
//! the database; whoever comes at the bound takes the place of a connection on which nothing is under way, or is refused
//! at once; a client that neither sends nor takes anything is cut off, in whatever state its connection is.
//!
//! Deliberately absent: what a request means.

mod connection;
mod registry;
mod response;
mod serving;
mod stream;

use std::time::Duration;

pub(crate) use connection::{Connection, UnderWay};
pub use registry::Connections;
pub use serving::{Stop, serve};

/// How many connections there may be, and what they may take.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The most connections at once.
    pub most: usize,
    /// The most of one address; IPv6 addresses of one /64 are one. Trusted proxies have no such limit.
    pub most_per_address: usize,
    /// How long the first request's head may take from the moment of the connection, and that of any other from its
    /// first byte.
    pub head: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How long a client may take nothing of an answer that is ready.
    pub stalled: Duration,
    /// The most bytes of a request's head.
    pub max_head_bytes: usize,
    /// The most requests at once on one connection of HTTP/2.
    pub max_streams: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            most: 8_192,
            most_per_address: 1_024,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            stalled: Duration::from_secs(30),
            max_head_bytes: 256 * 1024,
            max_streams: 100,
        }
    }
}
