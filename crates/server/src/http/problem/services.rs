//! What has to do with resource servers.

use axum::http::StatusCode;
use subgrant_api::FieldError;
use subgrant_service::{AuthorizeError, FeedError, GatewayError, Principal, RegisterError};

use super::{Problem, of_spend};

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Access(error) => error.into(),
            RegisterError::TooMany => {
                Self::field("too_many_services", "", format!("{error}: delete some first"))
            }
        }
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Access(error) => error.into(),
            FeedError::NoCursor => Self::validation(vec![FieldError {
                pointer: "?since".to_owned(),
                code: "invalid_cursor".to_owned(),
                detail: "is not a cursor of the feed".to_owned(),
            }]),
            FeedError::TooOld => {
                let detail = "What follows the cursor can be told no more: begin anew, without since.";
                Self::new(StatusCode::GONE, "cursor_expired", detail)
            }
        }
    }
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Access(error) => error.into(),
            GatewayError::NotTheKey => {
                Self::unauthorized("forged", "The X-Subgrant-Service-Key is not the key of this service.")
            }
            GatewayError::ServiceDeleted => {
                Self::unauthorized("revoked", "The service was deleted, and its key with it.")
            }
        }
    }
}

/// Why a request may not pass a gateway, with what the token's holder may know.
pub(crate) fn of_authorize(error: AuthorizeError, principal: &Principal) -> Problem {
    match error {
        AuthorizeError::Spend(error, price) => of_spend(error, principal, price),
        AuthorizeError::NoPrice => {
            let detail = "The service has no price for this request, so that it cannot be had.";
            Problem::new(StatusCode::FORBIDDEN, "no_price", detail)
        }
        AuthorizeError::NameTaken => {
            let detail = "The X-Subgrant-Request-Id was another request's, or came with another token, a short time ago.";
            Problem::new(StatusCode::CONFLICT, "request_id_reused", detail)
        }
    }
}

pub(super) fn unknown_audience() -> Problem {
    Problem::validation(vec![FieldError {
        pointer: "/audience".to_owned(),
        code: "unknown_service".to_owned(),
        detail: "names no registered service".to_owned(),
    }])
}

pub(super) fn audience_deleted() -> Problem {
    let detail = "The service that the delegation is for was deleted: nothing more is written for it.";
    Problem::new(StatusCode::CONFLICT, "audience_deleted", detail)
}
