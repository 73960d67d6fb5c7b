//! Bringing a draft into the database, and its answers to those who wait.

use std::time::Instant;

use jiff::{SignedDuration, tz::TimeZone};
use subgrant_domain::{DelegationId, TenantId, Tree};
use subgrant_store::{
    LockedTx, StoreError, audit,
    books::{self, Posted, Posting},
    delegations::{self, Standing},
    events, holds,
    idempotency::{self, Key},
    ledger::Head,
};

use super::{
    Answer, Command,
    draft::{Clock, Writes},
};
use crate::{App, EngineError, ServiceError, locked::LockedTenant, receipt::SpendError};

/// How much later than its decisions a transaction may begin.
const MOST_DELAY: SignedDuration = SignedDuration::from_secs(1);

/// Decisions that are ready to be written.
pub(super) struct Decisions {
    pub(super) tenant: TenantId,
    pub(super) root: DelegationId,
    /// How the books stand, if the decisions are right, and the instant of the newest one.
    pub(super) standing: Standing,
    pub(super) zone: TimeZone,
    /// `None` where nothing is to be written.
    pub(super) posting: Option<Posting>,
    pub(super) writes: Writes,
    pub(super) unsure: Vec<Key>,
    pub(super) decided: Vec<(Command, Answer)>,
}

/// What became of decisions.
pub(super) enum Ended {
    /// They are committed, and everybody is answered.
    Committed(Clock),
    /// They are not; nobody was answered.
    Failed(Failure, Vec<Command>),
}

/// Why decisions were not committed.
pub(super) enum Failure {
    /// Somebody else has written since, so that they may be wrong. Nothing was written.
    Stale,
    /// A key was used before, and has an answer that was not looked up. Nothing was written.
    KeyTaken,
    /// By the database's absence. Nothing was written.
    Unavailable,
    /// By something among them. Nothing was written.
    Refused(String),
    /// While committing: nobody knows.
    OutcomeUnknown,
}

impl Failure {
    pub(super) fn answer(&self) -> SpendError {
        match self {
            Self::Stale | Self::Unavailable => EngineError::Unavailable.into(),
            Self::KeyTaken => {
                ServiceError::Inconsistent("a key was taken while the tenant was locked".to_owned()).into()
            }
            Self::Refused(why) => ServiceError::Inconsistent(why.clone()).into(),
            Self::OutcomeUnknown => EngineError::OutcomeUnknown.into(),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a batch of debits failed");
        match error {
            ServiceError::Store(StoreError::Unavailable(_)) => Self::Unavailable,
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ServiceError::from(error).into()
    }
}

impl Decisions {
    /// Commits the decisions, in the transaction in which they were made, or in one that finds the books as they were
    /// supposed to stand, and answers.
    pub(super) async fn commit(mut self, app: App, locked: Option<(LockedTx, Clock)>) -> Ended {
        match self.write(&app, locked).await {
            Ok(clock) => {
                for (command, answer) in self.decided {
                    // A caller that went away does not undo a debit; its idempotency key finds it again.
                    let _ = command.reply.send(answer);
                }
                Ended::Committed(clock)
            }
            Err(failure) => {
                let commands = self.decided.into_iter().map(|(command, _)| command).collect();
                Ended::Failed(failure, commands)
            }
        }
    }

    async fn write(&mut self, app: &App, locked: Option<(LockedTx, Clock)>) -> Result<Clock, Failure> {
        let (mut tx, clock) = match locked {
            Some(locked) => locked,
            None => self.lock(app).await?,
        };
        if !self.unsure.is_empty() && !idempotency::by_keys(tx.tx(), &self.unsure).await?.is_empty() {
            return Err(Failure::KeyTaken);
        }
        let Some(posting) = &self.posting else { return Ok(clock) };
        let Standing { now, seq, hash, .. } = self.standing;
        let head = Head { now, zone: self.zone.clone(), seq, hash };
        let mut tenant = LockedTenant::known(tx, head, Tree::new(now, self.zone.clone(), []));
        tenant.enter(&self.writes.adopted).await?;
        if books::post(&mut tenant.tx, posting, now).await? == Posted::KeyTaken {
            return Err(Failure::KeyTaken);
        }
        self.write_holds(&mut tenant.tx).await?;
        tenant.tx.commit().await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
            Failure::OutcomeUnknown
        })?;
        app.shared().hub.wake(self.tenant);
        Ok(clock)
    }

    /// Takes the lock, and makes sure that nobody has written since what is known was read.
    async fn lock(&self, app: &App) -> Result<(LockedTx, Clock), Failure> {
        let tx = app.shared().database.begin_often(self.tenant).await?;
        let (tx, found) = delegations::lock(tx, self.root).await?;
        let delay = found.now.duration_since(self.standing.now);
        let is_expected = self.standing == Standing { now: self.standing.now, ..found };
        if is_expected && (SignedDuration::ZERO..MOST_DELAY).contains(&delay) {
            Ok((tx, Clock { read: found.now, at: Instant::now() }))
        } else {
            Err(Failure::Stale)
        }
    }

    async fn write_holds(&self, tx: &mut LockedTx) -> Result<(), StoreError> {
        let (writes, now) = (&self.writes, self.standing.now);
        holds::insert(tx, &writes.new_holds, now).await?;
        for (id, expires_at) in &writes.extended_holds {
            holds::extend(tx, *id, *expires_at).await?;
        }
        holds::close(tx, &writes.closed_holds, now).await?;
        for entry in &writes.audits {
            audit::append(tx, entry).await?;
        }
        events::append(tx, &writes.events, now).await
    }
}
