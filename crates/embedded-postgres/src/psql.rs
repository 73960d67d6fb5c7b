//! Statements by way of `psql`, for setting up roles and databases without an SQL driver.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::command::quiet;
use crate::error::{Error, Result};

/// Runs statements and returns what they print: one row per line, columns separated by `|`. Ends at the first
/// error.
pub(crate) fn execute(program: &Path, url: &str, sql: &str) -> Result<String> {
    let mut command = quiet(program);
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    command.args(["--file=-", "--dbname", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::io("start", program))?;
    let mut stdin = child.stdin.take().expect("standard input was asked to be a pipe");
    // Both ends at once: psql stops reading while nobody takes its output.
    let output = thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(sql.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(Error::io("read from", program))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Sql { reason });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
