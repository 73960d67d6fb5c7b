//! Which paths a token may be used on.

use std::{fmt, str::FromStr};

use super::{RequestPath, list};
use crate::CaveatError;

/// A list of path patterns, of which one must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSet(Vec<RoutePattern>);

/// One pattern: a path in normal form that must be equal, or with `*` at its end one that the path must start with.
///
/// `/v1/*` matches `/v1/` and `/v1/a/b`, neither `/v1` nor `/v10`. Case matters. A comma or star within a segment
/// cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern {
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
}

impl RoutePattern {
    /// Whether the pattern matches the whole path.
    pub fn matches(&self, path: &RequestPath) -> bool {
        match self.rest {
            Rest::Nothing => path.as_str() == self.literal,
            Rest::Anything => path.as_str().starts_with(&self.literal),
        }
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
        let (literal, rest) = match text.strip_suffix('*') {
            Some(literal) => (literal, Rest::Anything),
            None => (text, Rest::Nothing),
        };
        // A pattern that is not in normal form would never match what its author meant.
        let is_normal = RequestPath::new(literal).is_ok_and(|path| path.as_str() == literal);
        if !is_normal || literal.contains('*') {
            return Err(CaveatError::Malformed);
        }
        Ok(Self { literal: literal.to_owned(), rest })
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.literal)?;
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
