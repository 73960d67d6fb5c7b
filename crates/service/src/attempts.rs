//! A limit to guessing passwords: per account and per network address, over all server processes.

use std::{net::IpAddr, time::Duration};

use sha2::{Digest, Sha256};
use subgrant_store::attempts::{self, Subject};

use crate::{App, ServiceError};

/// The window in which attempts are counted, and how many of them may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// How long attempts count.
    pub window: Duration,
    /// Failed ones on one account.
    pub per_account: i32,
    /// Mails for setting a new password, asked for in the name of one account.
    pub resets_per_account: i32,
    /// Failed ones from one address. Higher, because whole offices share one, and all the world behind a proxy.
    pub per_address: i32,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self { window: Duration::from_mins(15), per_account: 20, resets_per_account: 5, per_address: 1_000 }
    }
}

/// An attempt that is under way; counted as failed until [`Attempt::succeeded`].
pub(crate) struct Attempt {
    account: Subject,
    address: Option<Subject>,
}

impl App {
    /// Counts an attempt, whether the account exists or not. `Err`: there were too many, and how long to wait.
    pub(crate) async fn attempt(
        &self,
        email: &str,
        source_ip: Option<IpAddr>,
    ) -> Result<Result<Attempt, Duration>, ServiceError> {
        let limits = self.shared().options.attempts;
        self.count("account", email, limits.per_account, source_ip).await
    }

    /// The same for a mail with which somebody sets a new password. These are never taken back.
    pub(crate) async fn reset_attempt(
        &self,
        email: &str,
        source_ip: Option<IpAddr>,
    ) -> Result<Result<(), Duration>, ServiceError> {
        let limits = self.shared().options.attempts;
        let counted = self.count("reset", email, limits.resets_per_account, source_ip).await?;
        Ok(counted.map(drop))
    }

    /// The address of whoever proves that it is theirs starts afresh.
    pub(crate) async fn forget_attempts(&self, email: &str) -> Result<(), ServiceError> {
        Ok(attempts::forget(&self.shared().database, &subject("account", email)).await?)
    }

    async fn count(
        &self,
        kind: &str,
        email: &str,
        limit: i32,
        source_ip: Option<IpAddr>,
    ) -> Result<Result<Attempt, Duration>, ServiceError> {
        let limits = self.shared().options.attempts;
        let attempt = Attempt {
            account: subject(kind, email),
            address: source_ip.map(|address| subject("address", &network(address))),
        };
        let of_address = attempt.address.map(|address| (address, limits.per_address));
        for (subject, limit) in of_address.into_iter().chain([(attempt.account, limit)]) {
            let counted = attempts::count(&self.shared().database, &subject, limits.window).await?;
            if counted.attempts > limit {
                return Ok(Err(counted.left));
            }
        }
        Ok(Ok(attempt))
    }
}

impl Attempt {
    /// The password was right: the account starts afresh, and the attempt does not count against the address.
    pub(crate) async fn succeeded(self, app: &App) -> Result<(), ServiceError> {
        attempts::forget(&app.shared().database, &self.account).await?;
        if let Some(address) = &self.address {
            attempts::forgive(&app.shared().database, address).await?;
        }
        Ok(())
    }
}

fn subject(kind: &str, value: &str) -> Subject {
    Sha256::new().chain_update(kind).chain_update([0]).chain_update(value).finalize().into()
}

/// Whoever has an IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_counted_together() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
