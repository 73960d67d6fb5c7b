//! `subgrant tenant …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rand::RngExt;
use serde_json::json;
use subgrant_domain::{AttributeText, parse_email};
use subgrant_service::{App, AppOptions, Browser, SignupRequest};
use zeroize::Zeroizing;

use super::{CliError, DatabaseArgs, read_secret};
use crate::launch::Launched;

/// Subcommands of `subgrant tenant`.
#[derive(Subcommand)]
pub(super) enum Tenant {
    /// Create a tenant with its owner. Prints JSON with the root token, which is shown only here.
    Create(Create),
}

/// Options of `subgrant tenant create`.
#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The organisation's name.
    #[arg(long, env = "SUBGRANT_NAME")]
    name: String,
    /// The owner's e-mail address.
    #[arg(long, env = "SUBGRANT_EMAIL")]
    email: String,
    /// A file with the owner's password. Without it one is made up and printed.
    #[arg(long, env = "SUBGRANT_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
}

impl Tenant {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create(command) => command.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), CliError> {
        let organization = AttributeText::name(self.name.clone());
        let organization = organization.map_err(|error| CliError::new(format!("--name {error}")))?;
        let email = parse_email(&self.email).map_err(|error| CliError::new(format!("--email {error}")))?;
        let given = self.password_file.as_ref().map(read_secret).transpose()?;
        if given.as_ref().is_some_and(|password| !(8..=1024).contains(&password.len())) {
            return Err(CliError::new("the password must be 8 to 1024 bytes long"));
        }
        let launched = Launched::open(&self.database).await?;
        let created = self.create(&launched, organization, email, given).await;
        launched.close().await?;
        println!("{}", created?);
        Ok(())
    }

    async fn create(
        &self,
        launched: &Launched,
        organization: AttributeText,
        email: String,
        given: Option<Zeroizing<String>>,
    ) -> Result<String, CliError> {
        let app = App::new(launched.database.clone(), launched.master_key.clone(), AppOptions::default());
        // A script that runs again makes no second one.
        let exists = app.belongs_to_organization(&email, organization.as_str()).await;
        if exists.map_err(|error| CliError::new(error.to_string()))? {
            let (name, address) = (&self.name, &self.email);
            return Err(CliError::new(format!("an account with the address {address} exists in {name}")));
        }
        let made_up = given.is_none();
        let password = given.unwrap_or_else(random_password);
        let request = SignupRequest {
            organization,
            email,
            password: password.clone(),
            idempotency_key: None,
            browser: Browser::default(),
            request_id: None,
        };
        let signed_up = app.sign_up(request).await.map_err(|error| CliError::new(error.to_string()))?.value;
        let mut document = json!({
            "tenant": { "id": signed_up.tenant, "organization": signed_up.organization },
            "user": { "id": signed_up.user, "email": signed_up.email, "role": "owner" },
            "root_delegation_id": signed_up.root,
            "root_token": *signed_up.root_token,
        });
        if made_up {
            document["password"] = json!(*password);
        }
        serde_json::to_string_pretty(&document).map_err(|error| CliError::new(error.to_string()))
    }
}

/// 24 letters and digits: some 140 bits.
fn random_password() -> Zeroizing<String> {
    let letters = rand::rng().sample_iter(rand::distr::Alphanumeric).take(24).map(char::from);
    Zeroizing::new(letters.collect())
}
