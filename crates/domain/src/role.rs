//! What a person may do in the dashboard.

use std::{fmt, str::FromStr};

/// A member's role. Everybody who is signed in sees the tenant's tree, ledger and members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, and the only one to make or unmake owners.
    Owner,
    /// Manages delegations, spends, and manages every member but the owners.
    Admin,
    /// Reads everything.
    Finance,
    /// Reads everything.
    Viewer,
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be owner, admin, finance or viewer")]
pub struct UnknownRole;

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Finance, Self::Viewer];

    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Finance => "finance",
            Self::Viewer => "viewer",
        }
    }

    /// Whether it may change delegations and spend.
    pub const fn may_manage_delegations(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// Whether it may invite, change and remove people at all.
    pub const fn may_manage_people(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// Whether it may change what holds for the whole organisation: its name, calendar, currency and price.
    pub const fn may_change_settings(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// Whether it may say who is told when so much is spent.
    pub const fn may_manage_alerts(self) -> bool {
        matches!(self, Self::Owner | Self::Admin | Self::Finance)
    }

    /// Whether it may close a month.
    pub const fn may_close_periods(self) -> bool {
        matches!(self, Self::Owner | Self::Admin | Self::Finance)
    }

    /// Whether it may open a closed month again.
    pub const fn may_reopen_periods(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// Whether it may give `other` to somebody, or take it away: nobody hands out more than it has.
    pub const fn may_grant(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !matches!(other, Self::Owner),
            Self::Finance | Self::Viewer => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_make_owners_and_readers_grant_nothing() {
        let granted = |by: Role| Role::ALL.into_iter().filter(|role| by.may_grant(*role)).collect::<Vec<_>>();
        assert_eq!(granted(Role::Owner), Role::ALL);
        assert_eq!(granted(Role::Admin), [Role::Admin, Role::Finance, Role::Viewer]);
        assert!(granted(Role::Finance).is_empty() && granted(Role::Viewer).is_empty());
    }

    #[test]
    fn every_role_is_read_back_from_its_word() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Owner".parse::<Role>(), Err(UnknownRole));
    }
}
