//! Brings a database's schema up to date, as its owner.

use sqlx::{Connection, PgConnection, migrate::Migrator};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be reached with this URL.
    #[error("cannot connect to the database: {0}")]
    Connect(#[source] sqlx::Error),
    /// A migration failed, or the database was migrated by a newer version.
    #[error("cannot migrate the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The role that the server acts as could not be granted.
    #[error("cannot let {login} act as subgrant_app: {source}")]
    Grant {
        /// The login role.
        login: String,
        /// What the database said.
        source: sqlx::Error,
    },
}

/// Changes whenever a migration is added or altered: a hash of all their checksums.
pub fn schema_fingerprint() -> String {
    let combined = MIGRATOR.iter().flat_map(|migration| migration.checksum.iter().take(8));
    let folded = combined.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{folded:016x}")
}

/// The version of the newest migration that this program knows.
pub(crate) fn newest_migration() -> Option<i64> {
    MIGRATOR.iter().map(|migration| migration.version).max()
}

/// Applies every migration that is missing, then lets the role `login` (if given) act as the server's role.
pub async fn migrate(url: &str, login: Option<&str>) -> Result<(), MigrateError> {
    let mut connection = PgConnection::connect(url).await.map_err(MigrateError::Connect)?;
    // Policies ask for a tenant, of an owner without privileges too.
    let no_tenant = sqlx::raw_sql("SET subgrant.tenant_id = '00000000-0000-0000-0000-000000000000'");
    no_tenant.execute(&mut connection).await.map_err(MigrateError::Connect)?;
    MIGRATOR.run(&mut connection).await?;
    // So that the server can tell whether it was sent to a database that is older than itself.
    let look = sqlx::raw_sql("GRANT SELECT ON public._sqlx_migrations TO subgrant_app");
    look.execute(&mut connection).await.map_err(MigrateError::Connect)?;
    if let Some(login) = login {
        // format() quotes the identifier; utility statements take no parameters.
        let grant: Result<String, _> =
            sqlx::query_scalar("SELECT format('GRANT subgrant_app TO %I', $1::text)")
                .bind(login)
                .fetch_one(&mut connection)
                .await;
        let granted = match grant {
            Ok(statement) => {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        granted.map_err(|source| MigrateError::Grant { login: login.to_owned(), source })?;
    }
    connection.close().await.map_err(MigrateError::Connect)
}
