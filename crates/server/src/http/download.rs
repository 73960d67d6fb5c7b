//! Answers of any length, made piece by piece while they are sent.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::Channel;
use subgrant_service::ServiceError;

/// What makes the pieces of an answer.
pub(crate) trait Pieces: Send + 'static {
    /// The next piece; `None` after the last one.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;
}

/// Sends the pieces as they are made. They are made in a task of their own: a reader that goes away ends it between two
/// pieces, and never within a statement. What fails breaks the answer off, so that nobody takes it for whole.
pub(crate) fn download(mut pieces: impl Pieces, content_type: &'static str) -> Response {
    let (mut sender, body) = Channel::<Bytes, ServiceError>::new(2);
    tokio::spawn(async move {
        loop {
            match pieces.next().await {
                Ok(Some(text)) => {
                    if sender.send_data(Bytes::from(text)).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export was cut off");
                    return sender.abort(error);
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
