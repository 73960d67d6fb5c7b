use std::os::unix::fs::PermissionsExt;

use super::*;

/// A made-up installation: programs that only print a version, and a share directory with or without ltree.
struct Fake {
    root: PathBuf,
}

impl Fake {
    fn new(name: &str, printed: &str, has_ltree: bool) -> Self {
        let root = env::temp_dir().join(format!("embedded-postgres-fake-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("share/extension")).unwrap();
        for program in ["postgres", "initdb", "psql"] {
            let path = root.join("bin").join(program);
            fs::write(&path, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        if has_ltree {
            fs::write(root.join("share/extension/ltree.control"), "").unwrap();
        }
        Self { root }
    }

    fn bin_dir(&self) -> PathBuf {
        self.root.join("bin")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

#[test]
fn versions_are_read_as_distributions_print_them() {
    let version = |printed| parse_version(printed).map(|version| (version.major, version.minor));
    assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
    assert_eq!(version("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
    assert_eq!(version("postgres (PostgreSQL) 19devel"), Some((19, 0)));
    assert_eq!(version("postgres (PostgreSQL) 9.6.24"), Some((9, 6)));
    assert_eq!(version("command not found"), None);
}

#[test]
fn an_old_version_is_passed_over_for_a_newer_one_further_on() {
    let old = Fake::new("old", "postgres (PostgreSQL) 14.2", true);
    let new = Fake::new("new", "postgres (PostgreSQL) 16.3", true);
    let found = Installation::first_usable([old.bin_dir(), new.bin_dir()]).unwrap();
    assert_eq!(found.version(), Version { major: 16, minor: 3 });
    assert_eq!(found.bin_dir(), new.bin_dir());
}

#[test]
fn when_all_are_too_old_the_message_names_the_newest_and_the_remedy() {
    let older = Fake::new("older", "postgres (PostgreSQL) 12.9", true);
    let old = Fake::new("oldest", "postgres (PostgreSQL) 14.2", true);
    let error = Installation::first_usable([old.bin_dir(), older.bin_dir()]).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("PostgreSQL 14.2 in"), "{message}");
    assert!(message.contains("15 or newer") && message.contains("install"), "{message}");
}

#[test]
fn a_server_without_ltree_is_told_from_no_server() {
    let bare = Fake::new("bare", "postgres (PostgreSQL) 97.1", false);
    let error = Installation::first_usable([bare.bin_dir()]).unwrap_err();
    assert!(matches!(error, Error::MissingLtree { .. }), "{error}");
    let error = Installation::first_usable([bare.root.join("nowhere")]).unwrap_err();
    assert!(matches!(error, Error::Missing), "{error}");
}
