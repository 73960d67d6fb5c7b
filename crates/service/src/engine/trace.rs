//! Spans for whoever collects traces: how long a request waits for its tenant's queue, and the transaction that it then
//! shares with others. While nobody collects them they are not made.

use tracing::Span;

use super::{Answer, Command};

/// The target of spans that are exported as traces and never written to the log.
pub const TRACES: &str = "subgrant_traces";

/// How many requests a transaction's span is linked to, of the ten thousand that may share it.
const MOST_LINKS: usize = 100;

/// From the queue to the answer, as part of the request that is under way.
pub(crate) fn waiting() -> Span {
    tracing::trace_span!(target: TRACES, "engine.wait")
}

/// A transaction, as part of the first request that waits for it. The others are linked with it, both ways.
pub(super) fn batch(decided: &[(Command, Answer)]) -> Span {
    let Some((first, _)) = decided.first() else { return Span::none() };
    let span = tracing::trace_span!(
        target: TRACES,
        parent: &first.waiting,
        "engine.batch",
        subgrant.batch.items = decided.len(),
        subgrant.batch.result = tracing::field::Empty
    );
    if !span.is_disabled() {
        // Items of one request have one span, and stand together.
        let mut seen = first.waiting.id();
        let mut others = decided.iter().map(|(command, _)| &command.waiting).filter(|waiting| {
            let is_new = waiting.id() != seen;
            seen = waiting.id();
            is_new
        });
        for waiting in others.by_ref().take(MOST_LINKS) {
            span.follows_from(waiting);
            waiting.follows_from(&span);
        }
    }
    span
}
