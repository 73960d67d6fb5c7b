//! From options to an open database and a master key.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use embedded_postgres::{Cluster, Installation, Options};
use subgrant_service::MasterKey;
use subgrant_store::{Database, DatabaseOptions, Shares, maintenance};
use zeroize::Zeroizing;

use crate::{
    background::MONTHS_AHEAD,
    cli::{CliError, DatabaseArgs},
};

/// The database and the login role of a private PostgreSQL.
const NAME: &str = "subgrant";

/// What a data directory holds: PostgreSQL's part, and the master key.
const CLUSTER: &str = "postgres";
const MASTER_KEY: &str = "master.key";

/// What every command that touches data works with.
pub(crate) struct Launched {
    pub(crate) database: Database,
    pub(crate) master_key: MasterKey,
    cluster: Option<Cluster>,
}

impl Launched {
    /// Connects, or starts a private PostgreSQL first.
    pub(crate) async fn open(options: &DatabaseArgs) -> Result<Self, CliError> {
        match (options.url()?, &options.data_dir) {
            (Some(url), _) => Self::connect(options, &url, required_key(options)?, None).await,
            (None, Some(directory)) => Self::embedded(options, directory).await,
            (None, None) => Err(CliError::new(
                "say where the data are: --database-url (SUBGRANT_DATABASE_URL) for a PostgreSQL of yours, or \
                 --data-dir (SUBGRANT_DATA_DIR) for a private one",
            )),
        }
    }

    async fn embedded(options: &DatabaseArgs, directory: &Path) -> Result<Self, CliError> {
        let explain = |error: embedded_postgres::Error| CliError::new(error.to_string());
        // Everything that can be refused is refused before anything is made.
        let installation = Installation::find().map_err(explain)?;
        check_directory(directory)?;
        let given_key = options.master_key_text()?.map(|text| parse_key(&text)).transpose()?;
        create_directory(directory)?;
        let cluster_dir = directory.join(CLUSTER);
        let master_key = match given_key {
            Some(key) => key,
            None => kept_key(&directory.join(MASTER_KEY), cluster_dir.exists())?,
        };
        let started = tokio::task::spawn_blocking(move || start_cluster(&installation, &cluster_dir)).await;
        let cluster = started.map_err(|error| CliError::new(error.to_string()))?.map_err(explain)?;
        let migrated = subgrant_store::migrate(&cluster.superuser_url(NAME), Some(NAME)).await;
        migrated.map_err(|error| CliError::new(error.to_string()))?;
        let url = Zeroizing::new(cluster.url(NAME, NAME));
        Self::connect(options, &url, master_key, Some(cluster)).await
    }

    async fn connect(
        options: &DatabaseArgs,
        url: &str,
        master_key: MasterKey,
        cluster: Option<Cluster>,
    ) -> Result<Self, CliError> {
        let connection = DatabaseOptions {
            url: url.to_owned(),
            max_connections: options.max_connections,
            acquire_timeout: Duration::from_secs(5),
            shares: Shares::of(options.max_connections),
        };
        let explain = |error: subgrant_store::StoreError| {
            let why =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            CliError::new(format!(
                "cannot use the database{why}; check the URL, and that `subgrant migrate` was run with --grant-to"
            ))
        };
        let database = Database::connect(&connection).await.map_err(explain)?;
        maintenance::ensure_ledger_partitions(&database, MONTHS_AHEAD).await.map_err(explain)?;
        if !master_key.belongs_to(&database).await.map_err(explain)? {
            return Err(CliError::new(
                "this is not the master key that the database was set up with, so that its tokens cannot be read: \
                 name the right one with --master-key-file",
            ));
        }
        Ok(Self { database, master_key, cluster })
    }

    /// Closes the connections, then stops the private PostgreSQL, if there is one.
    pub(crate) async fn close(self) -> Result<(), CliError> {
        self.database.close().await;
        let Some(cluster) = self.cluster else { return Ok(()) };
        let stopped = tokio::task::spawn_blocking(move || cluster.stop()).await;
        stopped
            .map_err(|error| CliError::new(error.to_string()))?
            .map_err(|error| CliError::new(error.to_string()))
    }
}

fn start_cluster(installation: &Installation, directory: &Path) -> embedded_postgres::Result<Cluster> {
    let cluster = Cluster::start(installation, &Options::durable(directory))?;
    cluster.ensure_role(NAME)?;
    cluster.ensure_database(NAME, "postgres")?;
    Ok(cluster)
}

/// Refuses a directory that holds something else, or that PostgreSQL's account cannot get to.
fn check_directory(directory: &Path) -> Result<(), CliError> {
    let shown = directory.display();
    let reachable = embedded_postgres::reachable_data_dir(directory);
    let reachable = reachable.map_err(|error| CliError::new(error.to_string()))?;
    let absolute = std::path::absolute(directory).map_err(|error| unusable(directory, &error))?;
    if reachable != absolute {
        return Err(CliError::new(format!(
            "cannot use {shown} as data directory: PostgreSQL does not run as root, and its account may not pass \
             through the directories above; choose another with --data-dir, such as {}",
            reachable.display()
        )));
    }
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(directory, &error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| unusable(directory, &error))?.file_name();
        if name != CLUSTER && name != MASTER_KEY {
            return Err(CliError::new(format!(
                "{shown} holds other files, such as {}: choose an empty or a new directory with --data-dir",
                name.display()
            )));
        }
    }
    Ok(())
}

fn unusable(directory: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!(
        "cannot use {} as data directory: {error}; choose another with --data-dir",
        directory.display()
    ))
}

/// Others may pass through, because under root PostgreSQL runs as another account; only the owner may look.
fn create_directory(directory: &Path) -> Result<(), CliError> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o711).create(directory);
    created.map_err(|error| unusable(directory, &error))
}

fn required_key(options: &DatabaseArgs) -> Result<MasterKey, CliError> {
    let text = options.master_key_text()?.ok_or_else(|| {
        CliError::new(
            "a master key is missing: make one with `openssl rand -hex 32`, keep it safe, and name it with \
             --master-key-file (SUBGRANT_MASTER_KEY_FILE)",
        )
    })?;
    parse_key(&text)
}

fn parse_key(text: &str) -> Result<MasterKey, CliError> {
    MasterKey::from_hex(text).map_err(|error| CliError::new(error.to_string()))
}

/// The key of a private PostgreSQL: kept beside its data, made with it and never again.
fn kept_key(file: &Path, has_data: bool) -> Result<MasterKey, CliError> {
    let explain = |error: std::io::Error| CliError::new(format!("cannot use {}: {error}", file.display()));
    match fs::read_to_string(file) {
        Ok(text) => return parse_key(&Zeroizing::new(text)),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(explain(error)),
        Err(_) if has_data => {
            return Err(CliError::new(format!(
                "{} is missing, and without it the tokens of the data beside it cannot be read: restore it from a \
                 backup, or choose another --data-dir",
                file.display()
            )));
        }
        Err(_) => {}
    }
    let key = MasterKey::generate();
    let mut opened =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(explain)?;
    opened.write_all(key.to_hex().as_bytes()).and_then(|()| opened.sync_all()).map_err(explain)?;
    Ok(key)
}
