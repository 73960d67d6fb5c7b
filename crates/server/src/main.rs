//! `subgrant`: serve, migrate, create tenants, inspect tokens. `subgrant --help` explains.

use std::process::ExitCode;

fn main() -> ExitCode {
    subgrant_server::cli::main()
}
