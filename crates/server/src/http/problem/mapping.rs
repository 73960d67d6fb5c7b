//! Which error is which problem.

use axum::http::StatusCode;
use subgrant_api::FieldError;
use subgrant_domain::{ChangeDenial, ChangeRequest, Credits, DelegationId, Denial, MintDenial};
use subgrant_service::{
    AccessError, AlertError, BlockedAt, CredentialError, EngineError, FreezeError, ListError, MintError,
    PeopleError, Principal, ResetError, RestrictError, RevokeError, RotateDelegationError, RotateError,
    ServiceError, SignInError, SignupError, SpendError, UpdateError, WebhookError,
};
use subgrant_store::StoreError;

use super::Problem;

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
        if let ServiceError::MadeOffline = error {
            let detail = "The delegation, or one above it, was made offline: only its own token can do this.";
            return Self::new(StatusCode::CONFLICT, "made_offline", detail);
        }
        if let ServiceError::AudienceDeleted = error {
            return super::services::audience_deleted();
        }
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

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Access(error) => error.into(),
            ListError::Cursor => Self::validation(vec![FieldError {
                pointer: "?cursor".to_owned(),
                code: "invalid_cursor".to_owned(),
                detail: "is not a cursor of this list".to_owned(),
            }]),
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
            AccessError::Superseded => Self::new(
                StatusCode::FORBIDDEN,
                "superseded",
                "A newer token of this delegation exists, and only that one may do this.",
            ),
            AccessError::NotFound => Self::not_found(),
            AccessError::IdempotencyMismatch => Self::idempotency_mismatch(),
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

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong => {
                Self::unauthorized("invalid_credentials", "Address and password do not belong together.")
            }
            SignInError::TooManyAttempts(left) => too_many_attempts(left),
            SignInError::Service(error) => error.into(),
        }
    }
}

fn too_many_attempts(left: std::time::Duration) -> Problem {
    rate_limited("too_many_attempts", "There were too many attempts. Try again later.", left)
}

fn rate_limited(code: &'static str, detail: &'static str, left: std::time::Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail).retry_after(left.as_secs() + 1)
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let forbidden = |code, detail| Self::new(StatusCode::FORBIDDEN, code, detail);
        match error {
            PeopleError::Access(error) => error.into(),
            PeopleError::NoSession => {
                let detail = "People are managed by people: sign in, no token may do this.";
                forbidden("action_not_permitted", detail)
            }
            PeopleError::RoleTooLow => {
                forbidden("action_not_permitted", "Your role does not include this, or not for that role.")
            }
            PeopleError::WrongPassword => forbidden("wrong_password", "The current password is another."),
            PeopleError::LastOwner => {
                let detail = "The organisation needs an owner: make somebody else one first.";
                Self::new(StatusCode::CONFLICT, "last_owner", detail)
            }
            PeopleError::EmailTaken => SignupError::EmailTaken.into(),
            PeopleError::TooManyAttempts(left) => too_many_attempts(left),
            PeopleError::UnknownInvitation => {
                let detail = "There is no such invitation. A newer one replaces those before it.";
                Self::unauthorized("invalid_invitation", detail)
            }
            PeopleError::InvitationExpired => Self::new(
                StatusCode::GONE,
                "invitation_expired",
                "The invitation has expired: ask for a new one.",
            ),
            PeopleError::InvitationUsed => {
                Self::new(StatusCode::GONE, "invitation_used", "The invitation was used already: sign in.")
            }
        }
    }
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::People(error) => error.into(),
            AlertError::NoBudget => Self::field(
                "no_budget",
                "/kind",
                "the delegation is unlimited: watch what is spent".to_owned(),
            ),
            AlertError::NoSuchLimit => Self::field(
                "no_such_limit",
                "/per",
                "the delegation has no window limit of this period".to_owned(),
            ),
            AlertError::UnknownRecipient(place) => Self::field(
                "unknown_recipient",
                &format!("/recipients/{place}"),
                "names no member".to_owned(),
            ),
            AlertError::TooMany => Self::field("too_many_alerts", "", format!("{error}: delete some first")),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::People(error) => error.into(),
            WebhookError::TooManyTests(left) => {
                let detail = "The organisation tries its webhooks too often. Wait, then try again.";
                rate_limited("rate_limited", detail, left)
            }
            WebhookError::BacklogFull(left) => {
                let detail =
                    "Too many calls of the organisation's webhooks wait for receivers that do not take them.";
                rate_limited("backlog_full", detail, left)
            }
            WebhookError::TooMany => {
                Self::field("too_many_webhooks", "", format!("{error}: delete some first"))
            }
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Unknown => {
                let detail = "There is no such token, or it was used or replaced: ask for a new mail.";
                Self::unauthorized("invalid_reset", detail)
            }
            ResetError::Expired => {
                Self::new(StatusCode::GONE, "reset_expired", "The token has expired: ask for a new mail.")
            }
            ResetError::TooManyAttempts(left) => too_many_attempts(left),
            ResetError::Service(error) => error.into(),
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
            RevokeError::StalePreview { descendants } => Self::new(
                StatusCode::CONFLICT,
                "stale_preview",
                format!("There are {descendants} delegations below it now. Preview again."),
            ),
        }
    }
}

impl From<FreezeError> for Problem {
    fn from(error: FreezeError) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            FreezeError::Access(error) => error.into(),
            FreezeError::NotFrozen => {
                conflict("not_frozen", "The delegation itself is not frozen; one above it may be.")
            }
            FreezeError::Denied(Denial::Frozen { .. }) => {
                conflict("already_frozen", "The delegation is frozen already.")
            }
            FreezeError::Denied(Denial::Expired { .. }) => {
                conflict("expired", "The delegation, or one above it, has expired.")
            }
            FreezeError::Denied(_) => {
                conflict("already_revoked", "The delegation, or one above it, is revoked for good.")
            }
        }
    }
}

impl From<RotateDelegationError> for Problem {
    fn from(error: RotateDelegationError) -> Self {
        match error {
            RotateDelegationError::Access(error) => error.into(),
            RotateDelegationError::IsRoot => Self::new(
                StatusCode::CONFLICT,
                "is_root",
                "The root token is rotated with POST /root/rotate.",
            ),
            RotateDelegationError::Over => {
                let detail = "The delegation, or one above it, is revoked or expired.";
                Self::new(StatusCode::CONFLICT, "already_revoked", detail)
            }
            RotateDelegationError::TokenTooLong(why) => Self::field(
                "token_too_long",
                "",
                format!("the delegation's new token would be refused: {why}"),
            ),
        }
    }
}

impl From<RestrictError> for Problem {
    fn from(error: RestrictError) -> Self {
        match error {
            RestrictError::Access(error) => error.into(),
            RestrictError::Refused(why) => {
                Self::field("narrower_than_parent", "/caveats", format!("the token would be refused: {why}"))
            }
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
        }
    }
}

/// Why a child was not minted, with what the caller may know.
pub(crate) fn of_mint(error: MintError, principal: &Principal, requested: Credits) -> Problem {
    let denial = match error {
        MintError::Access(error) => return error.into(),
        MintError::TokenTooLong(why) => {
            return Problem::field(
                "token_too_long",
                "/caveats",
                format!("the child's token would be refused: {why}"),
            );
        }
        MintError::UnknownAudience => return super::services::unknown_audience(),
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

/// Why nothing was changed, with what the caller may know.
pub(crate) fn of_update(error: UpdateError, principal: &Principal, change: &ChangeRequest) -> Problem {
    let denial = match error {
        UpdateError::Access(error) => return error.into(),
        UpdateError::StaleVersion { current } => {
            let detail = format!("The delegation has changed: its ETag is \"{current}\" now. Look again.");
            return Problem::new(StatusCode::PRECONDITION_FAILED, "stale_version", detail);
        }
        UpdateError::OwnWidening => {
            let detail = "Nobody widens its own delegation: ask the holder of one above, or an admin.";
            return Problem::new(StatusCode::FORBIDDEN, "action_not_permitted", detail);
        }
        UpdateError::TokenTooLong(why) => {
            let detail = format!("the delegation's new token would be refused: {why}");
            return Problem::field("token_too_long", "/limits", detail);
        }
        UpdateError::Denied(denial) => denial,
    };
    match denial {
        ChangeDenial::Denied(Denial::Revoked { .. }) => {
            let detail = "The delegation, or one above it, is revoked for good.";
            Problem::new(StatusCode::CONFLICT, "already_revoked", detail)
        }
        ChangeDenial::Denied(Denial::Expired { .. }) => {
            let detail = "The delegation, or one above it, has expired.";
            Problem::new(StatusCode::CONFLICT, "expired", detail)
        }
        ChangeDenial::Denied(denial) => of_denial(denial, principal, change.budget.unwrap_or_default()),
        ChangeDenial::NarrowerThanParent { permitted } => Problem::field(
            "narrower_than_parent",
            "/budget_credits",
            format!("the parent permits {permitted}"),
        ),
        ChangeDenial::BelowCommitted { least } => Problem::field(
            "below_committed",
            "/budget_credits",
            format!("must be at least {least}: so much is spent, held or set aside for children"),
        ),
        ChangeDenial::RootHasNoBudget => {
            Problem::field("validation", "/budget_credits", "the root has no budget".to_owned())
        }
    }
}

/// Why nothing was spent, with what the caller may know.
pub(crate) fn of_spend(error: SpendError, principal: &Principal, requested: Credits) -> Problem {
    match error {
        SpendError::Access(error) => error.into(),
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
        Denial::RefundExceedsSpend { refundable } => {
            let detail = format!("Only {refundable} credits of the spend are left to refund.");
            Problem::new(StatusCode::CONFLICT, "refund_exceeds_spend", detail).amounts(requested, refundable)
        }
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
