//! Calls webhooks (Standard Webhooks).

use std::{error::Error, io, time::Duration};

use axum::{
    body::Bytes,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use subgrant_service::{Call, CallOutcome};

use super::address::{AddressError, CheckedResolver, WebhookTargets, literal};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take in all.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Calls webhooks where they may lead.
pub struct Caller {
    client: Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>,
    targets: WebhookTargets,
}

impl Caller {
    /// Trusts the certificates that the machine trusts.
    pub fn new(targets: WebhookTargets) -> io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(CheckedResolver(targets));
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider)?;
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        // No connection is kept, so that each call looks anew where it leads.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, targets })
    }

    /// Makes a call. Redirects are not followed, and of the answer nothing but its status is read.
    pub(super) async fn call(&self, call: &Call) -> CallOutcome {
        let failed =
            |status, error: &str, is_final| CallOutcome { status, error: Some(error.to_owned()), is_final };
        let request = match self.request(call) {
            Ok(request) => request,
            Err(error) => return failed(None, &error.to_string(), true),
        };
        let answer = match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Err(_) => return failed(None, "no answer within 15 seconds", false),
            Ok(Err(error)) => return failed(None, why(&error), false),
            Ok(Ok(answer)) => answer.status(),
        };
        let status = Some(answer.as_u16());
        match answer {
            answer if answer.is_success() => CallOutcome { status, error: None, is_final: true },
            StatusCode::GONE => failed(status, "the receiver says that it is gone for good", true),
            answer if answer.is_redirection() => failed(status, "redirects are not followed", false),
            answer => failed(status, &format!("the answer was {}", answer.as_u16()), false),
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, AddressError> {
        // What was permitted when the webhook was made need not be any more.
        let uri = self.targets.check(&call.url)?;
        // The connector does not look up what is an address already.
        let address = literal(uri.host().unwrap_or_default());
        if address.is_some_and(|address| !self.targets.permit(address)) {
            return Err(AddressError::NotPublic);
        }
        Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("Subgrant/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", call.id.to_string())
            .header("webhook-timestamp", call.timestamp)
            .header("webhook-signature", &call.signature)
            .body(Full::new(Bytes::from(call.body.clone())))
            .map_err(|_| AddressError::Malformed)
    }
}

/// Why there was no answer, as far as it helps whoever owns the webhook.
fn why(error: &hyper_util::client::legacy::Error) -> &'static str {
    let mut source = Some(error as &dyn Error);
    while let Some(error) = source {
        if error.downcast_ref::<AddressError>().is_some() {
            return "the address does not lead to the public internet";
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) {
            return "the receiver's certificate is not trusted, or it does not speak TLS";
        }
        source = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if error.is_connect() { "no connection could be made" } else { "the connection broke" }
}
