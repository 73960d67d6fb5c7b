//! Black-box tests of the HTTP API: every test has a server and a real database of its own.
//!
//! Invariants: nothing is mocked; a test sees what a client sees, and looks into the database only to check what no
//! client can see (row-level security, open transactions, sums).

mod client;
mod database;
mod server;

pub use client::{Api, Reply};
pub use database::TestDatabase;
pub use server::{Tenant, TestServer};
