//! Successful responses.

use std::convert::Infallible;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use serde::Serialize;
use subgrant_service::{Outcome, SessionSecret};

/// The dashboard's cookie.
pub(crate) const SESSION_COOKIE: &str = "__Host-session";

/// By which the server knows a browser that has signed in before. It opens nothing.
pub(crate) const DEVICE_COOKIE: &str = "__Host-device";

/// The version of a delegation's settings as a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ETag(pub(crate) i64);

impl From<ETag> for HeaderValue {
    fn from(ETag(version): ETag) -> Self {
        Self::try_from(format!("\"{version}\"")).expect("digits in quotes")
    }
}

impl IntoResponseParts for ETag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.headers_mut().insert(header::ETAG, self.into());
        Ok(parts)
    }
}

/// An answer that may be a repetition and may carry a token; hence never cached.
pub(crate) struct Answer<T> {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<ETag>,
    pub(crate) outcome: Outcome<T>,
}

impl<T> Answer<T> {
    pub(crate) fn ok(outcome: Outcome<T>) -> Self {
        Self { status: StatusCode::OK, location: None, etag: None, outcome }
    }

    pub(crate) fn created(location: String, outcome: Outcome<T>) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), etag: None, outcome }
    }

    /// Says of which version of a delegation's settings the answer is.
    pub(crate) fn of_version(self, version: i64) -> Self {
        Self { etag: Some(ETag(version)), ..self }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.outcome.value)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.outcome.replayed {
            headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        }
        if let Some(etag) = self.etag {
            headers.insert(header::ETAG, etag.into());
        }
        if let Some(location) = self.location.and_then(|location| location.try_into().ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// An answer without body.
pub(crate) fn no_content(outcome: Outcome<()>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if outcome.replayed {
        let (name, value) =
            (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        response.headers_mut().insert(name, value);
    }
    response
}

/// Adds the session cookie: unreadable for scripts, never sent in the clear, not sent along from other sites.
pub(crate) fn with_session(mut response: Response, session: &SessionSecret) -> Response {
    let cookie = format!("{SESSION_COOKIE}={}; Path=/; HttpOnly; Secure; SameSite=Lax", *session.to_cookie());
    if let Ok(mut value) = HeaderValue::try_from(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Adds the cookie by which the browser is known the next time, unless it has one.
pub(crate) fn with_device(mut response: Response, device: Option<&str>) -> Response {
    // Browsers keep no cookie for longer than 400 days.
    let cookie = device.map(|device| {
        format!("{DEVICE_COOKIE}={device}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=34560000")
    });
    if let Some(mut value) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
