//! Who the server runs as. PostgreSQL refuses root, so that root lends itself an unprivileged account.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// An unprivileged account, used only when we are root.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    name: String,
}

impl Account {
    /// `None` when we are not root: the server then runs as whoever we are. An existing cluster is run by its
    /// owner, because PostgreSQL insists on that.
    pub(crate) fn for_server(cluster: &Path) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(metadata) = fs::metadata(cluster)
            && metadata.uid() != 0
        {
            let (uid, gid) = (metadata.uid(), metadata.gid());
            return Ok(Some(Self { uid, gid, name: format!("number {uid}") }));
        }
        ["postgres", "nobody"].into_iter().find_map(Self::by_name).map(Some).ok_or(Error::NoAccount)
    }

    /// Asks `id`, which knows local and remote user directories on every Unix.
    fn by_name(name: &str) -> Option<Self> {
        let ask = |option: &str| -> Option<u32> {
            let output = Command::new("id").args([option, name]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self { uid: ask("-u")?, gid: ask("-g")?, name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes the command run as this account; the standard library drops root's other groups along with it.
    pub(crate) fn apply_to(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or directory of ours to this account.
    pub(crate) fn take_over(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::io("change the owner of", path))
    }

    /// The topmost existing directory on the way to `path` (itself included) that this account cannot enter.
    /// It looks at mode bits only; an access control list that says otherwise is not seen.
    pub(crate) fn first_closed_directory(&self, path: &Path) -> Option<PathBuf> {
        let mut on_the_way: Vec<&Path> = path.ancestors().collect();
        on_the_way.reverse();
        let closed = on_the_way.into_iter().find(|directory| self.is_shut_out_of(directory))?;
        Some(closed.to_path_buf())
    }

    fn is_shut_out_of(&self, directory: &Path) -> bool {
        let Ok(metadata) = fs::metadata(directory) else {
            return false;
        };
        metadata.is_dir()
            && !may_enter(metadata.mode(), metadata.uid() == self.uid, metadata.gid() == self.gid)
    }
}

/// The kernel's rule: the first of owner, group and others that applies decides alone.
fn may_enter(mode: u32, is_owner: bool, is_group: bool) -> bool {
    let execute_bit = match (is_owner, is_group) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    mode & execute_bit != 0
}

#[cfg(test)]
mod tests {
    use super::may_enter;

    #[test]
    fn a_directory_of_mode_0700_is_for_its_owner_only() {
        assert!(may_enter(0o700, true, true));
        assert!(!may_enter(0o700, false, true));
        assert!(!may_enter(0o700, false, false));
    }

    #[test]
    fn an_owner_without_the_bit_is_shut_out_although_others_have_it() {
        assert!(!may_enter(0o601, true, false));
        assert!(may_enter(0o601, false, false));
    }
}
