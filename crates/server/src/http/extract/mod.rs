//! What handlers are given.

mod if_match;
mod principal;
mod query;

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderName, header, request::Parts},
};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};
use subgrant_domain::RequestId;
use subgrant_service::Browser;

use super::{problem::Problem, respond::DEVICE_COOKIE};

pub(crate) use if_match::IfMatch;
pub(crate) use principal::{Asking, Authenticated, GatewayToken, check_same_origin, cookie, session_cookie};
pub(crate) use query::{PathId, PathIds, Query};

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
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            // An IPv4 client of a dual-stack socket is the same client.
            source_ip: peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
            user_agent,
            device: cookie(&parts.headers, DEVICE_COOKIE).map(ToOwned::to_owned),
            request_id: parts.extensions.get::<RequestId>().copied(),
        })
    }
}

/// The header `Idempotency-Key`, if there is one: 1–255 visible ASCII characters.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyHeader(pub(crate) Option<String>);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let bytes = value.as_bytes();
        let is_key = (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if !is_key || values.next().is_some() {
            let detail = "The header Idempotency-Key must hold 1 to 255 visible ASCII characters, once.";
            return Err(Problem::new(axum::http::StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail));
        }
        Ok(Self(Some(String::from_utf8_lossy(bytes).into_owned())))
    }
}
