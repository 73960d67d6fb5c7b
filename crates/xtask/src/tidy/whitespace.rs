//! White space that only shows in diffs.

use crate::tidy::SourceFile;

pub(crate) fn check(file: &SourceFile) -> Vec<String> {
    let lines = file.text.split('\n').enumerate();
    let mut findings: Vec<String> = lines
        .filter(|(_, line)| line.trim_end() != *line)
        .map(|(index, _)| format!("{}:{}: white space at the end of the line", file.path, index + 1))
        .collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(format!("{}: the last line has no end", file.path));
    }
    if file.text.ends_with("\n\n") {
        findings.push(format!("{}: empty lines at the end", file.path));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn trailing_white_space_is_found_with_its_line() {
        for text in ["a\nb \n", "a\nb\t\n", "a\nb\r\n"] {
            assert_eq!(check(&file("a.md", text)), ["a.md:2: white space at the end of the line"]);
        }
    }

    #[test]
    fn a_file_ends_with_one_line_end() {
        assert_eq!(check(&file("a.md", "a")), ["a.md: the last line has no end"]);
        assert_eq!(check(&file("a.md", "a\n\n")), ["a.md: empty lines at the end"]);
        assert!(check(&file("a.md", "a\n\nb\n")).is_empty());
        assert!(check(&file("empty.md", "")).is_empty());
    }
}
