//! `subgrant migrate`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, secret};

/// Options of `subgrant migrate`.
#[derive(Args)]
pub(super) struct Migrate {
    /// The URL of the database, as its owner, who may create roles.
    #[arg(long, env = "SUBGRANT_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A file that holds the URL.
    #[arg(long, env = "SUBGRANT_DATABASE_URL_FILE", conflicts_with = "database_url")]
    database_url_file: Option<PathBuf>,
    /// The login role that `subgrant serve` will connect as; it may then act as the server's role `subgrant_app`.
    #[arg(long, env = "SUBGRANT_GRANT_TO")]
    grant_to: Option<String>,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let url = secret(self.database_url.as_deref(), self.database_url_file.as_ref())?;
        let url =
            url.ok_or_else(|| CliError::new("say which database: --database-url, or SUBGRANT_DATABASE_URL"))?;
        let migrated = subgrant_store::migrate(&url, self.grant_to.as_deref()).await;
        migrated.map_err(|error| CliError::new(error.to_string()))?;
        println!("The database is up to date.");
        Ok(())
    }
}
