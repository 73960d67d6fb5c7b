//! What an item was answered with, in the words of the API.

use subgrant_domain::Denial;
use subgrant_store::StoreError;

use crate::{AccessError, CredentialError, EngineError, ServiceError, engine::Answer, receipt::SpendError};

const ACKNOWLEDGED: &str = "acknowledged";
const REPLAYED: &str = "replayed";

/// Why an item never got into a queue.
pub(crate) const OVERLOADED: &str = "overloaded";

/// Every outcome; what comes most often first.
pub(super) const OUTCOMES: &[&str] = &[
    ACKNOWLEDGED,
    "budget_exhausted",
    "limit_exceeded",
    "max_per_spend_exceeded",
    REPLAYED,
    "revoked",
    "expired",
    "frozen",
    OVERLOADED,
    "hold_closed",
    "hold_expired",
    "capture_exceeds_hold",
    "refund_exceeds_spend",
    "idempotency_mismatch",
    "caveat_not_met",
    "action_not_permitted",
    "not_found",
    "forged",
    "malformed",
    "retired_form",
    "superseded",
    "unavailable",
    "outcome_unknown",
    "internal",
];

/// Acknowledged, replayed, or the code of the refusal.
pub(crate) fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(outcome) if outcome.replayed => REPLAYED,
        Ok(_) => ACKNOWLEDGED,
        Err(SpendError::Denied(denial)) => of_denial(denial),
        Err(SpendError::Access(error)) => of_access(error),
        Err(SpendError::OwnRefund) => "action_not_permitted",
        Err(SpendError::Engine(EngineError::Overloaded)) => OVERLOADED,
        Err(SpendError::Engine(EngineError::Unavailable)) => "unavailable",
        Err(SpendError::Engine(EngineError::OutcomeUnknown)) => "outcome_unknown",
    }
}

fn of_denial(denial: &Denial) -> &'static str {
    match denial {
        Denial::BudgetExhausted { .. } | Denial::TokenBudget { .. } => "budget_exhausted",
        Denial::MaxPerSpend { .. } => "max_per_spend_exceeded",
        Denial::WindowLimit { .. } => "limit_exceeded",
        Denial::Revoked { .. } => "revoked",
        Denial::Expired { .. } => "expired",
        Denial::Frozen { .. } => "frozen",
        Denial::HoldClosed => "hold_closed",
        Denial::HoldExpired => "hold_expired",
        Denial::RefundExceedsSpend { .. } => "refund_exceeds_spend",
        Denial::CaptureExceedsHold { .. } => "capture_exceeds_hold",
    }
}

fn of_access(error: &AccessError) -> &'static str {
    match error {
        AccessError::Credential(CredentialError::Malformed(_)) => "malformed",
        AccessError::Credential(CredentialError::Retired(_)) => "retired_form",
        AccessError::Credential(CredentialError::Forged) => "forged",
        AccessError::Credential(CredentialError::Expired) | AccessError::NoSession => "expired",
        AccessError::Credential(CredentialError::Revoked) => "revoked",
        AccessError::Credential(CredentialError::Frozen) => "frozen",
        AccessError::Credential(CredentialError::Caveat(_)) => "caveat_not_met",
        AccessError::Credential(CredentialError::Service(ServiceError::Store(StoreError::Unavailable(
            _,
        )))) => "unavailable",
        AccessError::Credential(CredentialError::Service(
            ServiceError::Overloaded | ServiceError::Store(StoreError::Overloaded | StoreError::CallerGone),
        )) => OVERLOADED,
        AccessError::Credential(CredentialError::Service(_)) => "internal",
        AccessError::NotPermitted(_) => "action_not_permitted",
        AccessError::Superseded => "superseded",
        AccessError::NotFound => "not_found",
        AccessError::IdempotencyMismatch | AccessError::SecretShownOnce => "idempotency_mismatch",
    }
}
