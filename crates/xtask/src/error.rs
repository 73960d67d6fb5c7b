//! What a command fails with.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use signal_hook::consts::SIGINT;

/// This crate's result.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Nobody tells these apart but `main`, so that a sentence and an exit code are enough.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// One sentence, with its remedy.
    #[error("{0}")]
    Message(String),
    /// The user or the system ended the command.
    #[error("{}", if *.0 == SIGINT { "interrupted" } else { "terminated" })]
    Signal(i32),
    /// The database could not be had.
    #[error(transparent)]
    Postgres(#[from] embedded_postgres::Error),
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// For `map_err`: says what was being done to which file or program.
    pub(crate) fn io(action: &str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let what = format!("cannot {action} {}", path.as_ref().display());
        move |source| Self::Message(format!("{what}: {source}"))
    }

    /// What shells report: 128 and the signal's number for a command that a signal ended.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Signal(number) => ExitCode::from(u8::try_from(128 + number).unwrap_or(1)),
            Self::Message(_) | Self::Postgres(_) => ExitCode::FAILURE,
        }
    }
}
