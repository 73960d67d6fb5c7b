//! Licences, bans and sources of everything that is compiled, by the rules in `deny.toml`. The network is not
//! asked.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::check::Outcome;
use crate::error::Result;
use crate::process;
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

/// Uses cargo-deny where it is installed, and else compiles it once for this user, which takes one to two
/// minutes. Where that does not work the step is skipped and says so: a machine without network shall be able
/// to run the rest.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let Some(program) = installed().or_else(|| install(workspace)) else {
        println!(
            "SKIPPED: cargo-deny is neither installed nor could it be, so that licences, bans and sources are NOT \
             checked; `cargo install --locked cargo-deny` installs it"
        );
        return Ok(Outcome::Skipped);
    };
    // Offline it needs the packages of all platforms. This also tells when Cargo.lock is not up to date.
    process::run(process::cargo(workspace.root()).args(["fetch", "--locked", "--quiet"]))?;
    let mut command = Command::new(program);
    command.current_dir(workspace.root()).args(["--offline", "check", "licenses", "bans", "sources"]);
    process::run(&mut command)?;
    Ok(Outcome::Passed)
}

fn installed() -> Option<PathBuf> {
    let on_path = PathBuf::from("cargo-deny");
    let candidates = std::iter::once(on_path).chain(cache().map(|cache| cache.join("bin/cargo-deny")));
    candidates.into_iter().find(|program| process::succeeds(program, &["--version"]))
}

/// Compiled without optimisation, which halves the time; it still runs for two seconds only.
fn install(workspace: &Workspace) -> Option<PathBuf> {
    let cache = cache()?;
    println!("Compiling cargo-deny {VERSION} into {} (once; one to two minutes)", cache.display());
    let mut command = process::cargo(workspace.root());
    command.args(["install", "--quiet", "--locked", "--debug", "cargo-deny", "--version", VERSION, "--root"]);
    // In our target directory it would stay after it is of no use.
    process::run(command.arg(&cache).env_remove("CARGO_TARGET_DIR")).ok()?;
    Some(cache.join("bin/cargo-deny"))
}

/// Where programs for this repository are kept; the continuous integration keeps its target directory beside
/// it.
fn cache() -> Option<PathBuf> {
    let home = || env::home_dir().map(|home| home.join(".cache"));
    let cache =
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home)?;
    Some(cache.join("subgrant/tools"))
}
