//! Taking possession of a data directory: it must be new, empty or ours, reachable for the server, and not in
//! use.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{Error, Result};

/// The file that marks a directory as ours, and that is locked while it is in use.
pub(crate) const LOCK_FILE: &str = "embedded-postgres.lock";

/// A data directory that is ours until this value is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    account: Option<Account>,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if need be and locks it. A directory that is not ours is left exactly as it was.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(Error::io("resolve", path))?;
        let account = Account::for_server(&path.join("cluster"))?;
        let is_new = !is_usable(&path)?;
        check_reachable(&path, account.as_ref())?;
        if is_new {
            // The lock file must be reachable for us and the cluster for the account, hence the one more bit.
            create_with_parents(&path, if account.is_some() { 0o711 } else { 0o700 })?;
        }
        let root = fs::canonicalize(&path).map_err(Error::io("resolve", &path))?;
        check_reachable(&root, account.as_ref())?;

        let lock_path = root.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&lock_path).map_err(Error::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: root }),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &lock_path)(source)),
        }
        let data_dir = Self { root, account, _lock: lock };
        data_dir.hand_over(&lock_path)?;
        Ok(data_dir)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// What PostgreSQL itself calls the data directory.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// Starts the log anew and keeps the one before, so that neither grows without end nor a crash's traces
    /// are lost at the next start.
    pub(crate) fn rotate_log(&self) -> Result<File> {
        let log = self.log();
        match fs::rename(&log, self.root.join("postgres.previous.log")) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("rename", &log)(source));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file =
            options.append(true).create(true).mode(0o600).open(&log).map_err(Error::io("create", &log))?;
        self.hand_over(&log)?;
        Ok(file)
    }

    /// Creates a directory of mode 0700 that belongs to the server's account.
    pub(crate) fn create_private_dir(&self, path: &Path) -> Result<()> {
        DirBuilder::new().mode(0o700).create(path).map_err(Error::io("create", path))?;
        self.hand_over(path)
    }

    fn hand_over(&self, path: &Path) -> Result<()> {
        self.account.as_ref().map_or(Ok(()), |account| account.take_over(path))
    }
}

fn check_reachable(path: &Path, account: Option<&Account>) -> Result<()> {
    let Some(account) = account else { return Ok(()) };
    match account.first_closed_directory(path) {
        Some(closed) => Err(Error::Unreachable { user: account.name().to_owned(), closed }),
        None => Ok(()),
    }
}

/// Tells whether the directory is there; one that must not be used is an error.
fn is_usable(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Err(Error::NotADirectory { path: path.to_path_buf() }),
        Ok(_) => check_content(path).map(|()| true),
        Err(source) => match source.kind() {
            io::ErrorKind::NotFound => Ok(false),
            io::ErrorKind::NotADirectory => Err(Error::NotADirectory { path: nearest_file(path) }),
            _ => Err(Error::io("read", path)(source)),
        },
    }
}

/// The file that stands where a directory ought to be on the way to `path`.
fn nearest_file(path: &Path) -> PathBuf {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path).to_path_buf()
}

fn check_content(path: &Path) -> Result<()> {
    let mut entries = fs::read_dir(path).map_err(Error::io("read", path))?;
    if entries.next().is_some() && !path.join(LOCK_FILE).exists() {
        return Err(Error::ForeignContent { path: path.to_path_buf() });
    }
    Ok(())
}

/// Like `create_dir_all`, but the modes do not depend on the umask: a parent that the server's account could
/// not pass through would make the whole path useless.
fn create_with_parents(path: &Path, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        create_with_parents(parent, 0o755)?;
    }
    match fs::create_dir(path) {
        // Another process was faster; the lock will tell which of us may go on.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        result => result.map_err(Error::io("create", path))?,
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("change the mode of", path))
}
