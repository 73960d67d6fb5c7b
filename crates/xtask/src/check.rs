//! `cargo xtask check`: everything that must hold besides the tests, each step timed. All steps run, so that one look shows all
//! that fails.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cargo_deny;
use crate::error::{Failure, Result};
use crate::openapi;
use crate::prepare;
use crate::process;
use crate::suites;
use crate::tidy;
use crate::workspace::{Mode, Workspace};

pub(crate) enum Outcome {
    Passed,
    Skipped,
}

type Step = (&'static str, fn(&Workspace) -> Result<Outcome>);

/// What is cheap to find out comes first.
const STEPS: [Step; 6] = [
    ("format", |workspace| cargo(workspace, &["fmt", "--all", "--check"])),
    ("tidy", |workspace| tidy::run(workspace).map(|()| Outcome::Passed)),
    ("dependencies", cargo_deny::check),
    ("queries", |workspace| prepare::run(workspace, Mode::Check).map(|()| Outcome::Passed)),
    ("clippy", |workspace| {
        cargo(workspace, &["clippy", "--workspace", "--all-targets", "--", "--deny=warnings"])
    }),
    ("openapi", |workspace| openapi::run(workspace, Mode::Check).map(|()| Outcome::Passed)),
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    suites::ensure_tools(workspace)?;
    ensure_components(workspace)?;
    let mut report = Vec::new();
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        println!("\n── {name} ──");
        let start = Instant::now();
        let verdict = match step(workspace) {
            Ok(Outcome::Passed) => "passed",
            Ok(Outcome::Skipped) => "SKIPPED",
            Err(signal @ Failure::Signal(_)) => return Err(signal),
            Err(error) => {
                eprintln!("error: {error}");
                failed.push(name);
                "FAILED"
            }
        };
        report.push((name, verdict, start.elapsed()));
    }
    print_report(&report);
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("these steps failed: {}", failed.join(", "))))
}

/// A minimal toolchain has neither; rustup knows both.
fn ensure_components(workspace: &Workspace) -> Result<()> {
    let has = |name| process::is_successful(process::cargo(workspace.root()).args([name, "--version"]));
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    process::run(rustup.current_dir(workspace.root()).args(["component", "add", "rustfmt", "clippy"]))
}

fn print_report(report: &[(&str, &str, Duration)]) {
    println!();
    for (name, verdict, time) in report {
        println!("{name:<14}{verdict:<9}{:>7.1} s", time.as_secs_f64());
    }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<Outcome> {
    process::run(process::cargo(workspace.root()).args(arguments))?;
    Ok(Outcome::Passed)
}
