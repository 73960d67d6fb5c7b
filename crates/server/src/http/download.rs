//! Answers of any length, made piece by piece while they are sent.

use std::time::Duration;

use axum::{
    BoxError,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::Channel;
use subgrant_service::ServiceError;
use tokio::time::timeout;

/// What makes the pieces of an answer.
pub(crate) trait Pieces: Send + 'static {
    /// The next piece; `None` after the last one.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;
}

/// Sends the pieces as they are made. They are made in a task of their own: a reader that goes away, or does not take one
/// within `patience`, ends it between two pieces, and never within a statement. What fails breaks the answer off, so that
/// nobody takes it for whole.
pub(crate) fn download(mut pieces: impl Pieces, content_type: &'static str, patience: Duration) -> Response {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(2);
    tokio::spawn(async move {
        loop {
            match pieces.next().await {
                Ok(Some(text)) => {
                    let sent = timeout(patience, sender.send_data(Bytes::from(text))).await;
                    match sent {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return,
                        Err(too_slow) => {
                            tracing::info!("an export was cut off whose reader is too slow");
                            return sender.abort(too_slow.into());
                        }
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export was cut off");
                    return sender.abort(error.into());
                }
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(body)).into_response()
}

/// Says what the answer is called when it is stored as a file.
pub(crate) fn named(mut response: Response, name: &str) -> Response {
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
