//! `cargo xtask web`: builds the dashboard's page, which `crates/dashboard` embeds.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Failure, Result};
use crate::node::Node;
use crate::process;
use crate::workspace::Workspace;

/// Where the sources are.
const SOURCES: &str = "crates/dashboard/web";

/// What the page is made of besides: its client of the API is generated from this.
const OPENAPI: &str = "openapi/openapi.json";

/// Lies in the build, so that it goes when somebody else builds, and says what this one was made of.
const MARK: &str = "dist/.built-from";

/// Where the page's sources are, below the root.
pub(crate) fn directory(workspace: &Workspace) -> PathBuf {
    workspace.path(SOURCES)
}

/// Builds the page if what it is made of has changed.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let directory = directory(workspace);
    let mark = directory.join(MARK);
    let wanted = fingerprint(workspace)?;
    if fs::read_to_string(&mark).is_ok_and(|built| built == wanted) {
        return Ok(());
    }
    let node = Node::ensure(workspace)?;
    node.ensure_packages(&directory)?;
    eprintln!("Building the dashboard's page");
    process::run(node.npm(&directory)?.args(["run", "--silent", "build"]))?;
    fs::write(&mark, wanted).map_err(Failure::io("write", &mark))
}

/// Changes with any of the sources, tracked or new.
fn fingerprint(workspace: &Workspace) -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(workspace.root()).stdin(Stdio::null());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", SOURCES, OPENAPI]);
    let listed = process::output_of(&mut git)?;
    let mut hasher = DefaultHasher::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // One that was deleted and is not yet staged as such is listed as well.
        (path, fs::read(workspace.path(path)).ok()).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
