//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Failure, Result};
use crate::process;

/// Whether a generated file is written or compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

impl Mode {
    pub(crate) fn from_check_flag(check: bool) -> Self {
        if check { Self::Check } else { Self::Write }
    }
}

/// The repository's root and what Cargo knows about it.
pub(crate) struct Workspace {
    root: PathBuf,
    metadata: Value,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        // Cargo says at run time where the package is; what was compiled in is wrong when clones share a
        // target directory.
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = package.ancestors().nth(2).map(Path::to_path_buf);
        let root =
            root.ok_or_else(|| Failure::new("cannot find the workspace: run this as `cargo xtask`"))?;
        let mut command = process::cargo(&root);
        let json = process::output_of(command.args(["metadata", "--no-deps", "--format-version=1"]))?;
        let metadata = serde_json::from_str(&json)
            .map_err(|error| Failure::new(format!("cannot read what `cargo metadata` prints: {error}")))?;
        Ok(Self { root, metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// What `cargo metadata --no-deps` prints.
    pub(crate) fn metadata(&self) -> &Value {
        &self.metadata
    }

    /// A place for this crate's own files, which `cargo clean` removes.
    pub(crate) fn scratch(&self) -> PathBuf {
        let target = self.metadata["target_directory"].as_str();
        target.map_or_else(|| self.path("target"), PathBuf::from).join("xtask")
    }
}
