//! A collector of traces (OTLP over HTTP), which keeps the spans that it is sent.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    routing::post,
    serve::Listener,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

use crate::authority::{Authority, TlsListener};

/// No export takes nearly as long, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A real receiver. Ends with the test.
pub struct Collector {
    /// `http://127.0.0.1:<port>`.
    pub origin: String,
    spans: Arc<Mutex<Vec<Traced>>>,
}

/// A span as it came.
#[derive(Debug, Clone, Default)]
pub struct Traced {
    /// Its name.
    pub name: String,
    /// In hexadecimal digits, as all ids here.
    pub trace: String,
    /// The span's own id.
    pub id: String,
    /// The span that it is part of; empty where there is none.
    pub parent: String,
    /// 1 internal, 2 server.
    pub kind: i32,
    /// 0 unset, 2 error.
    pub status: i32,
    /// What is said of it.
    pub attributes: BTreeMap<String, String>,
    /// What is said of whoever sent it.
    pub resource: BTreeMap<String, String>,
    /// Trace and span that it is linked with.
    pub links: Vec<(String, String)>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(listener, origin)
    }

    /// The same with TLS, and a certificate of that authority's.
    pub async fn start_tls(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Self::serve(TlsListener { listener, acceptor: authority.config().into() }, origin)
    }

    fn serve<L: Listener<Addr = SocketAddr>>(listener: L, origin: String) -> Self {
        let spans = Arc::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, spans }
    }

    /// What came so far.
    pub fn came(&self) -> Vec<Traced> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits until there are `count` spans that `is_meant`, and returns them.
    pub async fn wait_for(&self, count: usize, is_meant: impl Fn(&Traced) -> bool) -> Vec<Traced> {
        let started = Instant::now();
        loop {
            let found: Vec<_> = self.came().into_iter().filter(&is_meant).collect();
            if found.len() >= count {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "only {found:#?} of {:#?}", self.came());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(
    State(spans): State<Arc<Mutex<Vec<Traced>>>>,
    headers: HeaderMap,
    body: Bytes,
) -> ([(header::HeaderName, HeaderValue); 1], Vec<u8>) {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    for sent in request.resource_spans {
        let resource = sent.resource.map(|resource| words(resource.attributes)).unwrap_or_default();
        let all = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.lock().unwrap().extend(all.map(|span| Traced { resource: resource.clone(), ..read(span) }));
    }
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))], answer)
}

fn read(span: Span) -> Traced {
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.start_time_unix_nano > 0);
    let links = span.links.iter().map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id)));
    Traced {
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        kind: span.kind,
        status: span.status.map(|status| status.code).unwrap_or_default(),
        links: links.collect(),
        attributes: words(span.attributes),
        name: span.name,
        resource: BTreeMap::new(),
    }
}

fn words(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|one| (one.key, text(one.value.and_then(|value| value.value)))).collect()
}
