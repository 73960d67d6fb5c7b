//! Live changes, as server-sent events.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Response, sse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subgrant_api as api;
use subgrant_domain::EventId;
use subgrant_service::{Delivery, EventContent, EventView, SpentBy, Start, SubscribeError};
use utoipa::IntoParams;

use crate::http::{
    HttpState, convert,
    event_stream::{LAST_EVENT_ID, RETRY, event_stream},
    extract::{Authenticated, Query},
    openapi::{Problems, Refusals},
    problem::Problem,
    validate::Validator,
};

/// From where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventQuery {
    /// The `id` of the last event that was seen, for clients that cannot send the header, which goes first.
    last_event_id: Option<String>,
}

/// Live changes of the caller's delegation and of everything below it; for a session, of the whole tenant.
///
/// Server-sent events: `data` is an object like the one described here. The first one is `stream.ready`. A stream that
/// breaks off continues after the last `id` that was seen, without loss or repetition, for seven days; after that, or
/// after 100,000 debits, it begins with `stream.reset`. Who does not read in time is cut off and may resume. A comment
/// comes every 15 seconds. When the credential ends, `stream.closed` says why.
#[utoipa::path(
    get,
    path = "/event",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        EventQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen")
    ),
    responses(
        (status = 200, description = "A stream that lasts", body = api::Event, content_type = "text/event-stream"),
        (status = 422, description = "The resume point is no event's id", body = api::Problem, content_type = "application/problem+json"),
        (status = 429, description = "The caller, or the tenant, has too many streams open: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn stream(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Query(query): Query<EventQuery>,
) -> Result<Response, Problem> {
    let start = start(&headers, query)?;
    let deliveries = state.app.subscribe(&principal, start).await?;
    Ok(event_stream(deliveries, written))
}

/// A browser that comes back sends the header, and beside it the query that it was opened with.
fn start(headers: &HeaderMap, query: EventQuery) -> Result<Start, Problem> {
    let malformed = |place: &str| {
        let mut validator = Validator::default();
        validator.refuse(
            place,
            "invalid_event_id",
            "must be the id of an event, such as evt_01kaq2v0j8e00004000000g001",
        );
        validator.finish().map(|()| Start::Now)
    };
    let read = |text: &str| text.parse::<EventId>().ok().map(Start::After);
    match headers.get(LAST_EVENT_ID) {
        Some(value) if !value.is_empty() => {
            let id = value.to_str().ok().and_then(read);
            id.map_or_else(|| malformed("Last-Event-ID"), Ok)
        }
        _ => match query.last_event_id {
            Some(text) => read(&text).map_or_else(|| malformed("?last_event_id"), Ok),
            None => Ok(Start::Now),
        },
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Access(error) => error.into(),
            SubscribeError::NoEvent => Self::validation(vec![api::FieldError {
                pointer: "?last_event_id".to_owned(),
                code: "invalid_event_id".to_owned(),
                detail: "is not the id of an event".to_owned(),
            }]),
            SubscribeError::TooMany => {
                let detail =
                    "You, or your organisation, have too many streams open. Close one, or try again later.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).retry_after(5)
            }
            SubscribeError::Closing => Self::unavailable("draining", "The server is shutting down."),
        }
    }
}

/// [`api::Event`] on its way out: facts are passed on as they were recorded.
#[derive(Serialize)]
struct Wire {
    id: EventId,
    at: String,
    delegation_id: Option<String>,
    path: Vec<String>,
    kind: String,
    data: Value,
    delegations: Vec<api::Delegation>,
}

fn written(delivery: Delivery) -> sse::Event {
    let of_stream = |id, kind: &str, data| Wire {
        id,
        at: convert::time(jiff::Timestamp::now()),
        delegation_id: None,
        path: Vec::new(),
        kind: kind.to_owned(),
        data,
        delegations: Vec::new(),
    };
    let wire = match delivery {
        Delivery::Ready(id) => of_stream(id, "stream.ready", json!({})),
        Delivery::Reset(id) => of_stream(id, "stream.reset", json!({})),
        Delivery::Closed(id, error) => {
            let problem = Problem::from(error);
            let (code, detail) = problem.words();
            of_stream(id, "stream.closed", json!({ "code": code, "detail": detail }))
        }
        Delivery::Event(view) => event(*view),
    };
    let text = serde_json::to_string(&wire).expect("events are plain structs");
    let event = sse::Event::default().id(wire.id.to_string()).event(&wire.kind).data(text);
    if wire.kind.starts_with("stream.") { event.retry(RETRY) } else { event }
}

fn event(view: EventView) -> Wire {
    let data = match view.content {
        EventContent::Recorded(data) => Ok(data),
        EventContent::Entry(entry) => serde_json::to_value(convert::ledger_entry(*entry)),
        EventContent::Summary(nodes) => serde_json::to_value(api::SummaryFacts {
            by_delegation: nodes.into_iter().map(spent_by).collect(),
        }),
    };
    Wire {
        id: view.id,
        at: convert::time(view.at),
        delegation_id: view.path.last().map(ToString::to_string),
        path: view.path.iter().map(ToString::to_string).collect(),
        kind: view.kind,
        data: data.expect("facts are plain structs"),
        delegations: view.delegations.into_iter().map(convert::delegation).collect(),
    }
}

fn spent_by(node: SpentBy) -> api::SpentBy {
    let SpentBy { delegation, entries, spent, refunded } = node;
    let (spent_credits, refunded_credits) = (spent, refunded);
    api::SpentBy { delegation_id: delegation.to_string(), entries, spent_credits, refunded_credits }
}
