//! Who asks: a bearer token, a session cookie or, where resource servers may ask, a verification key.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
};
use subgrant_service::{Caller, Principal, SessionSecret};
use subgrant_token::{VERIFICATION_KEY_PREFIX, VerificationKey};

use super::Origin;
use crate::http::{HttpState, problem::Problem, respond::SESSION_COOKIE};

/// The principal of a request that carries a good credential.
pub(crate) struct Authenticated(pub(crate) Principal);

impl FromRequestParts<HttpState> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        let Ok(Origin { source_ip, request_id, .. }) = Origin::from_request_parts(parts, state).await;
        if let Some(token) = bearer_token(&parts.headers)? {
            return Ok(Self(state.app.authenticate_token(token, source_ip, request_id).await?));
        }
        let Some(session) = session_cookie(&parts.headers) else {
            let detail = "Send a token: Authorization: Bearer <token>.";
            return Err(Problem::unauthorized("missing", detail));
        };
        check_same_origin(&parts.method, &parts.headers)?;
        // In a box, so that a request with a token does not carry the room for this around.
        Ok(Self(Box::pin(state.app.authenticate_session(&session, source_ip, request_id)).await?))
    }
}

/// Whoever asks where resource servers may too, with their verification keys.
pub(crate) struct Asking(pub(crate) Caller);

impl FromRequestParts<HttpState> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        let bearer = bearer_token(&parts.headers)?;
        if let Some(text) = bearer.filter(|text| text.starts_with(VERIFICATION_KEY_PREFIX)) {
            let malformed = |error| Problem::unauthorized("malformed", format!("This is no key: {error}."));
            let key = VerificationKey::parse(text).map_err(malformed)?;
            return Ok(Self(state.app.authenticate_service(&key).await?));
        }
        let Authenticated(principal) = Authenticated::from_request_parts(parts, state).await?;
        Ok(Self(Caller::Principal(principal)))
    }
}

/// The bearer token that a gateway was shown, not looked into yet. A session pays for nothing at a gateway.
pub(crate) struct GatewayToken(pub(crate) String);

impl FromRequestParts<HttpState> for GatewayToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        if let Some(token) = bearer_token(&parts.headers)? {
            return Ok(Self(token.to_owned()));
        }
        Authenticated::from_request_parts(parts, state).await?;
        let detail = "Requests at a gateway are paid for with a token: Authorization: Bearer <token>.";
        Err(Problem::new(StatusCode::FORBIDDEN, "action_not_permitted", detail))
    }
}

/// The token of the header `Authorization`. `None`: there is no such header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let malformed = |detail: &str| Problem::unauthorized("malformed", detail);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("Send one Authorization header, not several."));
    }
    let value =
        value.to_str().map_err(|_| malformed("The Authorization header holds characters outside ASCII."))?;
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed("The scheme of the Authorization header must be Bearer."));
    }
    match token.trim() {
        "" => Err(Problem::unauthorized("missing", "There is no token after Bearer.")),
        token => Ok(Some(token)),
    }
}

/// The session of the cookie, if there is one of ours.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<SessionSecret> {
    cookie(headers, SESSION_COOKIE).and_then(SessionSecret::parse)
}

/// The value of a cookie, if there is one of this name.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// A browser sends cookies wherever a page of another site tells it to; the `Origin` tells them apart.
pub(crate) fn check_same_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    if origin.is_some() && origin == text(header::HOST) {
        return Ok(());
    }
    let detail = "With a session cookie, unsafe methods need an Origin header that names this server.";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_origin", detail))
}
