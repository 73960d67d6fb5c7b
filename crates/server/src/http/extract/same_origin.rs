//! Which page of which site a browser's request comes from.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, StatusCode, header, request::Parts},
};

use crate::http::{HttpOptions, HttpState, forwarded::Client, problem::Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A browser sends cookies wherever a page of another site tells it to. Browsers of today say whether the page is ours
/// (`Sec-Fetch-Site`), which no page can make up; of the others `Origin` tells.
pub(crate) fn check_same_origin(options: &HttpOptions, parts: &Parts) -> Result<(), Problem> {
    if parts.method.is_safe() {
        return Ok(());
    }
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
    let (origin, site) =
        (text(header::ORIGIN).and_then(|origin| origin.split_once("://")), text(SEC_FETCH_SITE));
    let is_same = match (origin, host) {
        (Some((scheme, of_page)), Some(host)) => {
            // Where a browser compares, it has compared schemes and ports as well.
            let is_same_scheme = || scheme.eq_ignore_ascii_case(scheme_of(options, parts, host));
            of_page.eq_ignore_ascii_case(host) && (site.is_some() || is_same_scheme())
        }
        _ => false,
    };
    if is_same && site.is_none_or(|site| site == "same-origin") {
        return Ok(());
    }
    let detail = "With a session cookie, unsafe methods need an Origin header that names this server.";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_origin", detail))
}

/// How browsers reach this server: as a trusted proxy says, or as the operator has said, or directly.
fn scheme_of<'a>(options: &'a HttpOptions, parts: &Parts, host: &str) -> &'a str {
    let told = parts.extensions.get::<Client>().and_then(|client| client.is_secure);
    let known = options.public_origin.as_deref().and_then(|origin| origin.split_once("://"));
    match (told, known) {
        (Some(true), _) => "https",
        (None, Some((scheme, known))) if known.eq_ignore_ascii_case(host) => scheme,
        _ => "http",
    }
}

/// The same as an extractor: `Ok` where the request comes from a page of ours, or changes nothing.
pub(crate) struct SameOrigin(pub(crate) Result<(), Problem>);

impl FromRequestParts<HttpState> for SameOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        Ok(Self(check_same_origin(&state.options, parts)))
    }
}
