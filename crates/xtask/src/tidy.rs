//! `cargo xtask tidy`: rules of this repository that neither the compiler nor Clippy checks.
//!
//! The length of functions is not among them: Clippy counts it (`too-many-lines-threshold` in `clippy.toml`),
//! and understands the language.

mod dependencies;
mod leftovers;
mod sizes;
mod whitespace;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Failure, Result};
use crate::process;
use crate::workspace::Workspace;

/// A file of the repository that people write.
struct SourceFile {
    /// Relative to the root.
    path: String,
    text: String,
}

impl SourceFile {
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    /// Whether it holds nothing but tests and what they need.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
            || self.path.contains(".test.")
            || self.path.contains(".spec.")
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = source_files(workspace)?;
    let mut findings = dependencies::check(workspace.metadata());
    for file in &files {
        findings.extend(sizes::check(file));
        findings.extend(leftovers::check(file));
        findings.extend(whitespace::check(file));
    }
    for note in files.iter().filter_map(sizes::note) {
        println!("note: {note}");
    }
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    Err(Failure::new(format!("tidy has {} findings, see above", findings.len())))
}

/// What is tracked or about to be, without what is generated.
fn source_files(workspace: &Workspace) -> Result<Vec<SourceFile>> {
    let mut git = Command::new("git");
    git.current_dir(workspace.root()).stdin(Stdio::null());
    let listed =
        process::output_of(git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| is_written_by_people(path)) {
        // A file may be deleted and not yet be staged as such; links and binaries are not text.
        if let Ok(text) = fs::read_to_string(workspace.path(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn is_written_by_people(path: &str) -> bool {
    const WRITTEN: [&str; 14] =
        ["rs", "sql", "toml", "md", "py", "ts", "tsx", "js", "css", "html", "sh", "yml", "yaml", "proto"];
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| WRITTEN.contains(&extension)) || path == ".ci/run"
}

#[cfg(test)]
fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_not_looked_at() {
        assert!(is_written_by_people("crates/domain/src/lib.rs"));
        assert!(is_written_by_people(".ci/run"));
        for path in ["openapi/openapi.json", ".sqlx/query-1.json", "Cargo.lock", "a.snap"] {
            assert!(!is_written_by_people(path), "{path}");
        }
    }

    #[test]
    fn tests_are_known_by_their_place() {
        assert!(file("crates/token/tests/vectors.rs", "").is_test());
        assert!(file("crates/domain/src/plan/tests.rs", "").is_test());
        assert!(file("web/src/tree.test.tsx", "").is_test());
        assert!(!file("crates/domain/src/plan.rs", "").is_test());
    }
}
