//! Which limits there are, and what they are where nobody says otherwise.

use std::{fmt, str::FromStr, thread::available_parallelism};

use super::bucket::Rate;

/// No server lets a tenant or a token spend less often than this per second, however many servers share a limit.
const LEAST_SPENDS: f64 = 2_000.0;

/// Whose requests a limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    Address,
    Tenant,
    Token,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $scope:ident;)*) => {
        /// A limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Limit { $($(#[doc = $doc])* $name,)* }

        impl Limit {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Their names, in the same order.
            pub(super) const NAMES: &[&str] = &[$($text,)*];

            pub(super) fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }
        }
    };
}

limits! {
    /// Everything that comes from an address.
    AddressRequests = "address-requests", Address;
    /// Sign-ups, accepted invitations and new passwords: what strangers have hashed.
    AddressSignups = "address-signups", Address;
    /// Sign-ins.
    AddressSessions = "address-sessions", Address;
    /// Mails that strangers ask for.
    AddressMails = "address-mails", Address;
    /// Credentials that were refused. Only who presents one that is not known yet is kept waiting.
    AddressRefusals = "address-refusals", Address;
    /// Debits, holds, captures and refunds, each item of a batch, and what resource servers and gateways ask.
    TenantSpends = "tenant-spends", Tenant;
    /// What only looks.
    TenantReads = "tenant-reads", Tenant;
    /// What changes something else than money.
    TenantWrites = "tenant-writes", Tenant;
    /// Reports.
    TenantReports = "tenant-reports", Tenant;
    /// Exports, and proofs of the books.
    TenantExports = "tenant-exports", Tenant;
    /// What sends mail, calls a webhook or hashes a password.
    TenantMails = "tenant-mails", Tenant;
    /// As for the tenant, of one delegation's tokens or of one user.
    TokenSpends = "token-spends", Token;
    /// Likewise.
    TokenReads = "token-reads", Token;
    /// Likewise.
    TokenWrites = "token-writes", Token;
}

impl Limit {
    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// What it is unless somebody says otherwise: `docs/rate-limits.md`.
    fn by_default(self) -> Rate {
        let processors = available_parallelism().map_or(1, usize::from);
        #[expect(clippy::cast_precision_loss, reason = "no machine has as many processors")]
        let processors = processors as f64;
        // A quarter of what a server does on such a machine.
        let spends = (2_500.0 * processors).max(LEAST_SPENDS);
        let (per_second, burst) = match self {
            Self::AddressRequests => (10_000.0 * processors, 600_000.0 * processors),
            Self::AddressSignups => (2.0, 200.0),
            Self::AddressSessions => (10.0, 200.0),
            Self::AddressRefusals => (200.0, 10_000.0),
            Self::TenantSpends => (spends, spends * 60.0),
            // Half of the tenant's, so that one agent leaves something to the others.
            Self::TokenSpends => ((spends / 2.0).max(LEAST_SPENDS), spends * 60.0),
            Self::TenantReads => (1_000.0, 10_000.0),
            Self::TokenReads => (500.0, 10_000.0),
            Self::TenantWrites => (200.0, 4_000.0),
            Self::TokenWrites => (100.0, 4_000.0),
            Self::TenantReports => (20.0, 200.0),
            Self::TenantExports => (2.0, 60.0),
            Self::AddressMails | Self::TenantMails => (1.0, 100.0),
        };
        Rate { per_second, burst }
    }

    /// The share of one server among several.
    fn share(self, rate: Rate, servers: f64) -> Rate {
        let least = match self {
            Self::TenantSpends | Self::TokenSpends => LEAST_SPENDS.min(rate.per_second),
            _ => 0.0,
        };
        let per_second = (rate.per_second / servers).max(least);
        Rate { per_second, burst: (rate.burst / servers).max(1.0) }
    }
}

/// Every limit's rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates(Vec<Rate>);

impl Default for Rates {
    fn default() -> Self {
        Self(Limit::ALL.iter().map(|limit| limit.by_default()).collect())
    }
}

impl Rates {
    /// Limits that nobody reaches.
    pub fn boundless() -> Self {
        Self(vec![BOUNDLESS; Limit::ALL.len()])
    }

    /// With another rate of one limit.
    #[must_use]
    pub fn with(mut self, limit: Limit, per_second: f64, burst: f64) -> Self {
        self.0[limit as usize] = Rate { per_second, burst };
        self
    }

    /// With what was said on the command line, the last one counting.
    #[must_use]
    pub fn changed(mut self, changes: &[RateChange]) -> Self {
        for RateChange { limit, rate } in changes {
            match limit {
                Some(limit) => self.0[*limit as usize] = *rate,
                None => self.0.fill(*rate),
            }
        }
        self
    }

    /// What one of so many servers allows.
    pub(super) fn share(&self, limit: Limit, servers: u32) -> Rate {
        limit.share(self.0[limit as usize], f64::from(servers.max(1)))
    }
}

const BOUNDLESS: Rate = Rate { per_second: 1e9, burst: 1e9 };

/// Another rate for a limit, or for all of them: `tenant-spends=5000:300000`, `address-signups=off`, `all=off`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    limit: Option<Limit>,
    rate: Rate,
}

impl FromStr for RateChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "say NAME=PER_SECOND:BURST or NAME=off";
        let (name, rate) = text.split_once('=').ok_or_else(|| format!("{text:?}: {form}"))?;
        let known = || format!("{name:?} is none of all, {}", Limit::NAMES.join(", "));
        let limit = Limit::ALL.iter().copied().find(|limit| limit.name() == name);
        if limit.is_none() && name != "all" {
            return Err(known());
        }
        if rate == "off" {
            return Ok(Self { limit, rate: BOUNDLESS });
        }
        let number = |text: &str| {
            let number = text.parse::<f64>().ok();
            number
                .filter(|number| number.is_finite() && *number > 0.0)
                .ok_or_else(|| format!("{text:?}: {form}"))
        };
        let (per_second, burst) = rate.split_once(':').ok_or_else(|| format!("{rate:?}: {form}"))?;
        let (per_second, burst) = (number(per_second)?, number(burst)?);
        if burst < 1.0 {
            return Err(format!("{text:?}: a burst is of one request at least"));
        }
        Ok(Self { limit, rate: Rate { per_second, burst } })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, burst } = self;
        if *per_second >= 1.0 {
            write!(f, "{burst:.0} at once and {per_second:.0} a second after that")
        } else {
            write!(f, "{burst:.0} at once and {:.0} an hour after that", per_second * 3_600.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_share_a_limit_but_no_token_spends_less_than_two_thousand_times_a_second() {
        let rates = Rates::default();
        for limit in [Limit::TenantSpends, Limit::TokenSpends] {
            for servers in [1, 2, 10, 1_000] {
                assert!(rates.share(limit, servers).per_second >= 2_000.0, "{limit:?} {servers}");
            }
        }
        let (one, three) = (rates.share(Limit::AddressSignups, 1), rates.share(Limit::AddressSignups, 3));
        assert!((three.per_second * 3.0 - one.per_second).abs() < 1e-9);
        assert!((three.burst * 3.0 - one.burst).abs() < 1e-9);
        assert!(rates.share(Limit::AddressMails, 100_000).burst >= 1.0, "nobody is shut out for good");
    }

    #[test]
    fn a_change_names_a_limit_and_its_rate() {
        let changed = |texts: &[&str]| {
            let changes: Vec<RateChange> = texts.iter().map(|text| text.parse().unwrap()).collect();
            Rates::default().changed(&changes)
        };
        let rates = changed(&["tenant-spends=2500.5:10000", "all=off", "address-signups=0.1:5"]);
        assert_eq!(rates.share(Limit::AddressSignups, 1), Rate { per_second: 0.1, burst: 5.0 });
        assert_eq!(rates.share(Limit::TenantSpends, 1), BOUNDLESS);
        for text in [
            "",
            "tenant-spends",
            "tenant-spends=5",
            "tenant-spends=0:5",
            "tenant-spends=5:0",
            "x=1:1",
            "tenant-spends=nan:1",
            "tenant-spends=inf:1",
            "tenant-spends=-1:1",
            "tenant-spends=1:",
            "=1:1",
        ] {
            assert!(text.parse::<RateChange>().is_err(), "{text}");
        }
    }
}
