//! The binary `subgrant`: routing, extractors, problem documents, configuration, background work, command line.
//!
//! Invariants: handlers translate and nothing else; every error leaves as one problem document; database work runs in
//! a task that a dropped connection cannot cancel.
//!
//! Deliberately absent: rules, SQL.

pub mod cli;
pub mod connections;
pub mod delivery;
pub mod http;

mod background;
mod demo;
mod focus_table;
mod launch;
mod ledger_export;
mod table;
mod telemetry;
