//! What is sent once a change has committed: mail, and calls of webhooks. At least once, by whatever process comes first.
//!
//! A row of the outbox says what is to be sent and nothing more. What it says is read, and what is secret derived, when it
//! is sent, so that nothing of it is stored.

pub(crate) mod mail;

use std::time::Duration;

use rand::RngExt;
use subgrant_store::outbox::{self, Item, Kind, Lane};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{App, Call, ServiceError};

pub use mail::Mail;

/// How long whoever has claimed something may take to send it.
const LEASE: Duration = Duration::from_mins(2);

/// The first wait after a failure; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(2);

/// After so many attempts, which take more than a day, nothing is sent any more.
const MOST_ATTEMPTS: i32 = 22;

/// Where mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailRoute {
    /// To a mail server.
    Smtp,
    /// To the screen of whoever runs the server on a laptop.
    Screen,
    /// Nowhere: none is written.
    Nowhere,
}

/// What is sent.
#[derive(Debug)]
pub enum Outgoing {
    /// A mail.
    Mail(Mail),
    /// A call of a webhook.
    Call(Call),
}

/// Tells whoever sends that there is something to send. A hint: what nobody was told of is found by looking.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    reset: Notify,
    mail: Notify,
    call: Notify,
}

impl Filled {
    fn of(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Reset => &self.reset,
            Lane::Mail => &self.mail,
            Lane::Call => &self.call,
        }
    }
}

impl App {
    /// Takes of each party that comes after `after`, and is not among `busy`, what has been due for longest; at most `limit`.
    /// Nobody else gets it for two minutes.
    pub async fn claim_outbox(
        &self,
        lane: Lane,
        after: Uuid,
        busy: &[Uuid],
        limit: i64,
    ) -> Result<Vec<Item>, ServiceError> {
        Ok(outbox::claim(&self.shared().database, lane, after, busy, limit, LEASE).await?)
    }

    /// Waits until there may be something to send.
    pub async fn outbox_filled(&self, lane: Lane) {
        self.shared().outbox.of(lane).notified().await;
    }

    /// What to send; `None` where it is not wanted any more.
    pub async fn compose(&self, item: &Item) -> Result<Option<Outgoing>, ServiceError> {
        let mail = match item.kind {
            Kind::Reset => self.compose_reset(item).await?,
            Kind::Confirmation => self.compose_confirmation(item).await?,
            Kind::Invitation => self.compose_invitation(item).await?,
            Kind::Alert => self.compose_alert(item).await?,
            Kind::Webhook => return Ok(self.compose_call(item).await?.map(Outgoing::Call)),
        };
        Ok(mail.map(Outgoing::Mail))
    }

    /// Notes that something was sent, or will never be.
    pub async fn finish(&self, item: &Item) -> Result<(), ServiceError> {
        Ok(outbox::remove(&self.shared().database, item.id).await?)
    }

    /// Notes that something could not be sent: it is tried again later, or given up. Says which.
    pub async fn retry(&self, item: &Item) -> Result<bool, ServiceError> {
        match next_wait(item) {
            None => self.finish(item).await.map(|()| false),
            Some(wait) => self.put_off(item, wait).await.map(|()| true),
        }
    }

    pub(crate) async fn put_off(&self, item: &Item, wait: Duration) -> Result<(), ServiceError> {
        Ok(outbox::put_off(&self.shared().database, item.id, wait).await?)
    }

    /// Whether mail goes anywhere.
    pub fn sends_mail(&self) -> bool {
        self.shared().options.mail != MailRoute::Nowhere
    }

    /// Whether mail reaches those whom it is for.
    pub fn mails_people(&self) -> bool {
        self.shared().options.mail == MailRoute::Smtp
    }

    pub(crate) fn wake_senders(&self) {
        for lane in Lane::ALL {
            self.shared().outbox.of(lane).notify_one();
        }
    }

    /// The address of a page of the dashboard.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}/{path}", self.shared().options.location.trim_end_matches('/'))
    }

    /// The same for a page to which a secret is handed in the fragment, which browsers send to no server.
    pub(crate) fn link(&self, path: &str, secret: &str) -> String {
        format!("{}#token={secret}", self.page(path))
    }
}

/// How long to wait until the next attempt; `None`: there is none.
pub(crate) fn next_wait(item: &Item) -> Option<Duration> {
    (item.attempts < MOST_ATTEMPTS).then(|| wait_after(item.attempts))
}

/// How long to wait after so many attempts: doubled each time, give or take a fifth, so that what failed together is not
/// tried again together.
fn wait_after(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(20);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    wait.mul_f64(rand::rng().random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_scatter() {
        for (attempts, seconds) in
            [(1, 5.0), (2, 10.0), (5, 80.0), (11, 5_120.0), (12, 7_200.0), (1_000, 7_200.0)]
        {
            for _ in 0..100 {
                let wait = wait_after(attempts).as_secs_f64();
                assert!((seconds * 0.8..=seconds * 1.2).contains(&wait), "{attempts}: {wait}");
            }
        }
    }

    #[test]
    fn giving_up_takes_more_than_a_day() {
        let total: f64 = (1..MOST_ATTEMPTS).map(|attempts| wait_after(attempts).as_secs_f64()).sum();
        assert!(total > 0.8 * 86_400.0 && total < 2.0 * 86_400.0, "{total}");
    }
}
