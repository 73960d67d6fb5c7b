//! `subgrant ledger …`.

mod check;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde_json::json;
use subgrant_domain::TenantId;
use subgrant_service::{App, AppOptions};

use super::{CliError, DatabaseArgs};
use crate::{http::Pieces, launch::Launched, ledger_export::Lines};
use check::{Check, Noted};

/// No line of an export is longer.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// How often a terminal is told how far the work is.
const TOLD_EVERY: u64 = 100_000;

/// Subcommands of `subgrant ledger`.
#[derive(Subcommand)]
pub(super) enum Ledger {
    /// Write a tenant's whole ledger, with every delegation's balance, to standard output: one JSON object per line.
    Export(Box<Export>),
    /// Check an export offline: the hash chain, and that all balances follow from the entries. Prints JSON; fails and
    /// names the first fault where something was altered, deleted, swapped or cut off.
    Verify(Verify),
}

/// Options of `subgrant ledger export`.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The tenant: `ten_…`.
    #[arg(long, env = "SUBGRANT_TENANT")]
    tenant: TenantId,
}

/// Options of `subgrant ledger verify`.
#[derive(Args)]
pub(super) struct Verify {
    /// The export; without it, or with `-`, standard input is read.
    file: Option<PathBuf>,
    /// A hash that was noted earlier, as `POSITION:HASH`. Whoever rewrites a whole ledger can make a chain that is whole;
    /// it cannot give this hash.
    #[arg(long, value_parser = noted)]
    noted: Option<Noted>,
}

fn noted(text: &str) -> Result<Noted, String> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
    let parts =
        parts.filter(|(seq, hash)| *seq > 0 && hex::decode(hash).is_ok_and(|bytes| bytes.len() == 32));
    let (seq, hash) = parts.ok_or("must be a position, a colon and 64 hexadecimal digits")?;
    Ok(Noted { seq, hash: hash.to_lowercase() })
}

impl Ledger {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Export(command) => command.run().await,
            Self::Verify(command) => command.run(),
        }
    }
}

impl Export {
    async fn run(self) -> Result<(), CliError> {
        let launched = Launched::open(&self.database).await?;
        let written = self.write(&launched).await;
        launched.close().await?;
        written
    }

    async fn write(&self, launched: &Launched) -> Result<(), CliError> {
        let app = App::new(launched.database.clone(), launched.master_key.clone(), AppOptions::default());
        let failed = |error: &dyn std::error::Error| CliError::new(format!("the export failed: {error}"));
        let known = subgrant_store::tenants::all_ids(&launched.database).await;
        if !known.map_err(|error| failed(&error))?.contains(&self.tenant) {
            return Err(CliError::new(format!("there is no tenant {}", self.tenant)));
        }
        let export = app.export_ledger_of(self.tenant).await.map_err(|error| failed(&error))?;
        let mut lines = Lines::of(export);
        eprintln!("Exporting {} entries", lines.entries());
        let mut stdout = io::stdout().lock();
        while let Some(text) = lines.next().await.map_err(|error| failed(&error))? {
            stdout.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        }
        stdout.flush().map_err(|error| failed(&error))
    }
}

impl Verify {
    fn run(self) -> Result<(), CliError> {
        let check = Check::noting(self.noted);
        let named = self.file.filter(|file| file.as_os_str() != "-");
        match named {
            None => verify(check, io::stdin().lock()),
            Some(path) => {
                let opened = File::open(&path);
                let file = opened
                    .map_err(|error| CliError::new(format!("cannot read {}: {error}", path.display())))?;
                verify(check, BufReader::with_capacity(1 << 20, file))
            }
        }
    }
}

fn verify(mut check: Check, mut input: impl BufRead) -> Result<(), CliError> {
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|error| CliError::new(format!("cannot read the export: {error}")))? == 0 {
            break;
        }
        number += 1;
        let wrong = |why: &str| CliError::new(format!("not intact: line {number}: {why}"));
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(wrong("the export is cut off in the middle of a line"));
        }
        check.line(&line).map_err(|why| wrong(&why))?;
        if number.is_multiple_of(TOLD_EVERY) && io::stderr().is_terminal() {
            eprint!("\r{} entries are intact", check.entries());
        }
    }
    let checked = check.finish().map_err(|why| CliError::new(format!("not intact: {why}")))?;
    let document = json!({
        "intact": true,
        "entries": checked.entries,
        "through": checked.through,
        "head_hash": checked.head_hash,
        "delegations": checked.delegations,
        "identities": { "ledger_equals_root": true, "nodes_equal_own_plus_children": true },
    });
    let text = serde_json::to_string_pretty(&document).map_err(|error| CliError::new(error.to_string()))?;
    println!("{text}");
    Ok(())
}
