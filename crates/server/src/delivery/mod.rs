//! Sends what the outbox holds: mail over SMTP, or to the screen of whoever runs the server on a laptop; and calls of
//! webhooks.
//!
//! Every process sends; who claims a row has it for itself for a while. A row goes when it was sent, so that a process that
//! dies in between sends it twice at worst.

mod address;
mod caller;
mod lane;
mod mailer;

use std::sync::Arc;

use subgrant_service::{
    App, CallOutcome, GIVEN_UP, OutboxItem, OutboxKind, OutboxLane, Outgoing, PUT_OFF, SENT, ServiceError,
    background::task,
};
use tokio::{sync::Semaphore, task::JoinSet};

pub use address::{AddressError, WebhookTargets};
pub use caller::Caller;
pub use mailer::{Mailer, MailerError};

/// How to send.
pub struct Senders {
    /// Mail.
    pub mailer: Mailer,
    /// Calls; `None` where the machine has nothing to trust certificates by.
    pub caller: Option<Caller>,
}

/// Sends until the process ends: each lane for itself, begun anew where it panics.
pub async fn run(app: App, senders: Senders) {
    let senders = Arc::new(senders);
    let mut lanes = JoinSet::new();
    for lane in OutboxLane::ALL {
        let (app, senders) = (app.clone(), Arc::clone(&senders));
        lanes.spawn(async move {
            let work = || lane::work(app.clone(), Arc::clone(&senders), lane);
            app.supervise(task::SENDING, work).await;
        });
    }
    while lanes.join_next().await.is_some() {}
}

/// Sends one thing, and notes what became of it.
async fn send(app: &App, senders: &Senders, books: &Semaphore, item: &OutboxItem) {
    let kind = item.kind.as_str();
    let counters = if item.kind == OutboxKind::Webhook { &app.metrics().calls } else { &app.metrics().mails };
    match attempt(app, senders, books, item).await {
        Ok(Attempt::Done) => counters.count(SENT),
        Ok(Attempt::Unwanted) => {}
        Ok(Attempt::Failed { why, is_tried_again }) => {
            counters.count(if is_tried_again { PUT_OFF } else { GIVEN_UP });
            tracing::warn!(why, kind, attempts = item.attempts, is_tried_again, "something was not sent");
        }
        Err(error) => {
            counters.count(PUT_OFF);
            let attempts = item.attempts;
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                kind,
                attempts,
                "something could not be sent"
            );
            // Where this fails as well, the claim ends by itself, and it is sent again then.
            let _ = app.retry(item).await;
        }
    }
}

/// What an attempt came to.
enum Attempt {
    Done,
    /// There was nothing to send any more.
    Unwanted,
    Failed {
        why: String,
        is_tried_again: bool,
    },
}

/// Whoever reads or notes something has one of `books`, so that no lane takes the database's connections; whoever sends does
/// not.
async fn attempt(
    app: &App,
    senders: &Senders,
    books: &Semaphore,
    item: &OutboxItem,
) -> Result<Attempt, ServiceError> {
    let open = || async { books.acquire().await.expect("nobody closes it") };
    let reading = open().await;
    let Some(outgoing) = app.compose(item).await? else {
        return app.finish(item).await.map(|()| Attempt::Unwanted);
    };
    drop(reading);
    match outgoing {
        Outgoing::Mail(mail) => {
            let sent = senders.mailer.send(&mail).await;
            let _noting = open().await;
            match sent {
                Ok(()) => app.finish(item).await.map(|()| Attempt::Done),
                Err(MailerError::Refused(why)) => {
                    app.finish(item).await.map(|()| Attempt::Failed { why, is_tried_again: false })
                }
                Err(MailerError::Unavailable(why)) => {
                    app.retry(item).await.map(|is_tried_again| Attempt::Failed { why, is_tried_again })
                }
            }
        }
        Outgoing::Call(call) => {
            let outcome = match &senders.caller {
                Some(caller) => caller.call(&call).await,
                None => CallOutcome {
                    status: None,
                    error: Some("the server has no certificates to trust".to_owned()),
                    is_final: false,
                },
            };
            let why = outcome.error.clone();
            let _noting = open().await;
            let is_tried_again = app.note_call(item, outcome).await?;
            Ok(why.map_or(Attempt::Done, |why| Attempt::Failed { why, is_tried_again }))
        }
    }
}
