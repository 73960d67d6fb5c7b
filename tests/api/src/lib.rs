//! Black-box tests of the HTTP API: every test has a server and a real database of its own.
//!
//! Invariants: nothing is mocked; a test sees what a client sees, and looks into the database only to check what no
//! client can see (row-level security, open transactions, sums).

mod authority;
mod books;
mod client;
mod collector;
mod database;
mod foreign;
mod gateway;
mod load;
mod lossy;
mod metrics;
mod openapi;
mod people;
mod problem;
mod program;
mod proxy;
mod raw;
mod receiver;
mod rig;
mod row_security;
mod server;
mod smtp;
mod snapshot;
mod stream;

pub use authority::Authority;
pub use books::{NODES, assert_books_balance, assert_no_deadlocks, ledger_totals};
pub use client::{Api, Reply};
pub use collector::{Collector, Traced};
pub use database::{Login, TestDatabase};
pub use foreign::Parts;
pub use gateway::{Gateway, GatewayKind, GatewaySetup};
pub use load::{Loaded, Size, load};
pub use lossy::Lossy;
pub use metrics::Scrape;
pub use openapi::{Operation, operations};
pub use people::PASSWORD;
pub use problem::attenuate;
pub use program::{Output, Program, Running, Scratch};
pub use proxy::Proxy;
pub use raw::Raw;
pub use receiver::{Called, Receiver};
pub use rig::{Rig, mint_request, post};
pub use row_security::{faults, role_faults};
pub use server::{Tenant, TestServer};
pub use smtp::{Received, SmtpServer};
pub use stream::{EventStream, Sent};
