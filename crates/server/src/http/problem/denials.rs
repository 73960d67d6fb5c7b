//! Which refusal of the books is which problem.

use axum::http::StatusCode;
use subgrant_domain::{ChangeDenial, ChangeRequest, Credits, DelegationId, Denial, MintDenial};
use subgrant_service::{BlockedAt, EngineError, MintError, Principal, SpendError, UpdateError};

use super::Problem;

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
        ChangeDenial::NarrowerThanParent { field, permitted } => Problem::field(
            "narrower_than_parent",
            &format!("/{field}"),
            format!("the parent permits {permitted}"),
        ),
        ChangeDenial::RootHasNoExpiry => {
            Problem::field("validation", "/expiry", "the root's life has no end".to_owned())
        }
        ChangeDenial::ExpiryInThePast => {
            Problem::field("validation", "/expiry", "must lie in the future".to_owned())
        }
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
        SpendError::OwnRefund => Problem::new(
            StatusCode::FORBIDDEN,
            "own_refund",
            "Who spent does not give it back to itself: ask the holder of a delegation above, or an admin.",
        ),
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
        Denial::TokenBudget { node, ceiling, max_affordable } => {
            let detail = format!(
                "This token's own budget is {ceiling} credits, which leave {max_affordable}, but {requested} were \
                 requested. A newer token of the delegation may have more."
            );
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
