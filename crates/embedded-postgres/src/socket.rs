//! Where the server's socket is, and how clients are told.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::data_dir::DataDir;
use crate::error::{Error, Result};
use crate::fallback::short_name;

/// The port is only a part of the socket's file name here; no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// A socket's address holds 104 bytes on macOS and 108 on Linux, the closing zero included.
const LONGEST_SOCKET_PATH: usize = 100;

/// The directory of the socket, of mode 0700.
#[derive(Debug)]
pub(crate) struct SocketDir {
    path: PathBuf,
    is_outside: bool,
}

impl SocketDir {
    /// The data directory's `socket/`, or `/tmp/subgrant-<hash>` when that path is too long or has a comma in
    /// it. The second is always the same for the same data, so that killed processes leave no growing heap
    /// behind.
    pub(crate) fn ensure(data_dir: &DataDir) -> Result<Self> {
        let inside = data_dir.root().join("socket");
        let outside = Path::new("/tmp").join(format!("subgrant-{}", short_name(data_dir.root())));
        let is_outside = !is_usable(&inside);
        let path = if is_outside { outside } else { inside };
        match fs::symlink_metadata(&path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => data_dir.create_private_dir(&path)?,
            Err(source) => return Err(Error::io("read", &path)(source)),
            Ok(metadata) => {
                let owner = data_dir.account().map_or(rustix::process::geteuid().as_raw(), Account::uid);
                if !metadata.is_dir() || metadata.uid() != owner || metadata.mode() & 0o077 != 0 {
                    return Err(Error::SocketDir { path });
                }
                remove_leftovers(&path)?;
            }
        }
        Ok(Self { path, is_outside })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        if self.is_outside {
            // It stays when a server that did not stop still has its socket there.
            drop(fs::remove_dir(&self.path));
        }
    }
}

/// A killed server leaves its socket, and beside it a lock file with its process number. The caller has made
/// sure that no server runs on the data, so that nobody uses these; the next server would be stopped by that
/// number in case another process has it now.
fn remove_leftovers(directory: &Path) -> Result<()> {
    for name in [format!(".s.PGSQL.{PORT}.lock"), format!(".s.PGSQL.{PORT}")] {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("delete", &path)(source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether clients can be told this directory. libpq takes a comma for the end of a host's name.
fn is_usable(directory: &Path) -> bool {
    let socket = directory.join(format!(".s.PGSQL.{PORT}"));
    let bytes = socket.as_os_str().as_encoded_bytes();
    bytes.len() <= LONGEST_SOCKET_PATH && !bytes.contains(&b',')
}

/// A URL that both libpq and sqlx understand: the socket's directory stands, percent-encoded, where the host
/// does. The port is spelled out because clients would otherwise ask the variable `PGPORT`.
pub(crate) fn url(socket_dir: &Path, database: &str, role: &str) -> String {
    format!(
        "postgres://{}@{}:{PORT}/{}?sslmode=disable",
        percent_encode(role.as_bytes()),
        percent_encode(socket_dir.as_os_str().as_encoded_bytes()),
        percent_encode(database.as_bytes()),
    )
}

fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string succeeds");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_every_part_encoded() {
        assert_eq!(
            url(Path::new("/tmp/my data"), "a/b", "x@y"),
            "postgres://x%40y@%2Ftmp%2Fmy%20data:5432/a%2Fb?sslmode=disable"
        );
    }

    #[test]
    fn long_paths_and_those_with_a_comma_are_not_usable() {
        assert!(is_usable(Path::new("/var/lib/my data/socket")));
        assert!(!is_usable(Path::new("/var/lib/a,b/socket")));
        assert!(!is_usable(Path::new(&format!("/{}", "x".repeat(90)))));
    }
}
