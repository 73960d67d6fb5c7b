//! `cargo xtask test`: every suite, on a cluster of its own.

use std::io::IsTerminal;

use embedded_postgres::Cluster;

use crate::browser;
use crate::counts::{Counts, Runner, count_through};
use crate::database;
use crate::error::{Failure, Result};
use crate::interop;
use crate::node::Node;
use crate::process;
use crate::tools::{self, Tool};
use crate::web;
use crate::workspace::Workspace;

/// Runs all tests, also those after a failure. With arguments, which select tests, the documentation's
/// examples, the page's own tests and those in a browser are left out.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    ensure_tools(workspace)?;
    tools::ensure(if arguments.is_empty() { &[Tool::Nginx, Tool::Chromium] } else { &[Tool::Nginx] })?;
    // Before anything is compiled, because the server embeds it.
    web::build(workspace)?;
    database::with_cluster(|cluster| run_on(workspace, cluster, arguments))
}

/// What the tests, or compiling them, needs.
pub(crate) fn ensure_tools(workspace: &Workspace) -> Result<()> {
    let mut needed = vec![Tool::Postgres, Tool::Libsodium];
    if interop::requirements(workspace).is_some() {
        needed.push(Tool::PythonVenv);
    }
    tools::ensure(&needed)
}

fn run_on(workspace: &Workspace, cluster: &Cluster, arguments: &[String]) -> Result<()> {
    let mut environment = vec![
        ("SUBGRANT_TEST_DATABASE_URL", cluster.superuser_url("postgres").into()),
        ("SUBGRANT_TEST_PG_LOG", cluster.log_path().into_os_string()),
    ];
    if let Some(requirements) = interop::requirements(workspace) {
        let python = interop::ensure_python(workspace, &requirements)?;
        environment.push(("SUBGRANT_INTEROP_PYTHON", python.into_os_string()));
    }
    let cargo = |words: &[&str]| {
        let mut command = process::cargo(workspace.root());
        command.args(words).envs(environment.iter().cloned());
        command
    };

    let mut failures = Vec::new();
    let mut counts = Counts::default();
    if arguments.is_empty() {
        let mut examples = cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]);
        let is_fine = count_through(&mut examples, Runner::Cargo, &mut counts)?;
        failures.extend((!is_fine).then_some("the documentation's examples"));
        let is_fine = test_page(workspace, &mut counts)?;
        failures.extend((!is_fine).then_some("the page's own tests"));
        let is_fine = browser::test(workspace, cluster, &[], &mut counts)?;
        failures.extend((!is_fine).then_some("the tests in a browser"));
    }
    // Named packages would otherwise be named in vain.
    let is_narrowed = arguments.iter().any(|word| word.starts_with("-p") || word.starts_with("--package"));
    let scope = (!is_narrowed).then_some("--workspace");
    // Cargo's own runner, and no other that may be installed: what fails for one developer fails for all.
    let mut tests = cargo(&["test", "--tests"]);
    if std::io::stderr().is_terminal() {
        // What goes through a pipe is otherwise without colours.
        tests.env("CARGO_TERM_COLOR", "always");
    }
    let is_fine =
        count_through(tests.arg("--no-fail-fast").args(scope).args(arguments), Runner::Cargo, &mut counts)?;
    failures.extend((!is_fine).then_some("the tests"));
    println!("\n{} passed, {} failed", counts.passed, counts.failed);
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(format!("{} failed", failures.join(" and ")))) }
}

/// Runs the tests of the page's logic, which need no browser.
fn test_page(workspace: &Workspace, counts: &mut Counts) -> Result<bool> {
    let directory = web::directory(workspace);
    let node = Node::ensure(workspace)?;
    node.ensure_packages(&directory)?;
    count_through(node.npm(&directory)?.args(["run", "--silent", "test"]), Runner::Vitest, counts)
}
