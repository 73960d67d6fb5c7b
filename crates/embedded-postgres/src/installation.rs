//! Where PostgreSQL's server programs are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

use crate::command::quiet;
use crate::error::{Error, Result};

/// The oldest major version that is supported.
pub const MINIMUM_MAJOR: u32 = 15;

/// A version as the server prints it; a pre-release counts as minor version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// What decides whether data files fit.
    pub major: u32,
    /// Bug fixes only.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// Server programs of a supported version, together with the extension ltree.
#[derive(Clone, Debug)]
pub struct Installation {
    bin_dir: PathBuf,
    version: Version,
}

/// Why a directory with server programs is not usable; the better reason is the greater one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Unusable {
    Incomplete,
    TooOld(Version, PathBuf),
    NoLtree(Version, PathBuf),
}

impl Installation {
    /// Looks in `SUBGRANT_PG_BINDIR` (and then nowhere else), along `PATH`, where `pg_config` points, and in
    /// the places of the usual distributions, newest version first.
    pub fn find() -> Result<Self> {
        if let Some(bin_dir) = env::var_os("SUBGRANT_PG_BINDIR").filter(|value| !value.is_empty()) {
            let bin_dir = PathBuf::from(bin_dir);
            return Self::inspect(&bin_dir).map_err(|unusable| match unusable {
                Unusable::Incomplete => Error::WrongBinDir { bin_dir },
                other => other.into(),
            });
        }
        Self::first_usable(candidates())
    }

    fn first_usable(bin_dirs: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let mut nearest_miss = Unusable::Incomplete;
        for bin_dir in bin_dirs {
            match Self::inspect(&bin_dir) {
                Ok(installation) => return Ok(installation),
                Err(unusable) => nearest_miss = nearest_miss.max(unusable),
            }
        }
        Err(nearest_miss.into())
    }

    fn inspect(bin_dir: &Path) -> std::result::Result<Self, Unusable> {
        if !["postgres", "initdb", "psql"].iter().all(|program| bin_dir.join(program).is_file()) {
            return Err(Unusable::Incomplete);
        }
        let printed = first_line_of(&bin_dir.join("postgres"), "--version").ok_or(Unusable::Incomplete)?;
        let version = parse_version(&printed).ok_or(Unusable::Incomplete)?;
        if version.major < MINIMUM_MAJOR {
            return Err(Unusable::TooOld(version, bin_dir.to_path_buf()));
        }
        if !share_dirs(bin_dir, version).any(|share_dir| share_dir.join("extension/ltree.control").is_file())
        {
            return Err(Unusable::NoLtree(version, bin_dir.to_path_buf()));
        }
        Ok(Self { bin_dir: bin_dir.to_path_buf(), version })
    }

    /// The directory of `postgres`, `initdb` and `psql`.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Incomplete => Self::Missing,
            Unusable::TooOld(found, bin_dir) => Self::TooOld { found, bin_dir },
            Unusable::NoLtree(found, bin_dir) => Self::MissingLtree { found, bin_dir },
        }
    }
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let search_path: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    // Distributions link single programs into the search path; the whole set is where the link leads.
    let linked = search_path.clone().into_iter().filter_map(|directory| {
        let program = fs::canonicalize(directory.join("postgres")).ok()?;
        Some(program.parent()?.to_path_buf())
    });
    let configured = first_line_of(Path::new("pg_config"), "--bindir").map(PathBuf::from);
    search_path.into_iter().chain(linked).chain(configured).chain(usual_places())
}

fn usual_places() -> Vec<PathBuf> {
    let versioned = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ];
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, child) in versioned {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        found.extend(entries.filter_map(|entry| {
            let major = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((major, entry.path().join(child)))
        }));
    }
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let unversioned = ["/usr/local/pgsql/bin", "/usr/lib/postgresql/bin"].map(PathBuf::from);
    found.into_iter().map(|(_, bin_dir)| bin_dir).chain(unversioned).collect()
}

/// Where extensions may be described: what the installation's own `pg_config` says (it is often packaged
/// apart), and where the known layouts have it.
fn share_dirs(bin_dir: &Path, version: Version) -> impl Iterator<Item = PathBuf> {
    let configured = first_line_of(&bin_dir.join("pg_config"), "--sharedir").map(PathBuf::from);
    let prefix = bin_dir.parent().unwrap_or(bin_dir).join("share");
    let major = version.major;
    let known = [
        prefix.clone(),
        prefix.join("postgresql"),
        prefix.join("pgsql"),
        prefix.join(format!("postgresql@{major}")),
        PathBuf::from(format!("/usr/share/postgresql/{major}")),
    ];
    configured.into_iter().chain(known)
}

fn first_line_of(program: &Path, option: impl AsRef<OsStr>) -> Option<String> {
    let output = quiet(program).arg(option).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    printed.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `… 18beta1` and `… 19devel`.
fn parse_version(printed: &str) -> Option<Version> {
    let number =
        printed.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let digits = |text: &str| -> Option<u32> {
        text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    };
    let minor = number.split_once('.').and_then(|(_, minor)| digits(minor)).unwrap_or(0);
    Some(Version { major: digits(number)?, minor })
}

#[cfg(test)]
mod tests;
