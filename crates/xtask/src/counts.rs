//! How many tests have passed, as the various runners print it.

use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::thread;

use crate::error::{Failure, Result};
use crate::process;

/// Counted results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What prints the results.
#[derive(Clone, Copy)]
pub(crate) enum Runner {
    /// `cargo test`, which has a result for each binary.
    Cargo,
    Vitest,
    Playwright,
}

impl Runner {
    fn parse(self, line: &str) -> Option<Counts> {
        let line = without_colours(line);
        let line = line.trim();
        match self {
            Self::Cargo => of_list(line.strip_prefix("test result: ")?.split_once(". ")?.1, "; "),
            Self::Vitest => of_list(line.strip_prefix("Tests ")?, " | "),
            // A line for each: `12 passed (1.2m)`.
            Self::Playwright => of_list(line, "; "),
        }
    }
}

/// Runs a command, shows what it prints, and adds up the results in it. Returns whether it succeeded.
pub(crate) fn count_through(command: &mut Command, runner: Runner, counts: &mut Counts) -> Result<bool> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(Failure::io("start", command.get_program()))?;
    let pipe = child.stdout.take().expect("standard output was asked to be a pipe");
    let reader = thread::spawn(move || {
        let mut counts = Counts::default();
        for line in BufReader::new(pipe).lines().map_while(std::result::Result::ok) {
            println!("{line}");
            counts += runner.parse(&line).unwrap_or_default();
        }
        counts
    });
    let status = process::wait(&mut child);
    *counts += reader.join().unwrap_or_default();
    Ok(status?.success())
}

/// Reads `17 passed; 2 failed; 0 ignored`. What did not come to an end has not passed.
fn of_list(text: &str, separator: &str) -> Option<Counts> {
    let mut counts = None;
    for entry in text.split(separator) {
        let Some((number, word)) = entry.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        let counts = counts.get_or_insert(Counts::default());
        match word.split(" (").next().unwrap_or(word) {
            "passed" => counts.passed += number,
            "failed" | "exec failed" | "timed out" | "flaky" | "interrupted" | "did not run" => {
                counts.failed += number;
            }
            _ => {}
        }
    }
    counts
}

/// Leaves out what terminals take for colours: an escape, a bracket, and all up to the letter `m`.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runner: Runner, line: &str) -> Option<(u64, u64)> {
        runner.parse(line).map(|counts| (counts.passed, counts.failed))
    }

    #[test]
    fn results_of_cargo_test_are_read() {
        let line = "test result: FAILED. 17 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(read(Runner::Cargo, line), Some((17, 2)));
        assert_eq!(read(Runner::Cargo, "test tests::result ... ok"), None);
    }

    #[test]
    fn results_in_the_browser_and_of_the_page_are_read() {
        assert_eq!(read(Runner::Playwright, "  12 passed (1.2m)"), Some((12, 0)));
        assert_eq!(read(Runner::Playwright, "  1 flaky"), Some((0, 1)));
        assert_eq!(read(Runner::Playwright, "  2 did not run"), Some((0, 2)));
        let listed = "  ✓  12 tests/flow.spec.ts:5:1 › what is revoked is dead (1.2s)";
        assert_eq!(read(Runner::Playwright, listed), None);
        assert_eq!(read(Runner::Vitest, "      Tests  1 failed | 24 passed (25)"), Some((24, 1)));
        assert_eq!(read(Runner::Vitest, " Test Files  1 passed (1)"), None);
    }
}
