//! What must be installed besides Rust. On Debian and Ubuntu it is installed by itself, as root or by a
//! `sudo` that asks for no password; elsewhere the message says what to install.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use embedded_postgres::Installation;
use rustix::process::geteuid;

use crate::browser;
use crate::error::{Failure, Result};
use crate::process;

/// Something that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Postgres,
    Libsodium,
    PythonVenv,
    Chromium,
    Nginx,
    Caddy,
}

impl Tool {
    fn is_there(self) -> bool {
        match self {
            Self::Postgres => Installation::find().is_ok(),
            Self::Libsodium => process::succeeds("pkg-config", &["--exists", "libsodium"]),
            Self::PythonVenv => process::succeeds("python3", &["-c", "import ensurepip, venv"]),
            Self::Chromium => browser::find_chromium().is_some(),
            // It is not on everybody's PATH.
            Self::Nginx => ["nginx", "/usr/sbin/nginx"].iter().any(|nginx| process::succeeds(nginx, &["-v"])),
            Self::Caddy => process::succeeds("caddy", &["version"]),
        }
    }

    fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgresql", "postgresql-contrib"],
            Self::Libsodium => &["libsodium-dev", "pkg-config"],
            Self::PythonVenv => &["python3", "python3-venv"],
            // Without recommended packages there would be no fonts.
            Self::Chromium => {
                &["chromium", "fonts-dejavu-core", "fonts-liberation", "fonts-noto-color-emoji"]
            }
            Self::Nginx => &["nginx-light"],
            Self::Caddy => &["caddy"],
        }
    }

    /// What the package would have running from now on, on ports that belong to nobody here.
    fn system_service(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx.service"),
            Self::Caddy => Some("caddy.service"),
            Self::Postgres | Self::Libsodium | Self::PythonVenv | Self::Chromium => None,
        }
    }

    /// What is missing, and how it is called elsewhere.
    fn description(self) -> &'static str {
        match self {
            Self::Postgres => {
                "PostgreSQL 15 or newer with contrib (Fedora: `dnf install postgresql-server postgresql-contrib`, \
                 macOS: `brew install postgresql@17`)"
            }
            Self::Libsodium => {
                "libsodium's headers and pkg-config (Fedora: `dnf install libsodium-devel pkgconf-pkg-config`, \
                 macOS: `brew install libsodium pkgconf`)"
            }
            Self::PythonVenv => {
                "Python 3 with venv (Fedora: `dnf install python3`, macOS: `brew install python`)"
            }
            Self::Chromium => "Chromium (Fedora: `dnf install chromium`, macOS: `brew install chromium`)",
            Self::Nginx => "nginx (Fedora: `dnf install nginx`, macOS: `brew install nginx`)",
            Self::Caddy => "Caddy 2.6 or newer (Fedora: `dnf install caddy`, macOS: `brew install caddy`)",
        }
    }
}

/// Leaves with every one of the tools installed, or with one sentence that names those that are not.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing = missing_of(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let mut postgres = Installation::find().err();
    // A directory that the developer named is to be corrected by the developer: no package would change it.
    let is_named = env::var_os("SUBGRANT_PG_BINDIR").is_some_and(|value| !value.is_empty());
    if let Some(error) = postgres.take_if(|_| is_named) {
        return Err(error.into());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian_packages()).copied().collect();
    let Some(prefix) = apt_prefix() else {
        return Err(match (missing.as_slice(), postgres) {
            // It says what was found, and why that will not do.
            ([Tool::Postgres], Some(error)) => error.into(),
            _ => remedy(&missing, &packages),
        });
    };
    eprintln!("Installing {} (once; this may take a minute)", packages.join(", "));
    // One unreachable source among several makes this fail, which need not matter.
    drop(apt_get(&prefix, &["update", "--quiet"]));
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(&packages);
    apt_get(&prefix, &arguments)?;
    stop(&prefix, missing.iter().filter_map(|tool| tool.system_service()))?;

    let missing = missing_of(tools);
    if missing.contains(&Tool::Postgres) {
        Installation::find()?;
    }
    if missing.is_empty() { Ok(()) } else { Err(remedy(&missing, &packages)) }
}

fn missing_of(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !tool.is_there()).collect()
}

/// The words before `apt-get` that give it the right to install, or `None` where it cannot be used.
fn apt_prefix() -> Option<Vec<&'static str>> {
    if !process::succeeds("apt-get", &["--version"]) {
        return None;
    }
    if geteuid().is_root() {
        return Some(vec!["env"]);
    }
    process::succeeds("sudo", &["-n", "true"]).then(|| vec!["sudo", "-n", "env"])
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(prefix[0]);
    // Where there is no systemd, run level 1 keeps packages from starting what they install.
    let settings = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
    command.args(&prefix[1..]).args(settings).arg("apt-get").args(arguments);
    process::run(command.stdin(Stdio::null()))
}

/// Where there is systemd, packages start what they install. The tests start it themselves, when they need it.
fn stop<'a>(prefix: &[&str], services: impl Iterator<Item = &'a str>) -> Result<()> {
    let services: Vec<_> = services.collect();
    if services.is_empty() || !Path::new("/run/systemd/system").exists() {
        return Ok(());
    }
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(["systemctl", "disable", "--now", "--quiet"]).args(services);
    process::run(command.stdin(Stdio::null()))
}

fn remedy(missing: &[Tool], packages: &[&str]) -> Failure {
    let descriptions: Vec<&str> = missing.iter().map(|tool| tool.description()).collect();
    Failure::new(format!(
        "please install {}; on Debian or Ubuntu: `sudo apt-get install {}`",
        descriptions.join(", and "),
        packages.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_every_missing_tool_and_its_packages() {
        let message =
            remedy(&[Tool::Postgres, Tool::Libsodium], &["postgresql", "libsodium-dev"]).to_string();
        for part in
            ["PostgreSQL 15", "brew install", "libsodium's", "apt-get install postgresql libsodium-dev"]
        {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}
