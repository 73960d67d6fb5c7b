//! `cargo xtask load`: a tenant of any size, to measure with.

use crate::error::Result;
use crate::process;
use crate::workspace::Workspace;

/// Builds the loader optimised, because it computes a hash for every entry, and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut command = process::cargo(workspace.root());
    command.args(["run", "--release", "--package=subgrant-tests", "--bin=subgrant-load", "--"]);
    process::run(command.args(arguments))
}
