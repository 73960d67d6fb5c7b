//! HTTP methods.

use std::{fmt, str::FromStr};

use super::list;
use crate::CaveatError;

/// A list of HTTP methods: upper-case letters and inner hyphens, compared exactly (RFC 9110, section 9.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodSet(Vec<String>);

impl MethodSet {
    /// Whether the method is in the list.
    pub fn contains(&self, method: &str) -> bool {
        self.0.iter().any(|allowed| allowed == method)
    }

    /// Whether some method is in both lists.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|method| other.contains(method))
    }
}

impl FromStr for MethodSet {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        list::parse(text, |word| {
            let is_token = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            if word.is_empty() || word.starts_with('-') || word.ends_with('-') || !is_token {
                return Err(CaveatError::Malformed);
            }
            Ok(word.to_owned())
        })
        .map(Self)
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list::write(f, &self.0)
    }
}
