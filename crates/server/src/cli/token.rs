//! `subgrant token …`.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::json;
use subgrant_token::{Identifier, Macaroon};

use super::CliError;

/// Subcommands of `subgrant token`.
#[derive(Subcommand)]
pub(super) enum Token {
    /// Show what a token says, offline. Nothing is verified: anybody can write such a token.
    Inspect(Inspect),
}

/// Options of `subgrant token inspect`.
#[derive(Args)]
pub(super) struct Inspect {
    /// The token; without it, it is read from standard input, where no other user of the machine sees it.
    token: Option<String>,
}

impl Token {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Inspect(command) => command.run(),
        }
    }
}

impl Inspect {
    fn run(self) -> Result<(), CliError> {
        let text = if let Some(token) = self.token {
            token
        } else {
            let mut text = String::new();
            let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
            read.map_err(|error| CliError::new(format!("cannot read standard input: {error}")))?;
            text
        };
        let macaroon = Macaroon::parse(text.trim());
        let macaroon =
            macaroon.map_err(|error| CliError::new(format!("this is not a Subgrant token: {error}")))?;
        let identifier = macaroon.identifier();
        let kind = match identifier {
            Identifier::Subgrant { .. } => "subgrant",
            Identifier::L402 { .. } => "l402",
        };
        let document = json!({
            "verified": false,
            "kind": kind,
            "tenant": identifier.tenant(),
            "root_key": identifier.root_key(),
            "has_service_signature": macaroon.has_service_signature(),
            "location": macaroon.location(),
            "fingerprint": macaroon.fingerprint(),
            "caveats": macaroon.unverified_caveats().collect::<Vec<_>>(),
        });
        let text =
            serde_json::to_string_pretty(&document).map_err(|error| CliError::new(error.to_string()))?;
        println!("{text}");
        Ok(())
    }
}
