//! Bringing a draft into the database, and its answers to those who wait.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use subgrant_domain::TenantId;
use subgrant_store::{
    LockedTx, StoreError, TenantTx, audit,
    books::{self, Posted, Posting},
    delegations::{self, Standing},
    events, holds,
    idempotency::{self, Key},
};
use tracing::Instrument;

use super::{
    AT_A_TIME, Answer, Command,
    draft::{Clock, Writes},
    trace,
};
use crate::{
    App, EngineError, ServiceError, adoption, background::task, metrics::COMMITTED, receipt::SpendError,
};

/// How much later than its decisions a transaction may begin.
const MOST_DELAY: SignedDuration = SignedDuration::from_secs(1);

/// Decisions that are ready to be written.
pub(super) struct Decisions {
    pub(super) tenant: TenantId,
    /// How the books stand, if the decisions are right, and the instant of the newest one.
    pub(super) standing: Standing,
    pub(super) clock: Clock,
    /// `None` where nothing is to be written.
    pub(super) posting: Option<Posting>,
    pub(super) writes: Writes,
    pub(super) unsure: Vec<Key>,
    pub(super) decided: Vec<(Command, Answer)>,
}

/// The transaction in which decisions are to be written.
pub(super) enum Start {
    /// It holds the lock under which they were made.
    Locked(LockedTx, Clock),
    /// It must find the books as they were supposed to stand. It may have begun already.
    Supposed(Option<TenantTx>),
}

/// A transaction that has begun ahead, or one that begins now.
pub(super) async fn begin(
    app: &App,
    tenant: TenantId,
    ahead: Option<TenantTx>,
) -> Result<TenantTx, StoreError> {
    match ahead {
        Some(tx) => Ok(tx),
        None => app.shared().database.begin_for_engine(tenant).await,
    }
}

/// What became of decisions.
pub(super) enum Ended {
    /// They are committed, and everybody is being answered. The next transaction may have begun.
    Committed(Clock, Option<TenantTx>),
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
    fn name(&self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::KeyTaken => "key_taken",
            Self::Unavailable => "unavailable",
            Self::Refused(_) => "refused",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

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
    /// Commits the decisions, and answers.
    pub(super) async fn commit(mut self, app: App, start: Start) -> Ended {
        let (began, metrics) = (Instant::now(), app.metrics());
        let span = trace::batch(&self.decided);
        match self.write(&app, start).instrument(span.clone()).await {
            Ok((clock, next)) => {
                metrics.batches.count(COMMITTED);
                span.record("subgrant.batch.result", COMMITTED);
                metrics.batch_items.observe_count(self.decided.len());
                metrics.commit_times.observe(began.elapsed());
                let answers = answer(app.clone(), self.decided);
                tokio::spawn(async move { app.isolate(task::ENGINE, answers).await });
                Ended::Committed(clock, next)
            }
            Err(failure) => {
                metrics.batches.count(failure.name());
                span.record("subgrant.batch.result", failure.name());
                let commands = self.decided.into_iter().map(|(command, _)| command).collect();
                Ended::Failed(failure, commands)
            }
        }
    }

    async fn write(&mut self, app: &App, start: Start) -> Result<(Clock, Option<TenantTx>), Failure> {
        let (mut tx, clock) = match (start, &self.posting) {
            (Start::Supposed(ahead), Some(posting)) if self.unsure.is_empty() => {
                self.lock_and_post(begin(app, self.tenant, ahead).await?, posting).await?
            }
            (start, posting) => {
                let (mut tx, clock) = match start {
                    Start::Locked(tx, clock) => (tx, clock),
                    Start::Supposed(ahead) => self.lock(begin(app, self.tenant, ahead).await?).await?,
                };
                if !self.unsure.is_empty() && !idempotency::by_keys(&mut tx, &self.unsure).await?.is_empty() {
                    return Err(Failure::KeyTaken);
                }
                let Some(posting) = posting else { return Ok((clock, None)) };
                let Standing { now, seq, .. } = self.standing;
                adoption::enter(&mut tx, &self.writes.adopted, seq, now).await?;
                match books::post(&mut tx, posting, now).await? {
                    Posted::Whole(()) => (tx, clock),
                    Posted::KeyTaken => return Err(Failure::KeyTaken),
                    Posted::Stale => return Err(Failure::Stale),
                }
            }
        };
        self.write_holds(&mut tx).await?;
        let committed = if app.shared().database.has_spare_connections() {
            tx.commit_and_begin_often().await.map(Some)
        } else {
            tx.commit().await.map(|()| None)
        };
        let next = committed.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
            Failure::OutcomeUnknown
        })?;
        app.shared().hub.wake(self.tenant);
        Ok((clock, next))
    }

    /// Takes the lock, and makes sure that nobody has written since what is known was read.
    async fn lock(&self, tx: TenantTx) -> Result<(LockedTx, Clock), Failure> {
        let asked = Instant::now();
        let (tx, found) = delegations::lock(tx).await?;
        if self.standing.is_of_same_books(&found) && self.is_in_time(found.now) {
            Ok((tx, self.clock.confirmed(found.now, asked)))
        } else {
            Err(Failure::Stale)
        }
    }

    /// The same together with the posting.
    async fn lock_and_post(&self, tx: TenantTx, posting: &Posting) -> Result<(LockedTx, Clock), Failure> {
        let asked = Instant::now();
        match books::lock_and_post(tx, posting, &self.standing).await? {
            Posted::Whole((tx, at)) if self.is_in_time(at) => Ok((tx, self.clock.confirmed(at, asked))),
            Posted::Whole(_) | Posted::Stale => Err(Failure::Stale),
            Posted::KeyTaken => Err(Failure::KeyTaken),
        }
    }

    /// Whether the newest decision is no later than the lock, and not much earlier.
    fn is_in_time(&self, locked_at: Timestamp) -> bool {
        (SignedDuration::ZERO..MOST_DELAY).contains(&locked_at.duration_since(self.standing.now))
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

/// Tells callers how their commands were decided: some at a time, because all of them at once would stand in line before
/// the next transaction.
async fn answer(app: App, decided: Vec<(Command, Answer)>) {
    for (number, (command, answer)) in decided.into_iter().enumerate() {
        if number % AT_A_TIME == AT_A_TIME - 1 {
            tokio::task::yield_now().await;
        }
        command.answer(&app, answer);
    }
}
