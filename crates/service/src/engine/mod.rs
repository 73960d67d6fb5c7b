//! The spend engine: one queue per tenant and process. Whatever queued up while the previous transaction ran forms the
//! next batch, so a lone debit goes at once and a crowd shares one commit.

mod commit;
mod decide;
mod draft;
mod open;
mod recent;
mod trace;
mod worker;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jiff::SignedDuration;
use subgrant_domain::{Credits, HoldId, LedgerEntry, NodePath, SpendLimits, TenantId, Tree};
use subgrant_store::{audit, holds::Note, tokens::Digest};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tracing::Span;

pub use self::trace::TRACES;
pub(crate) use self::trace::waiting;
use self::worker::Worker;
use crate::{
    App, Outcome,
    access::OpenSession,
    background::task,
    credential::{Credential, NO_LIMITS},
    idempotency::ScopedKey,
    metrics::{OVERLOADED, outcome},
    receipt::{Receipt, SpendError},
    spend::SpendRequest,
};

/// How many items are decided, or answered, before others get their turn: some hundred microseconds.
const AT_A_TIME: usize = 50;

/// How many delegations that were made offline are entered with one transaction: others of the tenant wait for its lock
/// meanwhile.
const MOST_ADOPTED: usize = 100;

/// Why a debit was not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Too many debits of the tenant are waiting. Nothing was spent.
    #[error("too many debits are waiting")]
    Overloaded,
    /// The database cannot be reached. Nothing was spent.
    #[error("the database is unavailable")]
    Unavailable,
    /// The connection broke while the transaction was being committed, so nobody knows whether it was. The same
    /// request with the same idempotency key tells.
    #[error("it is not known whether the debit was recorded")]
    OutcomeUnknown,
}

/// What an item is answered with.
pub(crate) type Answer = Result<Outcome<Receipt>, SpendError>;

/// What the tenant's queue decides on.
pub(crate) struct Item {
    /// The caller's token, unless it is a session.
    pub(crate) credential: Option<Arc<Credential>>,
    /// The caller's session, unless it is a token.
    pub(crate) session: Option<OpenSession>,
    /// Whose money moves.
    pub(crate) path: NodePath,
    pub(crate) operation: Operation,
    pub(crate) key: Option<ScopedKey>,
}

impl Item {
    /// What the caller's token adds to the limits stored with the nodes.
    fn limits(&self) -> &SpendLimits {
        self.credential.as_ref().map_or(&NO_LIMITS, |credential| &credential.limits)
    }

    /// How many levels of the path the ledger did not know when the token was read, and what tells such tokens apart.
    fn unknown_levels(&self) -> Option<(Digest, usize)> {
        let credential = self.credential.as_ref().filter(|credential| !credential.is_registered())?;
        let digest = credential.token.last_digest()?;
        Some((*digest.as_bytes(), credential.path.depth() - credential.registered))
    }

    /// The part of the path that is in the tree: all of it, unless a node is yet to be entered. What the ledger knew when the
    /// token was read may be less than that.
    fn known_path(&self, tree: &Tree) -> NodePath {
        let known = self.path.ids().iter().take_while(|id| tree.node(**id).is_some()).count();
        self.path.prefix(known.saturating_sub(1))
    }
}

/// How money moves.
pub(crate) enum Operation {
    Spend(SpendRequest),
    Hold { amount: Credits, lasts: SignedDuration, note: Note },
    Capture { hold: HoldId, amount: Credits, note: Note },
    Extend { hold: HoldId, lasts: SignedDuration },
    Release { hold: HoldId },
    Refund { entry: Box<LedgerEntry>, amount: Option<Credits>, reason: String, audit: Box<audit::Entry> },
}

impl Operation {
    fn is_dry_run(&self) -> bool {
        matches!(self, Self::Spend(request) if request.dry_run)
    }

    /// The hold that it closes or extends.
    fn hold(&self) -> Option<HoldId> {
        match self {
            Self::Capture { hold, .. } | Self::Extend { hold, .. } | Self::Release { hold } => Some(*hold),
            Self::Spend(_) | Self::Hold { .. } | Self::Refund { .. } => None,
        }
    }
}

/// An item in the queue.
pub(crate) struct Command {
    item: Box<Item>,
    reply: oneshot::Sender<Answer>,
    /// Ends with the command.
    waiting: Span,
}

impl Command {
    pub(crate) fn new(item: Item, waiting: Span) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self { item: Box::new(item), reply, waiting }, answer)
    }

    fn answer(self, app: &App, answer: Answer) {
        app.metrics().items.count(outcome(&answer));
        // A caller that went away does not undo a debit; its idempotency key finds it again.
        let _ = self.reply.send(answer);
    }
}

/// How full the queues are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueUse {
    pub(crate) open: usize,
    /// Items in all of them.
    pub(crate) waiting: usize,
    /// Items in the one that has most.
    pub(crate) fullest: usize,
    /// How many one of them holds.
    pub(crate) capacity: usize,
}

/// The queues.
pub(crate) struct Engine {
    queues: Mutex<HashMap<TenantId, mpsc::Sender<Command>>>,
    capacity: usize,
    batch_size: usize,
}

impl Engine {
    pub(crate) fn new(capacity: usize, batch_size: usize) -> Self {
        Self { queues: Mutex::default(), capacity, batch_size }
    }

    /// How full the queues are.
    pub(crate) fn queue_use(&self) -> QueueUse {
        let queues = self.queues.lock().expect("nothing panics while holding the lock");
        let open = queues.values().filter(|queue| !queue.is_closed());
        let waiting = open.map(|queue| queue.max_capacity() - queue.capacity());
        let none = QueueUse { open: 0, waiting: 0, fullest: 0, capacity: self.capacity };
        waiting.fold(none, |all, waiting| QueueUse {
            open: all.open + 1,
            waiting: all.waiting + waiting,
            fullest: all.fullest.max(waiting),
            ..all
        })
    }

    /// Puts a debit into its tenant's queue, starting the tenant's task where there is none.
    pub(crate) fn submit(&self, app: &App, tenant: TenantId, command: Command) -> Result<(), EngineError> {
        let mut queues = self.queues.lock().expect("nothing panics while holding the lock");
        let command = match queues.get(&tenant) {
            None => command,
            Some(queue) => match queue.try_send(command) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => {
                    app.metrics().items.count(OVERLOADED);
                    return Err(EngineError::Overloaded);
                }
                // The task ended, idle or by a panic: its successor takes the command.
                Err(TrySendError::Closed(command)) => command,
            },
        };
        let (queue, commands) = mpsc::channel(self.capacity);
        queue.try_send(command).map_err(|_| EngineError::Overloaded)?;
        queues.insert(tenant, queue);
        let (app, worker) = (app.clone(), Worker::new(app.clone(), tenant, self.batch_size));
        // Not begun anew by whoever supervises it: the next command does that.
        tokio::spawn(async move { Box::pin(app.isolate(task::ENGINE, worker.work(commands))).await });
        Ok(())
    }
}
