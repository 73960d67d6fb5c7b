//! How bodies are taken in: little of anybody's, and more only of whoever has proved who it is.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{FromRequestParts, Request},
    http::{HeaderMap, StatusCode, Version, header, request::Parts},
};
use http_body_util::BodyExt;
use subgrant_domain::TenantId;
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    HttpState,
    budget::Held,
    extract::{GATEWAYS, Verifying},
    problem::Problem,
    requests::Route,
};
use crate::connections::Connection;

/// So much of a body is read before its caller's credential is looked at.
const UNVERIFIED_BYTES: usize = 64 * 1024;

/// How much of a body that was refused is read and thrown away after the answer, and for how long, so that a client that
/// sends everything before it reads gets to read it.
const LINGER_BYTES: usize = 32 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(5);

/// Reads the whole body, within its limits of size and time, before anything else looks at the request. What it holds of
/// the bytes in flight is to be kept until the request is answered.
pub(super) async fn read_body(
    state: &HttpState,
    route: Route,
    request: Request,
) -> Result<(Request, Held), Problem> {
    let held = Held::of_nobody(&state.budget);
    if HttpBody::is_end_stream(request.body()) {
        return Ok((request, held));
    }
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with(GATEWAYS) {
        // A gateway may pass on the client's body, or its length alone: nobody waits for it.
        if !parts.headers.contains_key(header::EXPECT) {
            linger(&parts, body);
        }
        return Ok((Request::from_parts(parts, Body::empty()), held));
    }
    let max_bytes = match parts.uri.path() {
        "/api/cloud/spend/batch" => state.options.max_batch_bytes,
        _ => state.options.max_body_bytes,
    };
    let mut intake =
        Intake { state, route, parts: &parts, body, held, is_verified: false, max_bytes, seen: 0 };
    let read = timeout(state.options.body_timeout, intake.collect()).await;
    let Intake { body, held, seen, .. } = intake;
    let refused = match read {
        Ok(Ok(bytes)) => return Ok((Request::from_parts(parts, Body::from(bytes)), held)),
        Ok(Err(problem)) => problem,
        Err(_) => {
            let detail = "The body did not arrive in time.";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail));
        }
    };
    if seen == 0 {
        leave_unread(&parts, body);
    } else if parts.version < Version::HTTP_2 {
        linger(&parts, body);
    }
    Err(refused)
}

/// Lets the body of a refused request come, of which nothing was read. Who waits for leave to send reads the refusal at
/// once; who sends already must be heard out. HTTP/2 can stop it.
pub(super) fn leave_unread(parts: &Parts, body: Body) {
    if !HttpBody::is_end_stream(&body)
        && !parts.headers.contains_key(header::EXPECT)
        && parts.version < Version::HTTP_2
    {
        linger(parts, body);
    }
}

/// A body on its way in.
struct Intake<'a> {
    state: &'a HttpState,
    route: Route,
    parts: &'a Parts,
    body: Body,
    held: Held,
    is_verified: bool,
    max_bytes: usize,
    /// How many bytes have come.
    seen: usize,
}

impl Intake<'_> {
    async fn collect(&mut self) -> Result<Bytes, Problem> {
        let announced = HttpBody::size_hint(&self.body).lower();
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        self.check_size(announced).await?;
        // No more than was announced is made room for, and no page of it is touched before it is needed.
        let mut bytes = Vec::with_capacity(announced);
        while let Some(frame) = self.body.frame().await {
            let unreadable =
                |_| Problem::new(StatusCode::BAD_REQUEST, "unparsable", "The body could not be read.");
            let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
            self.seen += data.len();
            self.check_size(self.seen).await?;
            self.hold(self.seen).await?;
            let free = bytes.capacity() - bytes.len();
            if free < data.len() {
                let more = (bytes.len() / 2).clamp(data.len(), data.len().max(self.max_bytes - bytes.len()));
                bytes.reserve_exact(more);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.into())
    }

    /// Refuses a body of so many bytes that is too large, or larger than those of somebody unknown may be.
    async fn check_size(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes > self.max_bytes {
            return Err(too_large(self.max_bytes));
        }
        if bytes > UNVERIFIED_BYTES { self.verify().await } else { Ok(()) }
    }

    /// Holds so many of the bytes that may be in flight. Where those for unknown callers are all held, it must be known.
    async fn hold(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.held.reach(bytes) {
            return Ok(());
        }
        if !self.is_verified && carries_credential(&self.parts.headers) {
            self.verify().await?;
            if self.held.reach(bytes) {
                return Ok(());
            }
        }
        Err(no_room())
    }

    /// Refuses a caller whose credential is missing or not genuine.
    async fn verify(&mut self) -> Result<(), Problem> {
        if self.is_verified {
            return Ok(());
        }
        if !carries_credential(&self.parts.headers) && self.state.requests.is_for_anybody(self.route) {
            return Err(too_large(UNVERIFIED_BYTES));
        }
        let tenant = tenant_of(self.state, self.parts).await?;
        if !self.held.belong_to(tenant) {
            return Err(no_room());
        }
        self.is_verified = true;
        Ok(())
    }
}

fn too_large(max_bytes: usize) -> Problem {
    let detail = format!("The body may have at most {max_bytes} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn no_room() -> Problem {
    let detail = "The bodies of other requests take all the room that there is for yours. Try again soon.";
    Problem::unavailable("overloaded", detail)
}

fn carries_credential(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE)
}

/// Whose credential a request carries. Looked up in a task of its own, because work on the database is never cut off.
async fn tenant_of(state: &HttpState, parts: &Parts) -> Result<TenantId, Problem> {
    let (state, mut parts) = (state.clone(), parts.clone());
    let look = async move { Verifying::from_request_parts(&mut parts, &state).await };
    let asking = tokio::spawn(look.in_current_span()).await.map_err(|_| Problem::internal())?;
    asking.map(|Verifying(caller)| caller.tenant())
}

/// Reads the rest of a body after its answer. Meanwhile the connection is in use.
fn linger(parts: &Parts, mut body: Body) {
    let under_way = parts.extensions.get::<Arc<Connection>>().map(Connection::begin);
    tokio::spawn(async move {
        let rest = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen > LINGER_BYTES {
                    break;
                }
            }
        };
        let _ = timeout(LINGER, rest).await;
        drop((body, under_way));
    });
}
