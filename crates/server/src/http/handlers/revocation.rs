//! The revocation feed.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response, sse},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subgrant_api as api;
use subgrant_domain::EventId;
use subgrant_service::{
    Caller, FeedCursor, Replaced, Revocation, RevocationDelivery, RevocationKind, RevocationPage, Start,
};
use utoipa::IntoParams;

use super::page_limit;
use crate::http::{
    HttpState, accept,
    convert::time,
    event_stream::{LAST_EVENT_ID, RETRY, event_stream},
    extract::{Asking, Query},
    openapi::{Problems, Refusals},
    problem::Problem,
    validate::Validator,
};

/// Where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FeedQuery {
    /// `next_cursor` of the page before, or the `id` of an entry; absent: from the beginning, which tells how things stand.
    since: Option<String>,
    /// 1–100; 50 where nothing is said. Of pages only.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// What whoever verifies tokens without asking must refuse.
///
/// A resource server reads it with its verification key as bearer, and is told what concerns it; members and the root
/// token are told everything. The first page, without `since`, begins with how things stand. Each entry names one
/// delegation, whatever is below it: refuse a token when one of the ids of its chain was revoked or is frozen.
///
/// As JSON: ask with `since` again and again. As `text/event-stream`: the stream begins with `stream.ready` and goes on
/// after `Last-Event-ID`, or `since`, or from now on. Each event is named by its `kind`, and its data is an entry. Both
/// can go back seven days: then a page is 410, and a stream begins with `stream.reset`. Begin anew without `since`.
#[utoipa::path(
    get,
    path = "/revocation",
    tag = "service",
    security(("token" = []), ("session" = []), ("service" = [])),
    params(
        FeedQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen")
    ),
    responses(
        (status = 200, description = "A page, or a stream that lasts", content(
            (api::RevocationFeed = "application/json"), (api::RevocationEntry = "text/event-stream")
        )),
        (status = 406, description = "Neither can be had: see `Accept`", body = api::Problem, content_type = "application/problem+json"),
        (status = 410, description = "The cursor is too old: begin anew", body = api::Problem, content_type = "application/problem+json"),
        (status = 422, description = "No cursor of the feed", body = api::Problem, content_type = "application/problem+json"),
        (status = 429, description = "The caller, or the tenant, has too many streams open: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn read(
    State(state): State<HttpState>,
    Asking(caller): Asking,
    headers: HeaderMap,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Problem> {
    match accept::preferred(&headers, &["application/json", "text/event-stream"]) {
        Some(0) => page(&state, &caller, query).await,
        Some(_) => stream(&state, &caller, &headers, query).await,
        None => {
            let detail =
                "The feed can be had as application/json or text/event-stream: see the header Accept.";
            Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail))
        }
    }
}

async fn page(state: &HttpState, caller: &Caller, query: FeedQuery) -> Result<Response, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let since = cursor(&mut validator, "?since", query.since.as_deref());
    validator.finish()?;
    let RevocationPage { entries, next, has_more } = state.app.revocations(caller, since, limit).await?;
    let feed = api::RevocationFeed {
        data: entries.iter().map(entry).collect(),
        next_cursor: next.to_text(),
        has_more,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(feed)).into_response())
}

async fn stream(
    state: &HttpState,
    caller: &Caller,
    headers: &HeaderMap,
    query: FeedQuery,
) -> Result<Response, Problem> {
    let start = start(headers, &query)?;
    let told = state.app.watch_revocations(caller, start).await?;
    Ok(event_stream(told, written))
}

/// A client that comes back sends the header, and beside it the query that it began with.
fn start(headers: &HeaderMap, query: &FeedQuery) -> Result<Start, Problem> {
    let mut validator = Validator::default();
    let header = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let (place, text) = match header {
        Some(value) => ("Last-Event-ID", Some(value.to_str().unwrap_or_default())),
        None => ("?since", query.since.as_deref()),
    };
    let cursor = cursor(&mut validator, place, text);
    let event = cursor.map(FeedCursor::event);
    if event == Some(None) {
        validator.refuse(place, "invalid_cursor", "is in the middle of the beginning: read on page by page");
    }
    validator.finish()?;
    Ok(event.flatten().map_or(Start::Now, Start::After))
}

fn cursor(validator: &mut Validator, place: &str, text: Option<&str>) -> Option<FeedCursor> {
    let cursor = text.map(|text| FeedCursor::parse(text).ok_or("is not a cursor of the feed")).transpose();
    validator.check(place, "invalid_cursor", cursor).flatten()
}

fn written(told: RevocationDelivery) -> sse::Event {
    let of_stream = |id: EventId, kind, data: serde_json::Value| {
        let event = sse::Event::default().id(id.to_string()).event(kind).data(data.to_string());
        event.retry(RETRY)
    };
    match told {
        RevocationDelivery::Ready(id) => of_stream(id, "stream.ready", json!({})),
        RevocationDelivery::Reset(id) => of_stream(id, "stream.reset", json!({})),
        RevocationDelivery::Closed(id, error) => {
            let problem = Problem::from(error);
            let (code, detail) = problem.words();
            of_stream(id, "stream.closed", json!({ "code": code, "detail": detail }))
        }
        RevocationDelivery::Entry(revocation) => {
            let entry = entry(&revocation);
            let event = sse::Event::default().event(word(entry.kind)).data(text(&entry));
            event.id(entry.id.unwrap_or_default())
        }
    }
}

fn text(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).expect("entries are plain structs")
}

const fn word(kind: api::RevocationKind) -> &'static str {
    match kind {
        api::RevocationKind::Revoked => "revoked",
        api::RevocationKind::Frozen => "frozen",
        api::RevocationKind::Unfrozen => "unfrozen",
        api::RevocationKind::Rotated => "rotated",
        api::RevocationKind::CutOff => "cut_off",
    }
}

fn entry(revocation: &Revocation) -> api::RevocationEntry {
    api::RevocationEntry {
        id: revocation.id.map(|id| id.to_string()),
        kind: match revocation.kind {
            RevocationKind::Revoked => api::RevocationKind::Revoked,
            RevocationKind::Frozen => api::RevocationKind::Frozen,
            RevocationKind::Unfrozen => api::RevocationKind::Unfrozen,
            RevocationKind::Rotated => api::RevocationKind::Rotated,
            RevocationKind::CutOff => api::RevocationKind::CutOff,
        },
        delegation_id: revocation.delegation.to_string(),
        at: time(revocation.at),
        replaced: revocation.replaced.iter().map(replaced).collect(),
        issued_before: revocation.issued_before.map(time),
    }
}

fn replaced(token: &Replaced) -> api::ReplacedToken {
    api::ReplacedToken { digest: hex::encode(token.digest), valid_until: time(token.valid_until) }
}
