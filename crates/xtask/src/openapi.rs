//! `cargo xtask openapi`: the API's description, as the server itself prints it.

use std::fs;

use crate::error::{Failure, Result};
use crate::process;
use crate::workspace::{Mode, Workspace};

const FILE: &str = "openapi/openapi.json";

pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    let mut command = process::cargo(workspace.root());
    command.args(["run", "--quiet", "--package=subgrant-server", "--bin=subgrant", "--", "openapi"]);
    let mut fresh = process::output_of(&mut command)?;
    if !fresh.trim_start().starts_with('{') {
        return Err(Failure::new("`subgrant openapi` does not print a JSON document"));
    }
    if !fresh.ends_with('\n') {
        fresh.push('\n');
    }
    let path = workspace.path(FILE);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let Some(difference) = first_difference(&committed, &fresh) else {
        println!("{FILE} is up to date");
        return Ok(());
    };
    if mode == Mode::Check {
        return Err(Failure::new(format!(
            "{FILE} has drifted: run `cargo xtask openapi` and commit the result\n{difference}"
        )));
    }
    fs::write(&path, fresh).map_err(Failure::io("write", &path))?;
    println!("{FILE} is written");
    Ok(())
}

/// The first line that is not the same, as in a diff.
fn first_difference(committed: &str, fresh: &str) -> Option<String> {
    if committed == fresh {
        return None;
    }
    let (mut old, mut new) = (committed.lines(), fresh.lines());
    let mut number = 1;
    loop {
        match (old.next(), new.next()) {
            (None, None) => return Some("  the last line's end".to_owned()),
            (was, is) if was == is => number += 1,
            (was, is) => {
                let shown = |sign: char, line: Option<&str>| {
                    line.map_or(String::new(), |line| format!("\n  {sign} {}", line.trim()))
                };
                return Some(format!("  line {number}:{}{}", shown('-', was), shown('+', is)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let difference = first_difference("{\n  \"a\": 1\n}\n", "{\n  \"a\": 2\n}\n");
        assert_eq!(difference.unwrap(), "  line 2:\n  - \"a\": 1\n  + \"a\": 2");
        assert_eq!(first_difference("", "{}\n").unwrap(), "  line 1:\n  + {}");
        assert!(first_difference("{}", "{}\n").is_some());
        assert_eq!(first_difference("{}\n", "{}\n"), None);
    }
}
