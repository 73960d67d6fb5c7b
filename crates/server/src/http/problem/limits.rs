//! Too many requests.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};

use super::Problem;

/// Of draft-ietf-httpapi-ratelimit-headers-10.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Problem {
    /// A limit was reached. `quota` requests are regained within the window; `wait` until the next one.
    pub(crate) fn rate_limited(
        limit: &str,
        rate: &str,
        (quota, window): (f64, Duration),
        wait: Duration,
    ) -> Self {
        let detail =
            format!("Too many requests. The limit {limit} is {rate}. Wait as long as Retry-After says.");
        // Whoever comes a moment too early is refused again.
        let seconds = wait.as_secs() + 1;
        let policy = format!("\"{limit}\";q={quota:.0};w={}", window.as_secs().max(1));
        let left = format!("\"{limit}\";r=0;t={seconds}");
        let text = |text: String| HeaderValue::try_from(text).expect("numbers and names are ASCII");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .retry_after(seconds)
            .header(RATE_LIMIT_POLICY, text(policy))
            .header(RATE_LIMIT, text(left))
    }
}
