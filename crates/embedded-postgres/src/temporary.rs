//! Directories for clusters that are thrown away.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::data_dir::{DataDir, LOCK_FILE};
use crate::error::{Error, Result};
use crate::fallback::reachable_data_dir;
use crate::orphan;

const PREFIX: &str = "subgrant-postgres-";

/// A directory younger than this may be one that another process has made but not locked yet.
const MINIMUM_AGE: Duration = Duration::from_mins(10);

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A directory that is deleted when this value is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryDir {
    path: PathBuf,
}

impl TemporaryDir {
    /// Makes a new directory where temporary files go, or in `/var/tmp` when the server cannot get there. On
    /// the way it removes what killed processes have left.
    pub(crate) fn create() -> Result<Self> {
        let parent = parent()?;
        sweep(&parent);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let temporary = Self { path };
                    temporary.open_to_the_server()?;
                    return Ok(temporary);
                }
                // A killed process had the same number once.
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::io("create", &path)(source)),
            }
        }
    }

    /// The server's account must get through to its cluster, whatever the umask is.
    fn open_to_the_server(&self) -> Result<()> {
        let mode = Permissions::from_mode(0o711);
        fs::set_permissions(&self.path, mode).map_err(Error::io("change the mode of", &self.path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

fn parent() -> Result<PathBuf> {
    let usual = std::env::temp_dir();
    let is_reachable = reachable_data_dir(&usual)? == usual;
    Ok(if is_reachable { usual } else { PathBuf::from("/var/tmp") })
}

/// Best effort: whatever cannot be removed is left for the next time.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw());
        if is_ours && is_old(&entry.path()) {
            drop(remove_abandoned(&entry.path()));
        }
    }
}

fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path.join(LOCK_FILE)).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= MINIMUM_AGE))
}

fn remove_abandoned(path: &Path) -> Result<()> {
    // Taking the lock fails when the owner is alive.
    let data_dir = DataDir::open(path)?;
    orphan::stop_predecessor(&data_dir.cluster())?;
    fs::remove_dir_all(data_dir.root()).map_err(Error::io("delete", path))
}
