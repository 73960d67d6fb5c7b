//! A gateway that asks about a request, with the service's key and the token that it was shown.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
};
use subgrant_service::AtGateway;
use subgrant_token::VerificationKey;

use super::{Authenticated, Origin, principal::bearer_token};
use crate::http::{HttpState, problem::Problem};

/// Where gateways ask; the service's id follows.
pub(crate) const GATEWAYS: &str = "/api/cloud/authorize/";

/// Who shows a good token at a gateway that has proved which service it stands before.
pub(crate) struct Gateway(pub(crate) AtGateway);

impl FromRequestParts<HttpState> for Gateway {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Self::Rejection> {
        let Ok(Origin { request_id, .. }) = Origin::from_request_parts(parts, state).await;
        let Some(token) = bearer_token(&parts.headers)? else {
            Authenticated::from_request_parts(parts, state).await?;
            // A session pays for nothing at a gateway.
            let detail = "Requests at a gateway are paid for with a token: Authorization: Bearer <token>.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "action_not_permitted", detail));
        };
        let shown = state.app.shown_at_gateway(token).await?;
        let key = service_key(&parts.headers)?;
        let service = parts.uri.path().strip_prefix(GATEWAYS).unwrap_or_default();
        let service = service.split('/').next().unwrap_or_default();
        Ok(Self(state.app.at_gateway(shown, &key, service, request_id).await?))
    }
}

/// The key by which a gateway proves that it is the service's.
fn service_key(headers: &HeaderMap) -> Result<VerificationKey, Problem> {
    let mut values = headers.get_all("X-Subgrant-Service-Key").iter();
    let Some(value) = values.next() else {
        let detail = "The gateway must show the service's key: X-Subgrant-Service-Key: svk_….";
        return Err(Problem::unauthorized("missing", detail));
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let key = text.and_then(|text| VerificationKey::parse(text).ok());
    key.ok_or_else(|| {
        Problem::unauthorized("malformed", "The header X-Subgrant-Service-Key must hold one key: svk_….")
    })
}

/// What the gateway calls the request, and each repetition of its question: the header `X-Subgrant-Request-Id`.
#[derive(Debug, Clone)]
pub(crate) struct RequestName(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for RequestName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let name = super::visible_once(&parts.headers, "X-Subgrant-Request-Id")
            .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, "invalid_request_id", detail))?;
        Ok(Self(name))
    }
}
