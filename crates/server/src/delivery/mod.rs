//! Sends what the outbox holds: mail over SMTP, or to the screen of whoever runs the server on a laptop; and calls of
//! webhooks.
//!
//! Every process sends; who claims a row has it for itself for a while. A row goes when it was sent, so that a process that
//! dies in between sends it twice at worst.

mod address;
mod caller;
mod mailer;

use std::{sync::Arc, time::Duration};

use subgrant_service::{
    App, CallOutcome, GIVEN_UP, OutboxItem, OutboxKind, Outgoing, PUT_OFF, SENT, ServiceError,
};
use tokio::task::JoinSet;

pub use address::{AddressError, WebhookTargets};
pub use caller::Caller;
pub use mailer::{Mailer, MailerError};

/// How many are sent at the same time.
const AT_ONCE: usize = 16;

/// What nobody has told of is looked for so often.
const POLL: Duration = Duration::from_secs(2);

/// How to send.
pub struct Senders {
    /// Mail.
    pub mailer: Mailer,
    /// Calls; `None` where the machine has nothing to trust certificates by.
    pub caller: Option<Caller>,
}

/// Sends until the process ends.
pub async fn run(app: App, senders: Senders) {
    let senders = Arc::new(senders);
    let mut sending = JoinSet::new();
    loop {
        while sending.try_join_next().is_some() {}
        let free = AT_ONCE - sending.len();
        let items = if free > 0 { claim(&app, free).await } else { Vec::new() };
        if items.is_empty() {
            // Whatever the reason: nothing happens for a while, or until somebody says that there is something to send, or
            // that somebody is free to send it.
            tokio::select! {
                Some(_) = sending.join_next() => {}
                _ = tokio::time::timeout(POLL, app.outbox_filled()) => {}
            }
        }
        for item in items {
            let (app, senders) = (app.clone(), Arc::clone(&senders));
            sending.spawn(async move { send(&app, &senders, &item).await });
        }
    }
}

async fn claim(app: &App, most: usize) -> Vec<OutboxItem> {
    let claimed = app.claim_outbox(i64::try_from(most).unwrap_or(1)).await;
    claimed.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
        Vec::new()
    })
}

/// Sends one thing, and notes what became of it.
async fn send(app: &App, senders: &Senders, item: &OutboxItem) {
    let kind = item.kind.as_str();
    let counters = if item.kind == OutboxKind::Webhook { &app.metrics().calls } else { &app.metrics().mails };
    match attempt(app, senders, item).await {
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

async fn attempt(app: &App, senders: &Senders, item: &OutboxItem) -> Result<Attempt, ServiceError> {
    match app.compose(item).await? {
        None => app.finish(item).await.map(|()| Attempt::Unwanted),
        Some(Outgoing::Mail(mail)) => match senders.mailer.send(&mail).await {
            Ok(()) => app.finish(item).await.map(|()| Attempt::Done),
            Err(MailerError::Refused(why)) => {
                app.finish(item).await.map(|()| Attempt::Failed { why, is_tried_again: false })
            }
            Err(MailerError::Unavailable(why)) => {
                app.retry(item).await.map(|is_tried_again| Attempt::Failed { why, is_tried_again })
            }
        },
        Some(Outgoing::Call(call)) => {
            let outcome = match &senders.caller {
                Some(caller) => caller.call(&call).await,
                None => CallOutcome {
                    status: None,
                    error: Some("the server has no certificates to trust".to_owned()),
                    is_final: false,
                },
            };
            let why = outcome.error.clone();
            let is_tried_again = app.note_call(item, outcome).await?;
            Ok(why.map_or(Attempt::Done, |why| Attempt::Failed { why, is_tried_again }))
        }
    }
}
