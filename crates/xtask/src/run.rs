//! `cargo xtask run`: from a fresh checkout to a running server.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Failure, Result};
use crate::process;
use crate::tools::{self, Tool};
use crate::web;
use crate::workspace::Workspace;

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) profile: Profile,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    pub(crate) fn from_flag(release: bool) -> Self {
        if release { Self::Release } else { Self::Dev }
    }
}

/// Does not return when all goes well: this process becomes the server, so that its terminal, signals and
/// exit code are the server's own.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    check_free(address)?;
    let data_dir = match &options.data_dir {
        Some(data_dir) => std::path::absolute(data_dir).map_err(Failure::io("resolve", data_dir))?,
        None => embedded_postgres::reachable_data_dir(&workspace.path(".data"))?,
    };
    tools::ensure(&[Tool::Postgres])?;
    web::build(workspace)?;
    let server = build(workspace, options.profile)?;
    let mut command = Command::new(&server);
    command.args(["serve", "--demo", "--listen", &address.to_string(), "--data-dir"]).arg(&data_dir);
    Err(Failure::io("start", &server)(command.exec()))
}

/// Asked before the build, which takes minutes the first time.
fn check_free(address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Failure::new(format!(
            "{address} is taken: stop the program that listens there, or choose another port with --port"
        ))),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Failure::new(format!(
            "this user may not listen on {address}: choose a port from 1024 upwards with --port"
        ))),
        Err(error) => Err(Failure::new(format!("cannot listen on {address}: {error}"))),
    }
}

/// Builds the server and returns where Cargo has put it, which depends on its configuration.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    eprintln!("Building the server (the first time this takes some minutes)");
    let mut command = process::cargo(workspace.root());
    command.args(["build", "--package=subgrant-server", "--bin=subgrant"]);
    command.arg("--message-format=json-render-diagnostics");
    if profile == Profile::Release {
        command.arg("--release");
    }
    let messages = process::output_of(command.stdout(Stdio::piped()))?;
    executable_in(&messages, "subgrant")
        .ok_or_else(|| Failure::new("Cargo did not say where it has put the server"))
}

/// Finds a program in what Cargo prints as JSON.
pub(crate) fn executable_in(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == name).then_some(())?;
        message["executable"].as_str().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_noticed_and_a_free_one_is_not_refused() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let message = check_free(address).unwrap_err().to_string();
        assert!(message.contains("is taken") && message.contains("--port"), "{message}");
        drop(listener);
        check_free(address).unwrap();
    }

    #[test]
    fn the_servers_path_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"subgrant_api"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"subgrant"},"executable":"/target/debug/subgrant"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable_in(messages, "subgrant"), Some(PathBuf::from("/target/debug/subgrant")));
        assert_eq!(executable_in("", "subgrant"), None);
    }
}
