//! Who asks: a bearer token, a session cookie or, where resource servers may ask, a verification key.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use subgrant_service::{Asked, Caller, KnownToken, Principal, SessionSecret, Usage};
use subgrant_token::{VERIFICATION_KEY_PREFIX, VerificationKey};

use super::{Origin, check_same_origin};
use crate::http::{HttpState, problem::Problem, respond::SESSION_COOKIE};

/// The principal of a request that carries a good credential. Of a token, that it may be used for whatever is not spending:
/// it is for no service, and its `route` and `method` permit this very request.
pub(crate) struct Authenticated(pub(crate) Principal);

/// The same where money moves, or a token is told what it is itself: there it may be one that a service was shown.
pub(crate) struct Spending(pub(crate) Principal);

impl FromRequestParts<HttpState> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        let Parts { method, uri, .. } = &*parts;
        let (method, target) = (method.clone(), uri.path_and_query().map(ToString::to_string));
        let asked = Asked { method: method.as_str(), target: target.as_deref().unwrap_or_default() };
        authenticated(parts, state, Usage::Manage(Some(asked))).await.map(Self)
    }
}

impl FromRequestParts<HttpState> for Spending {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        authenticated(parts, state, Usage::Spend).await.map(Self)
    }
}

async fn authenticated(parts: &mut Parts, state: &HttpState, usage: Usage<'_>) -> Result<Principal, Problem> {
    let Ok(Origin { source_ip, request_id, .. }) = Origin::from_request_parts(parts, state).await;
    if let Some(known) = parts.extensions.get::<KnownToken>() {
        return Ok(state.app.authenticate_known(usage, known.clone(), source_ip, request_id)?);
    }
    let principal = if let Some(token) = bearer_token(&parts.headers)? {
        state.app.authenticate_token_for(usage, token, source_ip, request_id).await?
    } else {
        let Some(session) = session_cookie(&parts.headers) else {
            let detail = "Send a token: Authorization: Bearer <token>.";
            return Err(Problem::unauthorized("missing", detail));
        };
        check_same_origin(&state.options, parts)?;
        // In a box, so that a request with a token does not carry the room for this around.
        Box::pin(state.app.authenticate_session(&session, source_ip, request_id)).await?
    };
    state.limits.admit_principal(&parts.extensions, &principal)?;
    Ok(principal)
}

/// Whoever asks where resource servers may too, with their verification keys.
pub(crate) struct Asking(pub(crate) Caller);

/// The same where a token is verified, for which the token itself will do.
pub(crate) struct Verifying(pub(crate) Caller);

impl FromRequestParts<HttpState> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        if let Some(service) = asking_service(parts, state).await? {
            return Ok(Self(service));
        }
        let Authenticated(principal) = Authenticated::from_request_parts(parts, state).await?;
        Ok(Self(Caller::Principal(principal)))
    }
}

impl FromRequestParts<HttpState> for Verifying {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        if let Some(service) = asking_service(parts, state).await? {
            return Ok(Self(service));
        }
        let Spending(principal) = Spending::from_request_parts(parts, state).await?;
        Ok(Self(Caller::Principal(principal)))
    }
}

/// The service whose key stands in the place of a token, if there is one.
async fn asking_service(parts: &Parts, state: &HttpState) -> Result<Option<Caller>, Problem> {
    let bearer = bearer_token(&parts.headers)?;
    let Some(text) = bearer.filter(|text| text.starts_with(VERIFICATION_KEY_PREFIX)) else { return Ok(None) };
    let malformed = |error| Problem::unauthorized("malformed", format!("This is no key: {error}."));
    let key = VerificationKey::parse(text).map_err(malformed)?;
    let caller = state.app.authenticate_service(&key).await?;
    state.limits.admit_caller(&parts.extensions, &caller)?;
    Ok(Some(caller))
}

/// The token of the header `Authorization`. `None`: there is no such header.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
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
