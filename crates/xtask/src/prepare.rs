//! `cargo xtask prepare`: what sqlx's macros know about each query, so that nobody needs a database to
//! compile.
//!
//! The macros ask a database when `DATABASE_URL` is set, and write `query-<hash>.json` for each query into
//! `SQLX_OFFLINE_DIR` (sqlx-macros-core, `src/query/`). That is all that `cargo sqlx prepare` uses, and so
//! this does not need it. Whether a column may be null is partly read from the server's query plans, so that
//! another major version may give other files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use embedded_postgres::Cluster;
use serde_json::Value;

use crate::database;
use crate::error::{Failure, Result};
use crate::process;
use crate::tools::{self, Tool};
use crate::workspace::{Mode, Workspace};

const DATABASE: &str = "subgrant_prepare";

/// File names and their content.
type Queries = BTreeMap<String, String>;

pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    tools::ensure(&[Tool::Postgres])?;
    let fresh = database::with_cluster(|cluster| {
        migrate(workspace, cluster)?;
        generate(workspace, &cluster.superuser_url(DATABASE))
    })?;
    let directory = workspace.path(".sqlx");
    let committed = read_queries(&directory)?;
    let drift = describe_drift(&committed, &fresh);
    match mode {
        Mode::Write => write(&directory, &committed, &fresh)?,
        Mode::Check if drift.is_empty() => {}
        Mode::Check => {
            return Err(Failure::new(format!(
                "the query metadata in .sqlx have drifted: run `cargo xtask prepare` and commit the result\n{}",
                drift.join("\n")
            )));
        }
    }
    println!("{} queries, {} changed", fresh.len(), drift.len());
    Ok(())
}

/// Applies the migrations as sqlx's migrator does: in the order of their names, each in a transaction unless
/// its first line says otherwise.
fn migrate(workspace: &Workspace, cluster: &Cluster) -> Result<()> {
    cluster.execute("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
    let directory = workspace.path("migrations");
    let mut files = files_in(&directory)?;
    files.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".sql") && !name.ends_with(".down.sql")
    });
    for path in files {
        let sql = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
        let is_bare = sql.starts_with("-- no-transaction");
        let sql = if is_bare { sql } else { format!("BEGIN;\n{sql}\n;COMMIT;\n") };
        cluster.execute(DATABASE, &sql).map_err(|error| {
            Failure::new(format!("the migration {} does not apply: {error}", path.display()))
        })?;
    }
    Ok(())
}

fn generate(workspace: &Workspace, database_url: &str) -> Result<Queries> {
    let directory = workspace.scratch().join("queries");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(Failure::io("delete", &directory))?;
    }
    fs::create_dir_all(&directory).map_err(Failure::io("create", &directory))?;

    let touched = Touched::now(workspace.path("crates/store/src/lib.rs"))?;
    let mut command = process::cargo(workspace.root());
    command.args(["check", "--package=subgrant-store", "--all-targets"]);
    command.env("DATABASE_URL", database_url).env("SQLX_OFFLINE", "false");
    process::run(command.env("SQLX_OFFLINE_DIR", &directory))?;
    drop(touched);
    read_queries(&directory)
}

/// A file that looks newly changed, so that Cargo compiles its crate again, as long as this value lives.
/// Afterwards it has its old time again, and whatever was built from it before is still up to date.
struct Touched {
    path: PathBuf,
    modified: SystemTime,
}

impl Touched {
    fn now(path: PathBuf) -> Result<Self> {
        let metadata = fs::metadata(&path).map_err(Failure::io("read", &path))?;
        let modified = metadata.modified().map_err(Failure::io("read", &path))?;
        let touched = Self { path, modified };
        touched.set(SystemTime::now()).map_err(Failure::io("touch", &touched.path))?;
        Ok(touched)
    }

    fn set(&self, time: SystemTime) -> std::io::Result<()> {
        File::options().write(true).open(&self.path)?.set_modified(time)
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        // At worst the crate is compiled once more.
        drop(self.set(self.modified));
    }
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(Failure::io("read", directory))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn read_queries(directory: &Path) -> Result<Queries> {
    if !directory.exists() {
        return Ok(Queries::new());
    }
    let mut queries = Queries::new();
    for path in files_in(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            let text = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
            queries.insert(name, text);
        }
    }
    Ok(queries)
}

fn write(directory: &Path, committed: &Queries, fresh: &Queries) -> Result<()> {
    fs::create_dir_all(directory).map_err(Failure::io("create", directory))?;
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        let path = directory.join(name);
        fs::remove_file(&path).map_err(Failure::io("delete", &path))?;
    }
    for (name, text) in fresh.iter().filter(|(name, text)| committed.get(*name) != Some(text)) {
        let path = directory.join(name);
        fs::write(&path, text).map_err(Failure::io("write", &path))?;
    }
    Ok(())
}

/// One line for each query that was added, changed or removed.
fn describe_drift(committed: &Queries, fresh: &Queries) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, text) in fresh {
        match committed.get(name) {
            None => lines.push(format!("  new:     {}", statement_of(text))),
            Some(old) if old != text => lines.push(format!("  changed: {}", statement_of(text))),
            Some(_) => {}
        }
    }
    let gone = committed.iter().filter(|(name, _)| !fresh.contains_key(*name));
    lines.extend(gone.map(|(_, text)| format!("  gone:    {}", statement_of(text))));
    lines.sort();
    lines
}

/// The beginning of the query in a metadata file, on one line.
fn statement_of(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let query = value["query"].as_str().unwrap_or("a file that cannot be read");
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 100 { line } else { line.chars().take(99).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(files: &[(&str, &str)]) -> Queries {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn new_changed_and_stale_queries_are_each_named() {
        let committed = queries(&[
            ("query-1.json", r#"{"query": "SELECT 1"}"#),
            ("query-2.json", r#"{"query": "SELECT 2", "nullable": true}"#),
            ("query-3.json", r#"{"query": "SELECT 3"}"#),
        ]);
        let fresh = queries(&[
            ("query-1.json", r#"{"query": "SELECT 1"}"#),
            ("query-2.json", r#"{"query": "SELECT 2", "nullable": false}"#),
            ("query-4.json", "{\"query\": \"SELECT\\n  4\"}"),
        ]);
        let expected = ["  changed: SELECT 2", "  gone:    SELECT 3", "  new:     SELECT 4"];
        assert_eq!(describe_drift(&committed, &fresh), expected);
        assert!(describe_drift(&fresh, &fresh).is_empty());
    }
}
