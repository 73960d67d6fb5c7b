//! `cargo xtask test`: every suite, on a cluster of its own.

use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::thread;

use embedded_postgres::Cluster;

use crate::database;
use crate::error::{Failure, Result};
use crate::interop;
use crate::process;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

/// Counted results of `cargo test`, which prints them for each binary only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs all tests, also those after a failure. With arguments, which select tests, the documentation's
/// examples are left out.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    ensure_tools(workspace)?;
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
    let has_nextest = process::is_successful(&mut cargo(&["nextest", "--version"]));
    // The examples come first, so that the summary of the many is the last thing on the screen.
    if arguments.is_empty() {
        let is_fine =
            count_through(&mut cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]), &mut counts)?;
        failures.extend((!is_fine).then_some("the documentation's examples"));
    }
    // Named packages would otherwise be named in vain.
    let is_narrowed = arguments.iter().any(|word| word.starts_with("-p") || word.starts_with("--package"));
    let scope = (!is_narrowed).then_some("--workspace");
    let is_fine = if has_nextest {
        let mut nextest = cargo(&["nextest", "run", "--no-fail-fast"]);
        process::status_of(nextest.args(scope).args(arguments))?.success()
    } else {
        let mut test = cargo(&["test", "--tests", "--no-fail-fast"]);
        count_through(test.args(scope).args(arguments), &mut counts)?
    };
    failures.extend((!is_fine).then_some("the tests"));
    // nextest has printed a total of its own.
    if !has_nextest {
        println!("\n{} passed, {} failed", counts.passed, counts.failed);
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(format!("{} failed", failures.join(" and ")))) }
}

/// Runs `cargo test`, shows what it prints, and adds up the results in it.
fn count_through(command: &mut Command, counts: &mut Counts) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(Failure::io("start", "cargo"))?;
    let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
    let reader = thread::spawn(move || {
        let mut counts = Counts::default();
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            println!("{line}");
            counts += parse_result(&line).unwrap_or_default();
        }
        counts
    });
    let status = process::wait(&mut child);
    *counts += reader.join().unwrap_or_default();
    Ok(status?.success())
}

/// Reads `test result: ok. 17 passed; 0 failed; 0 ignored; …`.
fn parse_result(line: &str) -> Option<Counts> {
    let results = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| -> Option<u64> {
        results.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
    };
    Some(Counts { passed: count("passed")?, failed: count("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_read() {
        let line = "test result: FAILED. 17 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(parse_result(line), Some(Counts { passed: 17, failed: 2 }));
        assert_eq!(parse_result("test tests::result ... ok"), None);
    }
}
