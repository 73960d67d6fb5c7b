//! `cargo xtask bench`: the spend engine beside the naive way and beside the raw limit.

use std::fs;
use std::path::Path;

use crate::error::{Failure, Result};
use crate::process;
use crate::run::{self, Profile};
use crate::signals;
use crate::suites;
use crate::workspace::Workspace;

/// Builds everything optimised and measures on a durable cluster of its own, which is deleted afterwards.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    signals::note_from_now_on()?;
    suites::ensure_tools(workspace)?;
    let server = run::build(workspace, Profile::Release)?;
    let data_dir = embedded_postgres::reachable_data_dir(&workspace.path(".bench"))?;
    remove(&data_dir)?;
    let mut command = process::cargo(workspace.root());
    command.args(["run", "--release", "--package=subgrant-bench", "--", "run", "--server"]).arg(&server);
    command.arg("--data-dir").arg(&data_dir).arg("--json").arg(workspace.path("target/bench.json"));
    let measured = process::run(command.args(arguments));
    remove(&data_dir)?;
    measured
}

fn remove(data_dir: &Path) -> Result<()> {
    if !data_dir.exists() {
        return Ok(());
    }
    fs::remove_dir_all(data_dir).map_err(Failure::io("delete", data_dir))
}
