//! What the holder of a token may do.

use std::{fmt, str::FromStr};

/// One thing a token permits at the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Debit, hold, capture.
    Spend,
    /// Create, change and revoke delegations below one's own.
    Delegate,
    /// See delegations, ledger and reports.
    Read,
}

impl Action {
    /// Every action, in the order in which sets are written.
    pub const ALL: [Self; 3] = [Self::Spend, Self::Delegate, Self::Read];

    /// The word used in caveats and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::Delegate => "delegate",
            Self::Read => "read",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is not the name of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an action is one of spend, delegate, read")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

/// A set of actions; written `spend,delegate,read` in a caveat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ActionSet(u8);

impl ActionSet {
    /// Everything a token can permit: what holds where no caveat says otherwise.
    pub const ALL: Self = Self(0b111);

    /// Whether `action` is permitted.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// What both sets permit.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is permitted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `other` permits everything that this set permits.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The permitted actions, in the order of [`Action::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |bits, action| bits | action.bit()))
    }
}

impl fmt::Display for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, action) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(action.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for ActionSet {
    type Err = UnknownAction;

    /// Reads a comma-separated, non-empty list; a repeated action is accepted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|word| word.trim().parse::<Action>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_in_one_order_and_read_in_any() {
        assert_eq!("read, spend".parse::<ActionSet>().unwrap().to_string(), "spend,read");
        assert_eq!("spend,,read".parse::<ActionSet>(), Err(UnknownAction));
        assert_eq!("".parse::<ActionSet>(), Err(UnknownAction));
        assert_eq!("Spend".parse::<ActionSet>(), Err(UnknownAction));
    }

    #[test]
    fn intersection_only_narrows() {
        let spend_only: ActionSet = [Action::Spend].into_iter().collect();
        assert!(spend_only.is_subset(ActionSet::ALL));
        assert!(!ActionSet::ALL.is_subset(spend_only));
        assert_eq!(ActionSet::ALL.intersection(spend_only), spend_only);
    }
}
