//! Problem documents: the one form in which every error leaves.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use subgrant_api::{BatchOutcome, FieldError, Problem as Document};
use subgrant_domain::{Credits, DelegationId, NotAMonth};
use subgrant_service::{BlockedAt, Principal};

pub(crate) use denials::{of_mint, of_spend, of_update};
pub(crate) use services::of_authorize;

mod denials;
mod finance;
mod limits;
mod mapping;
mod services;

/// An error on its way out. The request's id is added by the outermost layer.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    code: &'static str,
    detail: String,
    facts: Box<Facts>,
}

#[derive(Debug, Clone, Default)]
struct Facts {
    errors: Vec<FieldError>,
    delegation_id: Option<String>,
    requested: Option<u64>,
    max_affordable: Option<u64>,
    retry_at: Option<Timestamp>,
    headers: HeaderMap,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), facts: Box::default() }
    }

    /// A request whose fields are wrong.
    pub(crate) fn validation(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{} {}", only.pointer, only.detail),
            several => format!("{} fields are wrong", several.len()),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation", detail);
        problem.facts.errors = errors;
        problem
    }

    /// One field that the rules of the domain refuse.
    fn field(code: &'static str, pointer: &str, detail: String) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("{pointer}: {detail}"));
        problem.facts.errors =
            vec![FieldError { pointer: pointer.to_owned(), code: code.to_owned(), detail }];
        problem
    }

    /// What should be a month is none.
    pub(crate) fn invalid_month(pointer: &str, error: NotAMonth) -> Self {
        Self::field("invalid_month", pointer, error.to_string())
    }

    /// A missing or refused credential.
    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such resource, or it is not yours to see.")
    }

    /// Trying again soon may help.
    pub(crate) fn unavailable(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The same request may succeed after so many seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Code and detail.
    pub(crate) fn words(&self) -> (&'static str, &str) {
        (self.code, &self.detail)
    }

    pub(crate) fn internal() -> Self {
        let detail = "Something went wrong on our side. The request id helps us to find out what.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub(crate) fn idempotency_mismatch() -> Self {
        let detail =
            "This Idempotency-Key was used for a request with another body. Use a new key for a new request.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", detail)
    }

    fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.facts.headers.insert(name, value);
        self
    }

    fn amounts(mut self, requested: Credits, max_affordable: Credits) -> Self {
        self.facts.requested = Some(requested.get());
        self.facts.max_affordable = Some(max_affordable.get());
        self
    }

    fn at(mut self, node: DelegationId, principal: &Principal) -> Self {
        self.facts.delegation_id = Some(match principal.locate(node) {
            BlockedAt::Node(id) => id.to_string(),
            BlockedAt::Ancestor => "ancestor".to_owned(),
        });
        self
    }

    /// The problem as the outcome of one item of a batch.
    pub(crate) fn outcome(&self) -> BatchOutcome {
        BatchOutcome {
            status: self.status.as_u16(),
            code: Some(self.code.to_owned()),
            detail: Some(self.detail.clone()),
            delegation_id: self.facts.delegation_id.clone(),
            requested_credits: self.facts.requested,
            max_affordable_credits: self.facts.max_affordable,
            retry_at: self.facts.retry_at.map(|instant| instant.to_string()),
            ..BatchOutcome::default()
        }
    }

    /// The response that is finally sent.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let Facts { errors, delegation_id, requested, max_affordable, retry_at, headers } =
            (*self.facts).clone();
        let document = Document {
            kind: format!("urn:subgrant:problem:{}", self.code),
            title: title(self.code),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            errors,
            delegation_id,
            requested_credits: requested,
            max_affordable_credits: max_affordable,
            retry_at: retry_at.map(|instant| instant.to_string()),
        };
        let body = serde_json::to_vec(&document).expect("a problem document is a plain struct");
        let mut response = (self.status, headers, body).into_response();
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Carries the problem to the outermost layer, which renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// `budget_exhausted` → `Budget exhausted`.
fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
