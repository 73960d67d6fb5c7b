//! The header `If-Match`.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};

use crate::http::problem::Problem;

/// On which versions of a delegation's settings a change may be based; `None`: on any (`*`).
#[derive(Debug, Clone)]
pub(crate) struct IfMatch(pub(crate) Option<Vec<i64>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            let detail =
                "Send If-Match with the ETag of the delegation that the change is based on, or with *.";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail));
        }
        let tags = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let tags: Vec<_> = tags.map(str::trim).collect();
        if tags.contains(&"*") {
            return Ok(Self(None));
        }
        if tags.iter().all(|tag| tag.starts_with("W/")) {
            let detail = "If-Match compares strongly (RFC 9110, section 13.1.1), so that a weak tag (W/\"…\") matches \
                          nothing. Send the ETag as the delegation was answered with it.";
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "stale_version", detail));
        }
        // A tag that is not one of ours matches no version.
        Ok(Self(Some(tags.into_iter().filter_map(|tag| tag.trim_matches('"').parse().ok()).collect())))
    }
}
