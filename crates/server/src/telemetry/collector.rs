//! Speaks HTTP to the collector, with the client that calls webhooks as well.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

/// A collector's answer says hardly anything.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// Sends from a thread that belongs to no runtime, by the one that it was made in.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
}

impl Collector {
    /// Trusts the certificates that the machine trusts; one without any can still send to a collector beside it by `http`.
    pub(super) fn new(timeout: Duration) -> Self {
        let provider = || std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let trusting = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider());
        let builder = trusting.unwrap_or_else(|_| {
            let config =
                ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let config =
                config.expect("the provider speaks them").with_root_certificates(RootCertStore::empty());
            HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth())
        });
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, runtime: Handle::current(), timeout }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, timeout) = (self.client.clone(), self.timeout);
        let exchange = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MOST_ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        self.runtime.spawn(async move { tokio::time::timeout(timeout, exchange).await? }).await?
    }
}
