//! Server-sent events, as every stream of them is sent.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// How often an idle stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back.
pub(crate) const RETRY: Duration = Duration::from_secs(2);

/// With what a client that comes back says what it has seen.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Sends what comes, for as long as anything can.
pub(crate) fn event_stream<T: Send + 'static>(
    deliveries: mpsc::Receiver<T>,
    written: impl Fn(T) -> Event + Send + 'static,
) -> Response {
    let events = ReceiverStream::new(deliveries).map(move |delivery| Ok::<_, Infallible>(written(delivery)));
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Tells proxies that know it not to collect the stream before they pass it on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
