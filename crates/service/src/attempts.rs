//! Limits to guessing passwords and to asking for mail, over all server processes.
//!
//! Strangers must not be able to shut anybody out. So guesses are counted for an account *and* whence they come: a browser that has
//! signed in to the account before, or else a network. What is counted for an account or for a network alone only slows down.

use std::{net::IpAddr, time::Duration};

use sha2::{Digest, Sha256};
use subgrant_store::attempts::{self, Bucket, Subject};
use uuid::Uuid;

use crate::{App, ServiceError, device::Device};

/// How often something may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// How long it takes until as many attempts may be made again.
    pub window: Duration,
    /// Failed ones on one account from one browser or network.
    pub per_account: i32,
    /// Failed ones on one account from everywhere: further ones are slowed down.
    pub per_account_everywhere: i32,
    /// Failed ones, or mails asked for, from one network, whatever the account: further ones are slowed down.
    pub per_network: i32,
    /// By how much.
    pub slowed_by: Duration,
    /// Mails a day for setting a new password to one address; further ones are not sent.
    pub resets_per_day: i32,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(15),
            per_account: 20,
            per_account_everywhere: 200,
            per_network: 1_000,
            slowed_by: Duration::from_secs(2),
            resets_per_day: 5,
        }
    }
}

/// An attempt that is under way; counted as failed until [`Attempt::succeeded`].
pub(crate) struct Attempt {
    own: Subject,
    everywhere: Vec<Subject>,
}

/// Whence somebody guesses.
pub(crate) enum Whence<'a> {
    /// A browser that has signed in to the account before.
    Device(&'a Device),
    /// A network, which the account may share with strangers.
    Network(Option<IpAddr>),
    /// A session of the account.
    Session([u8; 32]),
}

impl App {
    /// Counts an attempt on an address, whether it has accounts or not. `Err`: there were too many, and how long to wait.
    pub(crate) async fn attempt(
        &self,
        email: &str,
        whence: Whence<'_>,
    ) -> Result<Result<Attempt, Duration>, ServiceError> {
        let (database, limits) = (&self.shared().database, self.shared().options.attempts);
        let own = match &whence {
            Whence::Device(device) => subject("device", &[&device.id()]),
            Whence::Session(digest) => subject("session", &[digest]),
            Whence::Network(address) => subject("account", &[email.as_bytes(), network(*address).as_bytes()]),
        };
        if let Some(wait) = attempts::count(database, &own, limits.bucket(limits.per_account)).await? {
            return Ok(Err(wait));
        }
        let mut attempt = Attempt { own, everywhere: Vec::new() };
        if let Whence::Network(address) = whence {
            attempt.everywhere = vec![
                subject("account-everywhere", &[email.as_bytes()]),
                subject("network", &[network(address).as_bytes()]),
            ];
            self.slow_down(&attempt.everywhere).await?;
        }
        Ok(Ok(attempt))
    }

    /// Whoever proves to have an address starts afresh in the own network.
    pub(crate) async fn forget_attempts(
        &self,
        email: &str,
        source_ip: Option<IpAddr>,
    ) -> Result<(), ServiceError> {
        let own = subject("account", &[email.as_bytes(), network(source_ip).as_bytes()]);
        Ok(attempts::forget(&self.shared().database, &own).await?)
    }

    /// The same where only the network counts, and nothing is taken back.
    pub(crate) async fn asked_from(&self, source_ip: Option<IpAddr>) -> Result<(), ServiceError> {
        self.slow_down(&[subject("asking-network", &[network(source_ip).as_bytes()])]).await
    }

    /// Whether another mail of a kind may go to an address today.
    pub(crate) async fn may_mail(&self, kind: &str, email: &str, per_day: i32) -> Result<bool, ServiceError> {
        let subject = subject("mail", &[kind.as_bytes(), email.as_bytes()]);
        Ok(attempts::count(&self.shared().database, &subject, per_day_of(per_day)).await?.is_none())
    }

    async fn slow_down(&self, subjects: &[Subject]) -> Result<(), ServiceError> {
        let limits = self.shared().options.attempts;
        let sizes = [limits.per_account_everywhere, limits.per_network];
        let mut is_slow = false;
        for (subject, size) in subjects.iter().zip(if subjects.len() == 1 { [sizes[1]; 2] } else { sizes }) {
            let bucket = limits.bucket(size);
            is_slow |= attempts::count(&self.shared().database, subject, bucket).await?.is_some();
        }
        if is_slow {
            tokio::time::sleep(limits.slowed_by).await;
        }
        Ok(())
    }
}

impl Attempt {
    /// The password was right: the attempt does not count.
    pub(crate) async fn succeeded(self, app: &App) -> Result<(), ServiceError> {
        attempts::forgive(&app.shared().database, &self.own).await?;
        self.forgive_everywhere(app).await
    }

    /// The password was right, and nobody else has an account of the address: whoever typed it starts afresh. Otherwise a stranger with
    /// an account of the same address would, after each few guesses at somebody else's.
    pub(crate) async fn succeeded_alone(self, app: &App) -> Result<(), ServiceError> {
        attempts::forget(&app.shared().database, &self.own).await?;
        self.forgive_everywhere(app).await
    }

    async fn forgive_everywhere(&self, app: &App) -> Result<(), ServiceError> {
        let database = &app.shared().database;
        for subject in &self.everywhere {
            attempts::forgive(database, subject).await?;
        }
        Ok(())
    }
}

impl AttemptLimits {
    fn bucket(self, size: i32) -> Bucket {
        Bucket { size, drains_in: self.window }
    }
}

/// So many a day.
pub(crate) fn per_day_of(size: i32) -> Bucket {
    Bucket { size, drains_in: Duration::from_hours(24) }
}

/// What is counted, by its kind and what it is about.
pub(crate) fn subject(kind: &str, parts: &[&[u8]]) -> Subject {
    let mut digest = Sha256::new().chain_update(kind);
    for part in parts {
        digest.update([0]);
        digest.update(part);
    }
    digest.finalize().into()
}

/// Invitations of a tenant, of one address by a tenant, and mails that invite an address, each per day.
pub(crate) fn invitation_subjects(tenant: Uuid, email: &str) -> [Subject; 3] {
    let (tenant, email) = (tenant.as_bytes().as_slice(), email.as_bytes());
    [
        subject("invitations", &[tenant]),
        subject("invitation", &[tenant, email]),
        subject("mail", &[b"invitation", email]),
    ]
}

/// Whoever has an IPv6 address has a whole /64 of them.
fn network(address: Option<IpAddr>) -> String {
    match address {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
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
        let network = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn what_is_counted_is_told_apart() {
        assert_ne!(subject("a", &[b"b", b"c"]), subject("a", &[b"bc"]));
        assert_ne!(subject("mail", &[b"x"]), subject("account", &[b"x"]));
    }
}
