//! Files stay small enough to be read in one go. Tests are not counted.

use crate::tidy::SourceFile;

/// More is a finding.
const MOST_LINES: usize = 500;

/// More is worth a thought.
const USUAL_LINES: usize = 250;

pub(crate) fn check(file: &SourceFile) -> Option<String> {
    let lines = counted_lines(file)?;
    (lines > MOST_LINES).then(|| {
        format!("{}: {lines} lines are more than {MOST_LINES}: split it by what changes together", file.path)
    })
}

pub(crate) fn note(file: &SourceFile) -> Option<String> {
    let lines = counted_lines(file)?;
    let is_notable = lines > USUAL_LINES && lines <= MOST_LINES;
    is_notable.then(|| format!("{}: {lines} lines, where {USUAL_LINES} are usual", file.path))
}

/// `None` for what is not program code. The tests of a Rust file are expected at its end.
fn counted_lines(file: &SourceFile) -> Option<usize> {
    let is_code = ["rs", "py", "ts", "tsx", "js"].contains(&file.extension());
    if !is_code || file.is_test() {
        return None;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let starts_tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests");
    Some(lines.windows(2).position(starts_tests).unwrap_or(lines.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn more_than_500_lines_are_a_finding_and_more_than_250_a_note() {
        let lines = |count| file("crates/store/src/lib.rs", &"x\n".repeat(count));
        assert!(check(&lines(501)).is_some_and(|finding| finding.contains("501")));
        assert!(check(&lines(500)).is_none() && note(&lines(500)).is_some());
        assert!(note(&lines(251)).is_some());
        assert!(note(&lines(250)).is_none());
    }

    #[test]
    fn tests_at_the_end_or_in_a_file_of_their_own_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(250), "y\n".repeat(600));
        assert_eq!(counted_lines(&file("crates/store/src/lib.rs", &text)), Some(250));
        assert_eq!(counted_lines(&file("crates/store/tests/big.rs", &"x\n".repeat(900))), None);
        assert_eq!(counted_lines(&file("README.md", &"x\n".repeat(900))), None);
    }
}
