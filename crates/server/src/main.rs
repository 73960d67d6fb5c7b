//! `subgrant`: serve, migrate, create tenants, inspect tokens. `subgrant --help` explains.

use std::process::ExitCode;

use mimalloc::MiMalloc;

// What one thread allocates for a request, another often frees.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    subgrant_server::cli::main()
}
