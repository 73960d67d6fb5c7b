//! The tests in a browser: Playwright's runner, the system's Chromium, and the real program.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use embedded_postgres::Cluster;

use crate::counts::{Counts, Runner, count_through};
use crate::database;
use crate::error::{Failure, Result};
use crate::node::Node;
use crate::process;
use crate::run;
use crate::tools::{self, Tool};
use crate::web;
use crate::workspace::Workspace;

/// Where the tests are, below the root.
const SUITE: &str = "tests/browser";

/// The database that the tests' server has for itself.
const DATABASE: &str = "browser";

/// What Chromium is called, by distribution.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// `cargo xtask browser`: these tests alone.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    tools::ensure(&[Tool::Postgres, Tool::Libsodium, Tool::Chromium])?;
    web::build(workspace)?;
    let mut counts = Counts::default();
    let is_fine = database::with_cluster(|cluster| test(workspace, cluster, arguments, &mut counts))?;
    if is_fine { Ok(()) } else { Err(Failure::new("the browser's tests failed")) }
}

/// `cargo xtask screenshots`: the pictures in the README.
pub(crate) fn screenshots(workspace: &Workspace) -> Result<()> {
    run(workspace, &["--config=screenshots.config.ts".to_owned()])
}

/// Runs the tests against a server on a database of that cluster. Returns whether all passed.
pub(crate) fn test(
    workspace: &Workspace,
    cluster: &Cluster,
    arguments: &[String],
    counts: &mut Counts,
) -> Result<bool> {
    let directory = workspace.path(SUITE);
    let node = Node::ensure(workspace)?;
    node.ensure_packages(&directory)?;
    let chromium =
        find_chromium().ok_or_else(|| Failure::new("Chromium is installed, but not on the PATH"))?;
    let (server, loader) = programs(workspace)?;
    cluster.ensure_database(DATABASE, "postgres")?;
    let environment: [(&str, OsString); 5] = [
        ("SUBGRANT_BROWSER_CHROMIUM", chromium.into()),
        ("SUBGRANT_BROWSER_SERVER", server.into()),
        ("SUBGRANT_BROWSER_LOADER", loader.into()),
        ("SUBGRANT_BROWSER_DATABASE_URL", cluster.superuser_url(DATABASE).into()),
        ("SUBGRANT_BROWSER_RESULTS", workspace.scratch().join("browser").into()),
    ];
    let mut playwright = node.npm(&directory)?;
    playwright.args(["run", "--silent", "test", "--"]).args(arguments).envs(environment);
    count_through(&mut playwright, Runner::Playwright, counts)
}

/// The first that is on the `PATH`.
pub(crate) fn find_chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    let named =
        CHROMIUM.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    named.into_iter().find(|program| process::succeeds(program, &["--version"]))
}

/// Builds the server, as its other tests have it, and what fills a database with a large tenant.
fn programs(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    const SERVER: &str = "subgrant-under-test";
    const LOADER: &str = "subgrant-load";
    let mut command: Command = process::cargo(workspace.root());
    command.args(["build", "--package=subgrant-tests", "--bin", SERVER, "--bin", LOADER]);
    command.arg("--message-format=json-render-diagnostics");
    let messages = process::output_of(command.stdout(Stdio::piped()))?;
    let find = |name| run::executable_in(&messages, name);
    find(SERVER)
        .zip(find(LOADER))
        .ok_or_else(|| Failure::new("Cargo did not say where it has put the programs"))
}
