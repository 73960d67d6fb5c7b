//! Clusters that start, stop and die, with a real PostgreSQL.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::{Owner, Scratch, is_root, open_to_everybody, pid_of_server, program_as_nobody};
use embedded_postgres::{Cluster, Error, Installation, Options};
use rustix::process::{Pid, Signal, getpgid, kill_process};

fn start(data_dir: &Path) -> Cluster {
    Cluster::start(&Installation::find().unwrap(), &Options::durable(data_dir)).unwrap()
}

#[test]
fn a_new_cluster_has_utf8_ltree_and_no_tcp_port() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.data_dir());
    let ask = |statement| cluster.execute("postgres", statement).unwrap();
    assert_eq!(ask("SHOW listen_addresses"), "");
    assert_eq!(ask("SHOW server_encoding"), "UTF8");
    assert_eq!(ask("SHOW fsync"), "on");
    assert_eq!(ask("CREATE EXTENSION ltree; SELECT 'a.b'::ltree @> 'a.b.c'::ltree"), "t");
    assert_eq!(fs::metadata(cluster.socket_dir()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_second_start_finds_the_data() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let cluster = start(&data_dir);
    cluster.execute("postgres", "CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
    cluster.stop().unwrap();
    assert!(
        fs::read_to_string(data_dir.join("postgres.log")).unwrap().contains("database system is shut down")
    );

    let cluster = start(&data_dir);
    assert_eq!(cluster.execute("postgres", "SELECT answer FROM kept").unwrap(), "42");
    assert!(data_dir.join("postgres.previous.log").exists());
}

#[test]
fn roles_and_databases_are_made_once_and_their_names_may_be_odd() {
    let scratch = Scratch::new();
    let cluster = start(&scratch.data_dir());
    for _ in 0..2 {
        cluster.ensure_role("o'dd \"role\"").unwrap();
        cluster.ensure_database("o'dd \"base\"", "o'dd \"role\"").unwrap();
    }
    let owner = "SELECT pg_get_userbyid(datdba), rolsuper FROM pg_database, pg_roles
                 WHERE datname = current_database() AND pg_roles.oid = datdba";
    assert_eq!(cluster.execute("o'dd \"base\"", owner).unwrap(), "o'dd \"role\"|f");
    let refused = cluster.execute("postgres", "SELECT 1/0").unwrap_err();
    assert!(refused.to_string().contains("division by zero"), "{refused}");
}

#[test]
fn a_server_whose_owner_was_killed_is_stopped_by_the_next_start() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let owner = Owner::start(&data_dir);
    owner.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    let orphan = pid_of_server(&data_dir);
    owner.kill_9();

    let cluster = start(&data_dir);
    assert_eq!(cluster.execute("postgres", "SELECT answer FROM kept").unwrap(), "42");
    assert_ne!(pid_of_server(&data_dir), orphan);
    let previous = fs::read_to_string(data_dir.join("postgres.previous.log")).unwrap();
    assert!(previous.contains("received fast shutdown request"), "{previous}");
}

#[test]
fn when_the_server_was_killed_along_with_its_owner_the_next_start_recovers() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let owner = Owner::start(&data_dir);
    owner.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    let server = Pid::from_raw(pid_of_server(&data_dir)).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    owner.kill_9();

    let cluster = start(&data_dir);
    assert_eq!(cluster.execute("postgres", "SELECT answer FROM kept").unwrap(), "42");
}

#[test]
fn a_left_over_pid_file_whose_number_is_now_a_strangers_does_not_harm_either() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let owner = Owner::start(&data_dir);
    let server = Pid::from_raw(pid_of_server(&data_dir)).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    owner.kill_9();

    let account = fs::metadata(data_dir.join("cluster")).unwrap();
    let mut stranger = Command::new("sleep");
    if is_root() {
        stranger.uid(account.uid()).gid(account.gid());
    }
    let mut stranger = stranger.arg("600").spawn().unwrap();
    let pid_file = data_dir.join("cluster/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    fs::write(&pid_file, format!("{}\n{rest}", stranger.id())).unwrap();

    let cluster = start(&data_dir);
    assert_eq!(cluster.execute("postgres", "SELECT 1").unwrap(), "1");
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger must live");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn an_interrupted_initdb_leaves_nothing_that_counts() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    fs::create_dir_all(data_dir.join("cluster.unfinished/base")).unwrap();
    open_to_everybody(&data_dir);
    fs::write(data_dir.join("embedded-postgres.lock"), "").unwrap();
    let cluster = start(&data_dir);
    assert_eq!(cluster.execute("postgres", "SELECT 1").unwrap(), "1");
    assert!(!data_dir.join("cluster.unfinished").exists());
}

#[test]
fn a_long_path_puts_the_socket_elsewhere_and_stopping_removes_it() {
    let scratch = Scratch::new();
    let data_dir = scratch.join(&"long".repeat(30));
    let cluster = start(&data_dir);
    let socket_dir = cluster.socket_dir().to_path_buf();
    assert!(socket_dir.as_os_str().len() < 60 && socket_dir.join(".s.PGSQL.5432").exists());
    assert_eq!(cluster.execute("postgres", "SELECT 1").unwrap(), "1");
    cluster.stop().unwrap();
    assert!(!socket_dir.exists());
}

#[test]
fn a_terminals_ctrl_c_does_not_reach_the_server() {
    let scratch = Scratch::new();
    let data_dir = scratch.data_dir();
    let _cluster = start(&data_dir);
    let server = Pid::from_raw(pid_of_server(&data_dir));
    assert_ne!(getpgid(server).unwrap(), getpgid(None).unwrap());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let scratch = Scratch::new();
    let mut options = Options::disposable(scratch.data_dir());
    options.settings.push(("max_connections".into(), "many".into()));
    let error = Cluster::start(&Installation::find().unwrap(), &options).unwrap_err();
    assert!(matches!(&error, Error::Start { reason, .. } if reason.contains("max_connections")), "{error}");
}

#[test]
fn a_temporary_cluster_leaves_nothing_behind_and_clears_up_after_killed_ones() {
    let abandoned = std::env::temp_dir().join(format!("subgrant-postgres-killed-{}", std::process::id()));
    let owner = Owner::start(&abandoned);
    let orphan = pid_of_server(&abandoned);
    owner.kill_9();
    let lock = File::options().write(true).open(abandoned.join("embedded-postgres.lock")).unwrap();
    lock.set_modified(SystemTime::now() - Duration::from_mins(15)).unwrap();
    drop(lock);

    let cluster = Cluster::start_temporary(&Installation::find().unwrap()).unwrap();
    assert!(!abandoned.exists());
    let command_line = fs::read(format!("/proc/{orphan}/cmdline")).unwrap_or_default();
    assert!(command_line.is_empty(), "the abandoned server still runs");
    assert_eq!(cluster.execute("postgres", "SHOW fsync").unwrap(), "off");
    let directory = cluster.log_path().parent().unwrap().to_path_buf();
    assert!(directory.exists());
    cluster.stop().unwrap();
    assert!(!directory.exists());
}

#[test]
fn an_ordinary_user_can_do_it_all() {
    let scratch = Scratch::new();
    let home = scratch.join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    if is_root() {
        chown(&home, Some(65534), Some(65534)).unwrap();
    }
    let data_dir = home.join("data");
    let run = || Owner::of(program_as_nobody(&scratch).arg(&data_dir));
    let owner = run();
    owner.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    owner.kill_9();
    let owner = run();
    assert_eq!(owner.sql("SELECT answer FROM kept"), "42");
    owner.stop();
    assert!(!data_dir.join("cluster/postmaster.pid").exists());
}
