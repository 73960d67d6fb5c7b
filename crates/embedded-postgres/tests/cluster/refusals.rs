//! Data directories that cannot be used: one sentence says why, and nothing in them changes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Owner, Scratch, is_root, program_as_nobody};
use embedded_postgres::{Cluster, Error, Installation, Options};

fn refusal(data_dir: &Path) -> Error {
    let started = Cluster::start(&Installation::find().unwrap(), &Options::disposable(data_dir));
    started.map(drop).unwrap_err()
}

/// A complete cluster that does not run.
fn stopped_cluster(data_dir: &Path) {
    let options = Options::disposable(data_dir);
    Cluster::start(&Installation::find().unwrap(), &options).unwrap().stop().unwrap();
}

#[test]
fn a_directory_in_use_is_refused_and_its_owner_goes_on() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let owner = Owner::start(&data_dir);
    let error = refusal(&data_dir);
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(owner.sql("SELECT 1"), "1");
    owner.stop();
}

#[test]
fn a_directory_with_other_content_is_not_touched() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    fs::create_dir(&data_dir).unwrap();
    fs::write(data_dir.join("diary.txt"), "private").unwrap();
    let error = refusal(&data_dir);
    assert!(matches!(error, Error::ForeignContent { .. }), "{error}");
    let names: Vec<_> = fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["diary.txt"]);
}

#[test]
fn a_file_in_place_of_the_directory_or_on_the_way_to_it_is_named() {
    let scratch = Scratch::new();
    let file = scratch.join("file");
    fs::write(&file, "content").unwrap();
    for data_dir in [file.clone(), file.join("data"), file.join("deeper/data")] {
        let error = refusal(&data_dir);
        assert!(matches!(&error, Error::NotADirectory { path } if *path == file), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "content");
}

#[test]
fn data_of_another_major_version_are_refused_with_both_versions() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    stopped_cluster(&data_dir);
    fs::write(data_dir.join("cluster/PG_VERSION"), "9\n").unwrap();
    let error = refusal(&data_dir);
    assert!(matches!(&error, Error::OtherMajor { made_by, .. } if made_by == "9"), "{error}");
    let found = Installation::find().unwrap().version().to_string();
    assert!(error.to_string().contains(&found), "{error}");
}

#[test]
fn a_damaged_cluster_is_refused_and_not_made_anew() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    stopped_cluster(&data_dir);
    for damage in [Some("not a number\n"), None] {
        match damage {
            Some(text) => fs::write(data_dir.join("cluster/PG_VERSION"), text).unwrap(),
            None => fs::remove_file(data_dir.join("cluster/PG_VERSION")).unwrap(),
        }
        let error = refusal(&data_dir);
        assert!(matches!(error, Error::NotACluster { .. }), "{error}");
    }
    assert!(data_dir.join("cluster/pg_wal").exists());
}

#[test]
fn a_directory_that_may_not_be_read_is_named() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    fs::create_dir(&data_dir).unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o000)).unwrap();
    let output = program_as_nobody(&scratch).arg(&data_dir).output().unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: {} is not accessible for this user", data_dir.display());
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn root_is_told_which_directory_shuts_the_servers_account_out() {
    let scratch = Scratch::new();
    let closed = scratch.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = closed.join("deeper/data");
    let fallback = embedded_postgres::reachable_data_dir(&data_dir).unwrap();
    if is_root() {
        let error = refusal(&data_dir);
        assert!(matches!(&error, Error::Unreachable { closed: named, .. } if *named == closed), "{error}");
        assert!(!data_dir.exists());
        assert!(fallback.starts_with("/var/lib/subgrant"), "{}", fallback.display());
    } else {
        assert_eq!(fallback, data_dir, "an ordinary user's server runs as that user");
    }
}
