//! The Python environment in which other implementations of macaroons are run against ours.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::python;
use crate::workspace::Workspace;

/// The pinned packages, or `None` while there are no such tests.
pub(crate) fn requirements(workspace: &Workspace) -> Option<PathBuf> {
    let path = workspace.path("crates/token/tests/interop/requirements.txt");
    path.exists().then_some(path)
}

/// Returns the interpreter of an environment with exactly these packages.
pub(crate) fn ensure_python(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    python::ensure(workspace, "interop", requirements, "the Python packages of the interoperability tests")
}
