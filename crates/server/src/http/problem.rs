//! The one place where errors become problem documents.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use subgrant_api::{FieldError, Problem as Document};
use subgrant_domain::{Credits, DelegationId, Denial, MintDenial};
use subgrant_service::{
    AccessError, BlockedAt, CredentialError, EngineError, MintError, Principal, RevokeError, RotateError,
    ServiceError, SignupError, SpendError,
};
use subgrant_store::StoreError;

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

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Malformed(why) => Self::unauthorized(
                "malformed",
                format!("This is not a token that Subgrant understands: {why}."),
            ),
            CredentialError::Forged => {
                Self::unauthorized("forged", "The token was not issued here, or was altered.")
            }
            CredentialError::Expired => Self::unauthorized("expired", "The token has expired."),
            CredentialError::Revoked => {
                Self::unauthorized("revoked", "The token, its delegation or one above it was revoked.")
            }
            CredentialError::Frozen => {
                Self::new(StatusCode::FORBIDDEN, "frozen", "The delegation or one above it is frozen.")
            }
            CredentialError::Caveat(why) => Self::new(
                StatusCode::FORBIDDEN,
                "caveat_not_met",
                format!("A caveat of the token refuses this request: {why}."),
            ),
            CredentialError::Service(error) => error.into(),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
        match error {
            ServiceError::Store(StoreError::Unavailable(_)) => Self::unavailable(
                "unavailable",
                "The database cannot be reached just now. Nothing was changed.",
            ),
            _ => Self::internal(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Credential(error) => error.into(),
            AccessError::NoSession => Self::unauthorized("expired", "The session has ended. Sign in again."),
            AccessError::NotPermitted(action) => Self::new(
                StatusCode::FORBIDDEN,
                "action_not_permitted",
                format!("The credential does not include the action {action}."),
            ),
            AccessError::NotFound => Self::not_found(),
        }
    }
}

impl From<SignupError> for Problem {
    fn from(error: SignupError) -> Self {
        match error {
            SignupError::EmailTaken => {
                let detail = "An account with this e-mail address exists. Sign in, or use another address.";
                Self::new(StatusCode::CONFLICT, "email_taken", detail)
            }
            SignupError::IdempotencyMismatch => Self::idempotency_mismatch(),
            SignupError::Service(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Access(error) => error.into(),
            RevokeError::AlreadyRevoked => {
                let detail = "The delegation, or one above it, is revoked already.";
                Self::new(StatusCode::CONFLICT, "already_revoked", detail)
            }
            RevokeError::StaleVersion { current } => Self::new(
                StatusCode::CONFLICT,
                "stale_version",
                format!("The delegation has changed: its version is {current} now. Preview again."),
            ),
            RevokeError::IdempotencyMismatch => Self::idempotency_mismatch(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Access(error) => error.into(),
            RotateError::CutOffInTheFuture => {
                Self::field("validation", "/revoke_issued_before", "must not lie in the future".to_owned())
            }
            RotateError::IdempotencyMismatch => Self::idempotency_mismatch(),
        }
    }
}

/// Why a child was not minted, with what the caller may know.
pub(crate) fn of_mint(error: MintError, principal: &Principal, requested: Credits) -> Problem {
    let denial = match error {
        MintError::Access(error) => return error.into(),
        MintError::IdempotencyMismatch => return Problem::idempotency_mismatch(),
        MintError::TokenTooLong(why) => {
            return Problem::field(
                "token_too_long",
                "/caveats",
                format!("the child's token would be refused: {why}"),
            );
        }
        MintError::Denied { denial, .. } => denial,
    };
    match denial {
        MintDenial::Denied(denial) => of_denial(denial, principal, requested),
        MintDenial::NarrowerThanParent { field, permitted } => Problem::field(
            "narrower_than_parent",
            &format!("/{field}"),
            format!("the parent permits {permitted}"),
        ),
        MintDenial::ExpiryInThePast => {
            Problem::field("validation", "/expiry", "must lie in the future".to_owned())
        }
        MintDenial::CostCenterConflict { inherited } => Problem::field(
            "cost_center_conflict",
            "/cost_center",
            format!(
                "the parent's cost centre is {inherited:?}, and it cannot be changed below",
                inherited = inherited.as_str()
            ),
        ),
        MintDenial::DepartmentConflict { inherited } => Problem::field(
            "department_conflict",
            "/department",
            format!(
                "the parent's department is {inherited:?}, and it cannot be changed below",
                inherited = inherited.as_str()
            ),
        ),
        MintDenial::TooDeep => Problem::field(
            "narrower_than_parent",
            "/max_depth",
            "no further level may be created here".to_owned(),
        ),
    }
}

/// Why nothing was spent, with what the caller may know.
pub(crate) fn of_spend(error: SpendError, principal: &Principal, requested: Credits) -> Problem {
    match error {
        SpendError::Access(error) => error.into(),
        SpendError::IdempotencyMismatch => Problem::idempotency_mismatch(),
        SpendError::Denied(denial) => of_denial(denial, principal, requested),
        SpendError::Engine(EngineError::Overloaded) => {
            Problem::unavailable("overloaded", "Too many spends are waiting. Nothing was spent.")
        }
        SpendError::Engine(EngineError::Unavailable) => {
            Problem::unavailable("unavailable", "The database cannot be reached just now. Nothing was spent.")
        }
        SpendError::Engine(EngineError::OutcomeUnknown) => Problem::unavailable(
            "outcome_unknown",
            "The connection to the database broke while the spend was being recorded. Send it again with the same \
             Idempotency-Key to learn what happened.",
        ),
    }
}

fn of_denial(denial: Denial, principal: &Principal, requested: Credits) -> Problem {
    let payment = |code, detail| Problem::new(StatusCode::PAYMENT_REQUIRED, code, detail);
    match denial {
        Denial::BudgetExhausted { node, max_affordable } => {
            let detail = format!("{max_affordable} credits are available, but {requested} were requested.");
            payment("budget_exhausted", detail).amounts(requested, max_affordable).at(node, principal)
        }
        Denial::MaxPerSpend { node, max_affordable } => {
            let detail =
                format!("One spend may be at most {max_affordable} credits, but {requested} were requested.");
            payment("max_per_spend_exceeded", detail).amounts(requested, max_affordable).at(node, principal)
        }
        Denial::WindowLimit { node, limit, max_affordable, retry_at } => {
            let detail = format!(
                "The limit of {limit} leaves {max_affordable} credits for now, but {requested} were requested."
            );
            let mut problem =
                payment("limit_exceeded", detail).amounts(requested, max_affordable).at(node, principal);
            problem.facts.retry_at = retry_at;
            problem
        }
        Denial::Revoked { node } => inactive("revoked", "revoked", node, principal),
        Denial::Expired { node } => inactive("expired", "past its expiry", node, principal),
        Denial::Frozen { node } => {
            let detail = "The delegation or one above it is frozen.";
            Problem::new(StatusCode::FORBIDDEN, "frozen", detail).at(node, principal)
        }
        Denial::HoldClosed => {
            Problem::new(StatusCode::CONFLICT, "hold_closed", "The hold is closed already.")
        }
        Denial::HoldExpired => Problem::new(StatusCode::GONE, "hold_expired", "The hold has expired."),
        Denial::CaptureExceedsHold { held } => {
            let detail = format!("The hold is of {held} credits, but {requested} were to be captured.");
            payment("capture_exceeds_hold", detail).amounts(requested, held)
        }
    }
}

/// The caller's own credential is dead (401), or the node below that it acts on is (409).
fn inactive(code: &'static str, what: &str, node: DelegationId, principal: &Principal) -> Problem {
    let own = node == principal.path.id() || principal.locate(node) == BlockedAt::Ancestor;
    if own {
        return Problem::unauthorized(code, format!("The delegation or one above it is {what}."));
    }
    Problem::new(StatusCode::CONFLICT, code, format!("The delegation is {what}.")).at(node, principal)
}
