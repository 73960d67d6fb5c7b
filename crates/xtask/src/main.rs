//! What the README and the continuous integration call: `cargo xtask <command>`.
//!
//! This crate compiles within seconds on a fresh machine: no async runtime, no SQL driver, no server code. It
//! installs what is missing where it can, and leaves neither processes nor changed files behind, except those
//! a command is for.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to their caller this way")]

mod bench;
mod browser;
mod cargo_deny;
mod check;
mod counts;
mod database;
mod error;
mod interop;
mod load;
mod node;
mod openapi;
mod prepare;
mod process;
mod python;
mod run;
mod signals;
mod suites;
mod tidy;
mod tools;
mod web;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Subgrant")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds and starts the server with a private PostgreSQL and demo data
    Run {
        /// The port on 127.0.0.1
        #[arg(long, default_value_t = 8402)]
        port: u16,
        /// Where the data are kept [default: .data, or a directory below /var/lib/subgrant when the
        /// database's account cannot get there]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Optimises, which takes longer to build
        #[arg(long)]
        release: bool,
    },
    /// Runs every test on a private PostgreSQL
    Test {
        /// Passed on to `cargo test`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Builds the dashboard's page where its sources have changed
    Web,
    /// Runs the tests in a browser alone
    Browser {
        /// Passed on to `playwright test`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Makes the pictures in docs/screenshots from a running dashboard
    Screenshots,
    /// Fills a database with one tenant of any size, to measure with: `cargo xtask load -- --nodes 1000000`
    Load {
        /// Passed on; `-- --help` lists them
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Measures the spend engine beside the naive way and the raw limit, optimised, on a durable cluster of its own
    Bench {
        /// Passed on; `-- --help` lists them
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Regenerates the query metadata in .sqlx from the migrations and the queries
    Prepare {
        /// Changes nothing and fails if something would change
        #[arg(long)]
        check: bool,
    },
    /// Regenerates openapi/openapi.json from the server
    Openapi {
        /// Changes nothing and fails if something would change
        #[arg(long)]
        check: bool,
    },
    /// Checks what neither compiler nor Clippy does: file sizes, who depends on whom, leftovers, white space
    Tidy,
    /// Checks everything but the tests: formatting, the above, licences, Clippy
    Check,
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

fn execute(command: Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Run { port, data_dir, release } => {
            run::run(&workspace, &run::Options { port, data_dir, profile: run::Profile::from_flag(release) })
        }
        Command::Test { arguments } => suites::run(&workspace, &arguments),
        Command::Web => web::build(&workspace),
        Command::Browser { arguments } => browser::run(&workspace, &arguments),
        Command::Screenshots => browser::screenshots(&workspace),
        Command::Load { arguments } => load::run(&workspace, &arguments),
        Command::Bench { arguments } => bench::run(&workspace, &arguments),
        Command::Prepare { check } => prepare::run(&workspace, workspace::Mode::from_check_flag(check)),
        Command::Openapi { check } => openapi::run(&workspace, workspace::Mode::from_check_flag(check)),
        Command::Tidy => tidy::run(&workspace),
        Command::Check => check::run(&workspace),
    }
}
