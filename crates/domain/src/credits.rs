//! Amounts of money-like credits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole, non-negative number of credits, at most 2^53 − 1 so that every JSON reader carries it exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(u64);

/// Why a number or text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// The value exceeds 2^53 − 1.
    #[error("an amount is at most 9007199254740991 credits")]
    TooLarge,
    /// The value is zero where something must move.
    #[error("an amount is at least 1 credit")]
    Zero,
    /// The text is not a plain decimal integer without sign or leading zeros.
    #[error("an amount is a whole number of credits")]
    NotAnInteger,
}

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);
    /// The least that can move.
    pub const ONE: Self = Self(1);
    /// The largest amount: 2^53 − 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// An amount or a balance, zero included.
    pub const fn new(value: u64) -> Result<Self, CreditsError> {
        if value > Self::MAX.0 { Err(CreditsError::TooLarge) } else { Ok(Self(value)) }
    }

    /// An amount that moves: at least one credit.
    pub const fn positive(value: u64) -> Result<Self, CreditsError> {
        if value == 0 { Err(CreditsError::Zero) } else { Self::new(value) }
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether nothing is left.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, unless it exceeds [`Credits::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Both are below 2^53, so the sum of the plain numbers cannot wrap.
        match Self::new(self.0 + other.0) {
            Ok(sum) => Some(sum),
            Err(_) => None,
        }
    }

    /// The difference, unless it would be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The difference, or nothing left where it would be negative. For display and advice, never for a decision.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Credits {
    type Err = CreditsError;

    /// Reads a plain decimal integer: digits only, no sign, no leading zero, so that one amount has one spelling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if text.is_empty() || !canonical {
            return Err(CreditsError::NotAnInteger);
        }
        Self::new(text.parse().map_err(|_| CreditsError::TooLarge)?)
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact() {
        assert_eq!(Credits::new((1 << 53) - 1), Ok(Credits::MAX));
        assert_eq!(Credits::new(1 << 53), Err(CreditsError::TooLarge));
        assert_eq!(Credits::positive(0), Err(CreditsError::Zero));
        assert_eq!(Credits::MAX.checked_add(Credits(1)), None);
        assert_eq!(Credits::ZERO.checked_sub(Credits(1)), None);
    }

    #[test]
    fn one_amount_has_one_spelling() {
        assert_eq!("1000".parse(), Ok(Credits(1000)));
        assert_eq!("0".parse(), Ok(Credits::ZERO));
        for text in ["", "+1", "-1", "01", "1.0", "1e3", " 1", "٣", "1_000"] {
            assert_eq!(text.parse::<Credits>(), Err(CreditsError::NotAnInteger), "{text}");
        }
        assert_eq!("9007199254740992".parse::<Credits>(), Err(CreditsError::TooLarge));
        assert_eq!("99999999999999999999999".parse::<Credits>(), Err(CreditsError::TooLarge));
    }
}
