//! The command line. Every option can also be given as an environment variable; secrets also as files.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its terminal")]

mod ledger;
mod migrate;
mod network;
mod report;
mod serve;
mod tenant;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

/// A failure that ends the program: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CliError(pub(crate) String);

impl CliError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Delegated, budgeted credentials for software agents.
#[derive(Parser)]
#[command(name = "subgrant", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Box<serve::Serve>),
    /// Bring a database's schema up to date. Needs the database's owner; `serve` does not.
    Migrate(migrate::Migrate),
    /// Manage tenants.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Export ledgers and check exports.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Check what reports read.
    #[command(subcommand)]
    Report(report::Report),
    /// Look at tokens.
    #[command(subcommand)]
    Token(token::Token),
    /// Print the OpenAPI document.
    #[command(hide = true)]
    Openapi,
}

const EXAMPLES: &str = "\
Start it on your laptop, with a PostgreSQL of its own:
  subgrant serve --data-dir ./data

In production, once as the owner of the database, then as a login without privileges:
  SUBGRANT_DATABASE_URL=postgres://owner@localhost/subgrant subgrant migrate --grant-to subgrant
  SUBGRANT_DATABASE_URL=postgres://subgrant@localhost/subgrant SUBGRANT_MASTER_KEY_FILE=/run/secrets/master-key \\
    subgrant serve";

/// Where the data are.
#[derive(Args, Clone)]
pub(crate) struct DatabaseArgs {
    /// A PostgreSQL URL: `postgres://user:password@host/database`.
    #[arg(long, env = "SUBGRANT_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// A file that holds the URL.
    #[arg(long, env = "SUBGRANT_DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub(crate) database_url_file: Option<PathBuf>,
    /// Run a private PostgreSQL in this directory instead, which is created if need be.
    #[arg(long, env = "SUBGRANT_DATA_DIR", conflicts_with_all = ["database_url", "database_url_file"])]
    pub(crate) data_dir: Option<PathBuf>,
    /// The key under which root keys are sealed: 64 hexadecimal digits, as `openssl rand -hex 32` prints. With
    /// `--data-dir` one is made and kept there.
    #[arg(long, env = "SUBGRANT_MASTER_KEY", hide_env_values = true)]
    pub(crate) master_key: Option<String>,
    /// A file that holds the master key.
    #[arg(long, env = "SUBGRANT_MASTER_KEY_FILE", conflicts_with = "master_key")]
    pub(crate) master_key_file: Option<PathBuf>,
    /// The most connections to the database at once.
    #[arg(long, env = "SUBGRANT_MAX_CONNECTIONS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(crate) max_connections: u32,
}

impl DatabaseArgs {
    /// The URL, from whichever source.
    pub(crate) fn url(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        secret(self.database_url.as_deref(), self.database_url_file.as_ref())
    }

    /// The master key's text, from whichever source.
    pub(crate) fn master_key_text(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        secret(self.master_key.as_deref(), self.master_key_file.as_ref())
    }
}

/// A secret that was given as such or as a file.
fn secret(value: Option<&str>, file: Option<&PathBuf>) -> Result<Option<Zeroizing<String>>, CliError> {
    match (value, file) {
        (Some(value), _) => Ok(Some(Zeroizing::new(value.to_owned()))),
        (None, Some(path)) => read_secret(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// A secret from a file, without the line break that editors leave at its end.
fn read_secret(path: &PathBuf) -> Result<Zeroizing<String>, CliError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| CliError::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Runs the program.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(command) => runtime()?.block_on(command.run()),
        Command::Migrate(command) => runtime()?.block_on(command.run()),
        Command::Tenant(command) => runtime()?.block_on(command.run()),
        Command::Ledger(command) => runtime()?.block_on(command.run()),
        Command::Report(command) => runtime()?.block_on(command.run()),
        Command::Token(command) => command.run(),
        Command::Openapi => {
            let document = crate::http::document().to_pretty_json();
            println!("{}", document.map_err(|error| CliError::new(error.to_string()))?);
            Ok(())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(format!("cannot start: {error}")))
}
