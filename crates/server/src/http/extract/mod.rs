//! What handlers are given.

mod gateway;
mod if_match;
mod principal;
mod query;
mod same_origin;

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, header, request::Parts},
};
use std::{convert::Infallible, net::IpAddr};
use subgrant_domain::RequestId;
use subgrant_service::Browser;

use super::{forwarded::Client, problem::Problem, respond::DEVICE_COOKIE};

pub(crate) use gateway::{GATEWAYS, Gateway, RequestName};
pub(crate) use if_match::IfMatch;
pub(crate) use principal::{
    Asking, Authenticated, Spending, Verifying, bearer_token, cookie, session_cookie,
};
pub(crate) use query::{PathId, PathIds, Query};
pub(crate) use same_origin::{SameOrigin, check_same_origin};

/// From where and in which request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) request_id: Option<RequestId>,
}

/// So much of what a browser calls itself is kept.
const MAX_USER_AGENT: usize = 256;

impl Origin {
    /// What a session remembers.
    pub(crate) fn browser(&self) -> Browser {
        let (user_agent, device) = (self.user_agent.clone(), self.device.clone());
        Browser { source_ip: self.source_ip, user_agent, device }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // A header's text is visible ASCII, so that any byte ends a character.
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let user_agent = user_agent.map(|text| text[..text.len().min(MAX_USER_AGENT)].to_owned());
        Ok(Self {
            source_ip: source_ip(&parts.extensions),
            user_agent,
            device: cookie(&parts.headers, DEVICE_COOKIE).map(ToOwned::to_owned),
            request_id: parts.extensions.get::<RequestId>().copied(),
        })
    }
}

/// From where a request came: whose it is, where proxies stand in front.
pub(crate) fn source_ip(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Client>().and_then(|client| client.address)
}

/// The header `Idempotency-Key`, if there is one: 1–255 visible ASCII characters.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyHeader(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let key = visible_once(&parts.headers, "Idempotency-Key").map_err(|detail| {
            Problem::new(axum::http::StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail)
        })?;
        Ok(Self(key))
    }
}

/// The value of a header that is there at most once, of 1–255 visible ASCII characters, or what is wrong with it.
fn visible_once(headers: &HeaderMap, name: &str) -> Result<Option<String>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let is_good = (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if !is_good || values.next().is_some() {
        return Err(format!("The header {name} must hold 1 to 255 visible ASCII characters, once."));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}
