//! How PostgreSQL's programs are called.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::account::Account;

/// A command that does not depend on where and how we were started: no `PG…` variables, which all of
/// PostgreSQL's programs obey, English messages, no standard input, and a working directory that every
/// account may enter.
pub(crate) fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env_remove("LANGUAGE").env("LC_ALL", "C").stdin(Stdio::null()).current_dir("/");
    command
}

/// The same, run by the account that the server runs as.
pub(crate) fn quiet_as(program: &Path, account: Option<&Account>) -> Command {
    let mut command = quiet(program);
    if let Some(account) = account {
        account.apply_to(&mut command);
    }
    command
}

/// The line of a program's output that says what was wrong, without what the log puts before it, or the last
/// one.
pub(crate) fn decisive_line(output: &str) -> String {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    let decisive = lines().rev().find_map(|line| {
        let start = ["PANIC:", "FATAL:", "error:"].iter().find_map(|word| line.find(word))?;
        Some(&line[start..])
    });
    decisive.or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::decisive_line;

    #[test]
    fn the_fatal_line_is_preferred_to_the_last_one() {
        let log = "12:00 LOG:  starting\n12:00 FATAL:  could not map memory\n12:01 LOG:  database system is shut down\n";
        assert_eq!(decisive_line(log), "FATAL:  could not map memory");
    }

    #[test]
    fn without_a_fatal_line_the_last_one_is_told() {
        assert_eq!(decisive_line("one\ntwo\n\n"), "two");
        assert_eq!(decisive_line(""), "it said nothing");
    }
}
