//! What can go wrong below the rules of the domain.

/// The result of a statement.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key is taken; carries the constraint's name.
    #[error("the key {0} is taken")]
    Conflict(String),
    /// The database cannot be reached, is overloaded, or gave up: trying again later may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// Too many transactions of the tenant are waiting for their turn. Nothing was begun.
    #[error("too many transactions of the tenant are waiting")]
    Overloaded,
    /// Nobody waits for this any more. Nothing was begun.
    #[error("the caller has gone")]
    CallerGone,
    /// A statement failed for a reason that trying again will not mend.
    #[error("a statement failed")]
    Failed(#[source] sqlx::Error),
    /// A row does not have the form that the schema's checks promise.
    #[error("a stored row is malformed: {0}")]
    Malformed(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Conflict(database.constraint().unwrap_or_default().to_owned())
            }
            sqlx::Error::Database(database)
                if is_transient(database.code().as_deref().unwrap_or_default()) =>
            {
                Self::Unavailable(error)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(error),
            _ => Self::Failed(error),
        }
    }
}

/// `SQLSTATE` classes after which the same request may succeed: connection trouble, serialisation, resources,
/// operator intervention and time-outs.
fn is_transient(sqlstate: &str) -> bool {
    ["08", "40", "53", "57", "55P03"].iter().any(|class| sqlstate.starts_with(class))
}

/// Reads a stored value through the checks of its domain type.
pub(crate) fn read<T, E: std::fmt::Display>(value: std::result::Result<T, E>) -> Result<T> {
    value.map_err(|error| StoreError::Malformed(error.to_string()))
}
