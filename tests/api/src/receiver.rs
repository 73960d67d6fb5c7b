//! Whoever is called by webhooks: a real HTTP server, which keeps what it is told and answers as it is told.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
    serve::Listener,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::authority::{Authority, TlsListener};

/// No call takes nearly as long, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who is called. Ends with the test.
pub struct Receiver {
    /// Where: `http://127.0.0.1:<port>`, or `https://localhost:<port>`.
    pub origin: String,
    calls: Arc<Mutex<Calls>>,
}

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Called {
    /// Path and query.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: String,
}

#[derive(Default)]
struct Calls {
    came: Vec<Called>,
    answers: VecDeque<u16>,
}

impl Receiver {
    /// Starts one that answers 204 unless it is told otherwise.
    pub async fn start() -> Self {
        let (listener, address) = bind().await;
        Self::serve(listener, format!("http://{address}"))
    }

    /// The same with TLS, and a certificate of that authority's.
    pub async fn start_tls(authority: &Authority) -> Self {
        let (listener, address) = bind().await;
        let listener = TlsListener { listener, acceptor: authority.config().into() };
        Self::serve(listener, format!("https://localhost:{}", address.port()))
    }

    fn serve<L: Listener<Addr = SocketAddr>>(listener: L, origin: String) -> Self {
        let calls = Arc::new(Mutex::new(Calls::default()));
        let router = Router::new().fallback(any(take)).with_state(Arc::clone(&calls));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, calls }
    }

    /// What it answers next, in order.
    pub fn answer(&self, statuses: &[u16]) {
        self.calls().answers.extend(statuses);
    }

    /// What came so far.
    pub fn came(&self) -> Vec<Called> {
        self.calls().came.clone()
    }

    /// Waits until so many calls came, and returns all.
    pub async fn wait_for(&self, calls: usize) -> Vec<Called> {
        let started = Instant::now();
        while self.came().len() < calls {
            assert!(started.elapsed() < PATIENCE, "only {} of {calls} calls come", self.came().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.came()
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().expect("no call panics")
    }
}

impl Called {
    /// A header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} is no JSON", self.body))
    }
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

async fn take(
    State(calls): State<Arc<Mutex<Calls>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut calls = calls.lock().expect("no call panics");
    calls.came.push(Called { target: uri.to_string(), headers, body });
    let status = calls.answers.pop_front().unwrap_or(204);
    let status = StatusCode::from_u16(status).expect("a status");
    if status.is_redirection() {
        return (status, [(header::LOCATION, "/elsewhere")]).into_response();
    }
    status.into_response()
}
