//! Python environments that hold exactly what a file of pinned packages says.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Failure, Result};
use crate::process;
use crate::workspace::Workspace;

/// Returns the interpreter of an environment with exactly these packages. It is made once per content of the
/// file, and again when its interpreter has gone.
pub(crate) fn ensure(workspace: &Workspace, name: &str, requirements: &Path, what: &str) -> Result<PathBuf> {
    let text = fs::read_to_string(requirements).map_err(Failure::io("read", requirements))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let directory = workspace.scratch().join(format!("{name}-python-{:016x}", hasher.finish()));
    let python = directory.join("bin/python");
    // Written at the very end, so that an interrupted installation does not count.
    let complete = directory.join("complete");
    if complete.exists() && process::succeeds(&python, &["-c", ""]) {
        return Ok(python);
    }

    eprintln!("Installing {what}");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(Failure::io("delete", &directory))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&directory).stdin(Stdio::null()))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"]);
    process::run(pip.arg(requirements).stdin(Stdio::null()))?;
    fs::write(&complete, "").map_err(Failure::io("write", &complete))?;
    Ok(python)
}
