//! A tenant's queue at work: it decides what comes in while the transaction before is under way, so that neither the
//! program nor the database waits for the other.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use subgrant_domain::TenantId;
use subgrant_store::{LockedTx, TenantTx, idempotency::Key};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{
    AT_A_TIME, Command, MOST_ADOPTED,
    commit::{Ended, Failure, Start, begin},
    draft::Draft,
    open::open,
    recent::RecentKeys,
};
use crate::{App, ServiceError, background::task};

/// How long an idle tenant keeps its task.
const IDLE: Duration = Duration::from_mins(1);

/// How long it keeps a transaction that has begun ahead.
const LULL: Duration = Duration::from_millis(10);

/// What a tenant's queue works with.
pub(super) struct Worker {
    app: App,
    tenant: TenantId,
    batch_size: usize,
    recent_keys: RecentKeys,
    /// What is known, and what is decided already on top of the transaction that is under way.
    draft: Option<Draft>,
    /// Commands that cannot be decided from what is known.
    held_back: Vec<Command>,
    under_way: Option<JoinHandle<Ended>>,
    /// The next one, which has begun, so that nobody need wait for that.
    ahead: Option<TenantTx>,
    /// When decisions were last given up because somebody else had written.
    rival_seen: Option<Instant>,
}

/// How long nothing is decided without the lock after somebody else has written: another server is likely to go on.
const RIVALRY: Duration = Duration::from_millis(50);

/// Which idempotency keys to look up before anything is decided.
#[derive(Clone, Copy)]
enum LookUp {
    /// Those that were used here lately.
    Likely,
    All,
}

impl Worker {
    pub(super) fn new(app: App, tenant: TenantId, batch_size: usize) -> Self {
        let (recent_keys, held_back) = (RecentKeys::default(), Vec::new());
        Self {
            app,
            tenant,
            batch_size,
            recent_keys,
            draft: None,
            held_back,
            under_way: None,
            ahead: None,
            rival_seen: None,
        }
    }

    /// Decides until the tenant has been idle for a while.
    pub(super) async fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut received = Vec::new();
        let mut is_closed = false;
        loop {
            if self.under_way.is_none() {
                if self.has_decided() {
                    self.launch();
                    continue;
                }
                if !self.held_back.is_empty() {
                    let mut held_back = std::mem::take(&mut self.held_back);
                    while held_back.len() < self.batch_size
                        && let Ok(command) = commands.try_recv()
                    {
                        held_back.push(command);
                    }
                    self.begin(held_back, LookUp::Likely).await;
                    continue;
                }
                if is_closed {
                    return;
                }
            }
            let is_lull = self.ahead.is_some() && self.under_way.is_none();
            let (room, patience) = (self.room(), if is_lull { LULL } else { IDLE });
            tokio::select! {
                ended = end_of(&self.app, &mut self.under_way) => self.conclude(ended).await,
                count = timeout(patience, commands.recv_many(&mut received, room)), if room > 0 && !is_closed => {
                    match count {
                        Err(_) if is_lull => self.ahead = None,
                        // Refuse further commands first; what slipped in before is still decided.
                        Err(_) => commands.close(),
                        Ok(0) => is_closed = true,
                        Ok(_) => self.accept(std::mem::take(&mut received)).await,
                    }
                }
            }
        }
    }

    fn has_decided(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| !draft.decided.is_empty())
    }

    /// How many commands may come in now. None while some are held back, because they come first; few where they are
    /// decided at once, so that what is decided goes on its way as soon as the transaction before has ended.
    fn room(&self) -> usize {
        if !self.held_back.is_empty() {
            return 0;
        }
        let decided = self.draft.as_ref().map_or(0, |draft| draft.decided.len());
        let room = self.batch_size.saturating_sub(decided);
        if self.draft.is_some() && !self.has_rival() { room.min(AT_A_TIME) } else { room }
    }

    fn has_rival(&self) -> bool {
        self.rival_seen.is_some_and(|seen| seen.elapsed() < RIVALRY)
    }

    /// Decides from what is known, or keeps the commands until there is a lock.
    async fn accept(&mut self, commands: Vec<Command>) {
        let has_rival = self.has_rival();
        if let Some(draft) = &mut self.draft
            && !has_rival
            && draft.covers(&commands, &self.recent_keys)
        {
            draft.decide_all(commands).await;
        } else {
            self.held_back = commands;
        }
    }

    /// Sends what is decided on its way.
    fn launch(&mut self) {
        let draft = self.draft.take().expect("something was decided");
        let ahead = self.ahead.take();
        self.send(draft, Start::Supposed(ahead));
    }

    fn send(&mut self, draft: Draft, start: Start) {
        self.recent_keys.add(draft.writes.records.keys().chain(draft.recorded.keys()));
        let (decisions, next) = draft.part(self.tenant);
        self.draft = next;
        self.under_way = Some(tokio::spawn(decisions.commit(self.app.clone(), start)));
    }

    /// Takes the lock, reads what is missing, decides, and sends that on its way.
    async fn begin(&mut self, mut commands: Vec<Command>, look_up: LookUp) {
        let later = commands.split_off(one_transaction(&commands));
        self.held_back.splice(0..0, later);
        let keys = commands.iter().filter_map(|command| command.item.key.as_ref()).map(|key| &key.key);
        let keys: HashSet<_> = match look_up {
            LookUp::All => keys.cloned().collect(),
            LookUp::Likely => keys.filter(|key| self.recent_keys.contains(key)).cloned().collect(),
        };
        match self.open(&commands, keys).await {
            Ok((mut draft, tx)) => {
                draft.decide_all(commands).await;
                let clock = draft.clock;
                self.send(draft, Start::Locked(tx, clock));
            }
            Err(error) => give_up(&self.app, &Failure::from(error), commands),
        }
    }

    async fn open(
        &mut self,
        commands: &[Command],
        keys: HashSet<Key>,
    ) -> Result<(Draft, LockedTx), ServiceError> {
        let tx = begin(&self.app, self.tenant, self.ahead.take()).await?;
        open(tx, self.draft.take(), commands, keys).await
    }

    /// Takes note of how the transaction that was under way has ended.
    async fn conclude(&mut self, ended: Ended) {
        match ended {
            Ended::Committed(clock, next) => {
                self.ahead = next;
                if let Some(draft) = &mut self.draft {
                    draft.clock = clock;
                }
            }
            Ended::Failed(failure, commands) => {
                // What was decided on top of it has lost its ground.
                let after = self.draft.take().map(|draft| draft.decided).unwrap_or_default();
                let after = after.into_iter().map(|(command, _)| command);
                self.held_back = after.chain(std::mem::take(&mut self.held_back)).collect();
                self.retry(failure, commands).await;
            }
        }
    }

    /// Tries again what may succeed then, and answers what may not.
    async fn retry(&mut self, failure: Failure, commands: Vec<Command>) {
        match failure {
            Failure::Stale => {
                self.rival_seen = Some(Instant::now());
                self.begin(commands, LookUp::Likely).await;
            }
            Failure::KeyTaken => self.begin(commands, LookUp::All).await,
            // One debit that the database refuses must not take its neighbours with it.
            Failure::Refused(_) if commands.len() > 1 => {
                for command in commands {
                    self.begin(vec![command], LookUp::All).await;
                    if self.under_way.is_some()
                        && let Ended::Failed(failure, commands) = end_of(&self.app, &mut self.under_way).await
                    {
                        self.draft = None;
                        give_up(&self.app, &failure, commands);
                    }
                }
            }
            failure => give_up(&self.app, &failure, commands),
        }
    }
}

/// How many of the commands are decided with one transaction: fewer than all, where too many of them are the first of
/// delegations that were made offline.
fn one_transaction(commands: &[Command]) -> usize {
    let (mut seen, mut unknown) = (HashSet::new(), 0);
    let is_one_too_many = |command: &Command| {
        let Some((digest, levels)) = command.item.unknown_levels() else { return false };
        if seen.insert(digest) {
            unknown += levels;
        }
        unknown > MOST_ADOPTED
    };
    commands.iter().position(is_one_too_many).unwrap_or(commands.len()).max(1).min(commands.len())
}

fn give_up(app: &App, failure: &Failure, commands: Vec<Command>) {
    for command in commands {
        command.answer(app, Err(failure.answer()));
    }
}

/// How the transaction that is under way ends; never, if there is none.
async fn end_of(app: &App, under_way: &mut Option<JoinHandle<Ended>>) -> Ended {
    let Some(task) = under_way else { return std::future::pending().await };
    let ended = task.await;
    *under_way = None;
    ended.unwrap_or_else(|error| {
        app.note_panic(task::ENGINE, &error);
        Ended::Failed(Failure::OutcomeUnknown, Vec::new())
    })
}
