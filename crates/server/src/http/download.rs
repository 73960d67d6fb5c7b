//! Answers of any length, made piece by piece while they are sent.

use std::time::Duration;

use axum::{
    BoxError,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::{Channel, Sender};
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
    let (sender, body) = Channel::<Bytes, BoxError>::new(2);
    let mut answer = Unfinished(Some(sender));
    tokio::spawn(async move {
        loop {
            match pieces.next().await {
                Ok(Some(text)) => {
                    let Some(sender) = &mut answer.0 else { return };
                    match timeout(patience, sender.send_data(Bytes::from(text))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => answer.0 = None,
                        Err(too_slow) => {
                            tracing::info!("an export was cut off whose reader is too slow");
                            answer.abort(too_slow.into());
                        }
                    }
                }
                Ok(None) => answer.0 = None,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export was cut off");
                    answer.abort(error.into());
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
struct Unfinished(Option<Sender<Bytes, BoxError>>);

impl Unfinished {
    fn abort(&mut self, error: BoxError) {
        if let Some(sender) = self.0.take() {
            sender.abort(error);
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.0.is_some() {
            tracing::error!("an export was cut off by a panic, or because the server ends");
            self.abort("an export was not finished".into());
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
        let whole = download(Made(3, true), "text/csv", Duration::from_secs(30))
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(whole, "piece\npiece\npiece\n");
        assert!(
            download(Made(3, false), "text/csv", Duration::from_secs(30))
                .into_body()
                .collect()
                .await
                .is_err()
        );
    }
}
