//! Answers of any length, made piece by piece while they are sent.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::{Channel, Sender};
use subgrant_service::ServiceError;

/// What makes the pieces of an answer.
pub(crate) trait Pieces: Send + 'static {
    /// The next piece; `None` after the last one.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;
}

/// Sends the pieces as they are made. They are made in a task of their own: a reader that goes away ends it between two
/// pieces, and never within a statement. What fails breaks the answer off, so that nobody takes it for whole.
pub(crate) fn download(mut pieces: impl Pieces, content_type: &'static str) -> Response {
    let (sender, body) = Channel::<Bytes, ServiceError>::new(2);
    let mut answer = Unfinished(Some(sender));
    tokio::spawn(async move {
        loop {
            match pieces.next().await {
                Ok(Some(text)) => {
                    let Some(sender) = &mut answer.0 else { return };
                    if sender.send_data(Bytes::from(text)).await.is_err() {
                        answer.0 = None;
                    }
                }
                Ok(None) => answer.0 = None,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export was cut off");
                    if let Some(sender) = answer.0.take() {
                        sender.abort(error);
                    }
                }
            }
            if answer.0.is_none() {
                return;
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(body)).into_response()
}

/// An answer that is not whole yet: a panic breaks it off as well, where a sender that is merely dropped would end it as if
/// nothing were missing.
struct Unfinished(Option<Sender<Bytes, ServiceError>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            tracing::error!("an export was cut off by a panic, or because the server ends");
            sender.abort(ServiceError::Inconsistent("an export was not finished".to_owned()));
        }
    }
}

/// Says what the answer is called when it is stored as a file.
pub(crate) fn named(mut response: Response, name: &str) -> Response {
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// Makes so many pieces, and then panics, or ends.
    struct Made(usize, bool);

    impl Pieces for Made {
        async fn next(&mut self) -> Result<Option<String>, ServiceError> {
            if self.0 == 0 {
                assert!(self.1, "as it may happen to anything");
                return Ok(None);
            }
            self.0 -= 1;
            Ok(Some("piece\n".to_owned()))
        }
    }

    #[tokio::test]
    async fn what_a_panic_cuts_off_is_not_taken_for_whole() {
        let whole = download(Made(3, true), "text/csv").into_body().collect().await.unwrap().to_bytes();
        assert_eq!(whole, "piece\npiece\npiece\n");
        assert!(download(Made(3, false), "text/csv").into_body().collect().await.is_err());
    }
}
