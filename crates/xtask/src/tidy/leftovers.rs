//! What is put in for a moment and then forgotten: tests switched off, tests run alone, code not yet written.

use crate::tidy::SourceFile;

/// What is searched for, in files of which kinds, and what is wrong with it. Each is written in two parts, so
/// that this file is not found itself.
const LEFTOVERS: [(&str, &[&str], &str); 6] = [
    (concat!("#[", "ignore"), &["rs"], "a test that does not run proves nothing: repair or delete it"),
    (concat!("todo", "!("), &["rs"], "code that is not written yet does not belong on the main branch"),
    (
        concat!("unimplemented", "!("),
        &["rs"],
        "code that is not written yet does not belong on the main branch",
    ),
    (concat!(".on", "ly("), &["ts", "tsx", "js"], "the other tests do not run"),
    (
        concat!(".ski", "p("),
        &["ts", "tsx", "js"],
        "a test that does not run proves nothing: repair or delete it",
    ),
    (
        concat!("pytest.mark.", "skip"),
        &["py"],
        "a test that does not run proves nothing: repair or delete it",
    ),
];

pub(crate) fn check(file: &SourceFile) -> Vec<String> {
    let searched: Vec<_> =
        LEFTOVERS.iter().filter(|(_, extensions, _)| extensions.contains(&file.extension())).collect();
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (leftover, _, complaint) in searched.iter().filter(|(leftover, _, _)| line.contains(leftover)) {
            findings.push(format!("{}:{}: {leftover}: {complaint}", file.path, index + 1));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn each_leftover_is_found_with_its_line() {
        for (leftover, extensions, _) in LEFTOVERS {
            for extension in extensions {
                let path = format!("src/a.{extension}");
                let findings = check(&file(&path, &format!("fine\n  {leftover}\n")));
                assert_eq!(findings.len(), 1, "{leftover} in {path}");
                assert!(findings[0].starts_with(&format!("{path}:2: ")), "{}", findings[0]);
            }
        }
    }

    #[test]
    fn ordinary_code_is_not_complained_about() {
        assert!(check(&file("src/a.rs", "items.iter().skip(1); // ignore\n")).is_empty());
        assert!(check(&file("README.md", concat!("#[", "ignore] is not allowed\n"))).is_empty());
    }
}
