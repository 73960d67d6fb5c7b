//! Checking tokens for resource servers.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use std::net::IpAddr;
use subgrant_api as api;
use subgrant_domain::{Credits, ServiceId};
use subgrant_service::{CredentialError, Verification, VerifyRequest};

use crate::http::{
    HttpState,
    body::JsonBody,
    convert,
    extract::Verifying,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    validate::Validator,
};

/// Whether a token of the caller's tenant is good for a request. Never debits.
///
/// A resource server asks with its verification key, and is then the service at which the token is used; others name it in
/// the request.
#[utoipa::path(
    post,
    path = "/verify",
    tag = "verify",
    request_body = api::VerifyToken,
    security(("token" = []), ("session" = []), ("service" = [])),
    responses(
        (status = 200, description = "The verdict: `valid`, or why not", body = api::Verification),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn verify(
    State(state): State<HttpState>,
    Verifying(caller): Verifying,
    JsonBody(body): JsonBody<api::VerifyToken>,
) -> Result<impl IntoResponse, Problem> {
    let request = verify_request(body, caller.service())?;
    let verdict = match state.app.verify(&caller, &request).await? {
        Ok(verification) => good(verification),
        Err(error) => refused(&error),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(verdict)))
}

fn verify_request(body: api::VerifyToken, asking: Option<ServiceId>) -> Result<VerifyRequest, Problem> {
    let mut validator = Validator::default();
    let request = body.request.unwrap_or_default();
    let source_ip = request.source_ip.as_deref().map(str::parse::<IpAddr>).transpose();
    let source_ip = source_ip.map_err(|_| "must be an IPv4 or IPv6 address");
    let source_ip = validator.check("/request/source_ip", "invalid_address", source_ip).flatten();
    let service = request.service.as_deref().map(str::parse::<ServiceId>).transpose();
    let service = validator.check("/request/service", "invalid_id", service).flatten();
    if asking.is_some() && service.is_some() && asking != service {
        validator.refuse("/request/service", "another_service", "must be the service that asks");
    }
    validator.finish()?;
    Ok(VerifyRequest { token: body.token, method: request.method, path: request.path, source_ip, service })
}

fn good(verification: Verification) -> api::Verification {
    api::Verification {
        valid: true,
        code: None,
        detail: None,
        delegation: Some(convert::delegation(verification.delegation)),
        caveats: Some(verification.caveats),
        effective_remaining_credits: verification.effective_remaining.map(Credits::get),
    }
}

fn refused(error: &CredentialError) -> api::Verification {
    let code = match error {
        CredentialError::Malformed(_) | CredentialError::Service(_) => "malformed",
        CredentialError::Retired(_) => "retired_form",
        CredentialError::Forged => "forged",
        CredentialError::Expired => "expired",
        CredentialError::Revoked => "revoked",
        CredentialError::Frozen => "frozen",
        CredentialError::Caveat(_) => "caveat_not_met",
    };
    api::Verification {
        valid: false,
        code: Some(code.to_owned()),
        detail: Some(error.to_string()),
        delegation: None,
        caveats: None,
        effective_remaining_credits: None,
    }
}
