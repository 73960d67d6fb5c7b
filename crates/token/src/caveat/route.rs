//! Which paths a token may be used on.

use std::{fmt, str::FromStr};

use super::{RequestPath, list, path};
use crate::CaveatError;

/// A list of path patterns, of which one must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSet(Vec<RoutePattern>);

/// One pattern: a path that must be equal, or with `*` at its end one that the path must start with.
///
/// `/v1/*` matches `/v1/` and `/v1/a/b`, neither `/v1` nor `/v10`. Case matters. Delimiters may be escaped and mean the same:
/// `/gpt%3Arun` is `/gpt:run`; a comma or star within a segment must be, as `%2C` and `%2A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern {
    /// As its author wrote it, without the star at the end.
    written: String,
    /// The same in normal form.
    literal: String,
    rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Anything,
}

impl RouteSet {
    /// Whether one of the patterns matches.
    pub fn matches(&self, path: &RequestPath) -> bool {
        self.0.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether one of the patterns takes in everything that one of `other` is about, and more.
    pub fn is_catch_all_of(&self, other: &Self) -> bool {
        self.0.iter().any(|pattern| other.0.iter().any(|inner| pattern.is_catch_all_of(inner)))
    }
}

impl RoutePattern {
    /// Whether the pattern matches the whole path.
    pub fn matches(&self, path: &RequestPath) -> bool {
        match self.rest {
            Rest::Nothing => path.as_str() == self.literal,
            Rest::Anything => path.as_str().starts_with(&self.literal),
        }
    }

    fn is_catch_all_of(&self, other: &Self) -> bool {
        let is_more = other.rest == Rest::Nothing || other.literal.len() > self.literal.len();
        self.rest == Rest::Anything && is_more && other.literal.starts_with(&self.literal)
    }
}

impl FromStr for RouteSet {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        list::parse(text, str::parse).map(Self)
    }
}

impl FromStr for RoutePattern {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (written, rest) = match text.strip_suffix('*') {
            Some(written) => (written, Rest::Anything),
            None => (text, Rest::Nothing),
        };
        let literal = RequestPath::beginning(written).map_err(|_| CaveatError::Malformed)?.into_string();
        // One spelling of each pattern, but for delimiters: those were written both ways before they were one.
        if written.contains('*') || !path::is_spelled_strictly(written, &literal) {
            return Err(CaveatError::Malformed);
        }
        Ok(Self { written: written.to_owned(), literal, rest })
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)?;
        f.write_str(match self.rest {
            Rest::Nothing => "",
            Rest::Anything => "*",
        })
    }
}

impl fmt::Display for RouteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list::write(f, &self.0)
    }
}
