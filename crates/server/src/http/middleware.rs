//! What happens around every handler.
//!
//! One function around all routes, not a layer around each: a layer of axum's is copied for every request, with all
//! that is within it, and boxes the future.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use subgrant_domain::RequestId;
use subgrant_store::presence::Presence;
use tower::{Service, util::ServiceExt as _};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    HttpState,
    budget::{Budget, Held},
    extract::source_ip,
    forwarded::Client,
    intake,
    limits::presents_credential,
    problem::Problem,
    requests::{Route, method_name},
    trace::Trace,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The whole server, as one service.
#[derive(Clone)]
pub struct HttpService {
    state: Arc<HttpState>,
    routes: Router,
}

impl HttpService {
    /// Around routes that know the state already.
    pub(super) fn new(state: HttpState, routes: Router) -> Self {
        Self { state: Arc::new(state), routes }
    }

    /// Answers one request. Whose it is, its extensions tell: a [`axum::extract::ConnectInfo`], if it came over a network.
    pub(crate) async fn handle(self, request: Request) -> Response {
        identify(&self.state, self.routes, request).await
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.state.budget
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.clone().handle(request.map(Body::new));
        Box::pin(async move { Ok(answer.await) })
    }
}

/// Gives the request its id, renders every problem with it, and counts the answer.
async fn identify(state: &HttpState, routes: Router, mut request: Request) -> Response {
    let requests = &state.requests;
    let id = RequestId::from_uuid(Uuid::now_v7());
    let client = Client::of(&state.options.trusted_proxies, request.extensions(), request.headers());
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(client);
    let (method, route) = (request.method().clone(), requests.route(request.uri().path()));
    let template = requests.template(route);
    let trace = Trace::begin(request.headers(), request.uri(), method_name(&method), template);
    let started = Instant::now();
    let address = source_ip(request.extensions()).filter(|_| presents_credential(request.headers()));
    let mut response = answer(state, routes, request, (id, route), &trace).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        state.limits.refused(address);
    }
    let id = id.to_string();
    if let Some(problem) = problem_of(&response) {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = problem.render(&id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    requests.answered(route, &method, response.status(), started.elapsed());
    trace.end(response.status());
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::try_from(id).expect("an id is ASCII"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Lets a route answer, and writes the log line; every other line of the request has the same names beside it.
async fn answer(
    state: &HttpState,
    routes: Router,
    request: Request,
    (id, route): (RequestId, Route),
    trace: &Trace,
) -> Response {
    let (method, path, trace_id) = (request.method(), request.uri().path(), trace.id());
    let trace_id = trace_id.map(tracing::field::display);
    let span = tracing::info_span!("request", %id, %method, path, trace_id);
    let started = Instant::now();
    async {
        let response = match take_in(state, route, request).await {
            Ok((request, held)) => detach(state, routes, request, held, trace).await,
            Err(problem) => problem.into_response(),
        };
        let elapsed_ms = started.elapsed().as_millis();
        tracing::info!(status = response.status().as_u16(), elapsed_ms, "answered");
        response
    }
    .instrument(span)
    .await
}

/// The problem that a response stands for: ours, or one that the framework answered by its status alone.
fn problem_of(response: &Response) -> Option<Problem> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    match response.status() {
        StatusCode::NOT_FOUND => Some(Problem::not_found()),
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = "The resource exists, but not with this method: see the header Allow.";
            Some(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail))
        }
        status if status.is_server_error() => Some(Problem::internal()),
        status if status.is_client_error() => {
            Some(Problem::new(status, "bad_request", "The request is not valid."))
        }
        _ => None,
    }
}

/// Lets a route answer in a task of its own. A caller that goes away, or a time limit, ends the waiting and not the
/// work: a transaction is never cut off in the middle. What the request holds is held for as long as there is work.
async fn detach(state: &HttpState, routes: Router, request: Request, held: Held, trace: &Trace) -> Response {
    // Until this function is left, by an answer or because its caller has gone, somebody waits for the work.
    let presence = Presence::begin();
    let work = presence.attend(async move {
        let response = routes.oneshot(request).await;
        drop(held);
        response
    });
    let task = tokio::spawn(work.in_current_span().instrument(trace.span().clone()));
    match tokio::time::timeout(state.options.handler_timeout, task).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => {
            tracing::error!(error = &panic as &dyn std::error::Error, "a handler panicked");
            Problem::internal().into_response()
        }
        Err(_) => {
            let detail =
                "This takes too long. It may still complete: send it again with the same Idempotency-Key.";
            Problem::unavailable("timeout", detail).into_response()
        }
    }
}

/// Takes a request in that is within the rate limits, body and all.
async fn take_in(state: &HttpState, route: Route, request: Request) -> Result<(Request, Held), Problem> {
    let (mut parts, body) = request.into_parts();
    let address = source_ip(&parts.extensions);
    let call = (&parts.method, state.requests.template(route));
    let judged = state.limits.at_the_door(&state.app, call, address, &parts.headers, &mut parts.extensions);
    if let Err(problem) = judged {
        intake::leave_unread(&parts, body);
        return Err(problem);
    }
    intake::read_body(state, route, Request::from_parts(parts, body)).await
}
