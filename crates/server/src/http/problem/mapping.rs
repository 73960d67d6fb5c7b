//! Which error is which problem.

use axum::http::StatusCode;
use subgrant_api::FieldError;
use subgrant_domain::Denial;
use subgrant_service::{
    AccessError, AlertError, CredentialError, FreezeError, ListError, PeopleError, ResetError, RestrictError,
    RevokeError, RotateDelegationError, RotateError, ServiceError, SignInError, SignupError, SwitchError,
    WebhookError,
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
            CredentialError::Retired(why) => Self::unauthorized("retired_form", format!("{why}.")),
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
        if let ServiceError::Overloaded
        | ServiceError::Store(StoreError::Overloaded | StoreError::CallerGone) = error
        {
            let detail = "Too many requests of this kind are waiting. Nothing was changed.";
            return Self::unavailable("overloaded", detail);
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
            AccessError::SecretShownOnce => Self::new(
                StatusCode::CONFLICT,
                "secret_shown_once",
                "This request was carried out before, and nothing was done now. Its answer holds a secret, which is shown \
                 again only to the credential that asked, and for ten minutes.",
            ),
        }
    }
}

impl From<SignupError> for Problem {
    fn from(error: SignupError) -> Self {
        match error {
            SignupError::IdempotencyMismatch => Self::idempotency_mismatch(),
            SignupError::ShownOnce => AccessError::SecretShownOnce.into(),
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

impl From<SwitchError> for Problem {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::NotAMember => Self::not_found(),
            SwitchError::Service(error) => error.into(),
        }
    }
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
            PeopleError::EmailTaken => {
                Self::new(StatusCode::CONFLICT, "email_taken", "The address is a member's already.")
            }
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
            PeopleError::OtherAddress => {
                let detail = "This is for another account. Sign in to the one that it is for.";
                forbidden("other_account", detail)
            }
            PeopleError::ManagedAccount => {
                let detail = "Somebody else chose this account's password. Ask for a new one by mail first.";
                forbidden("managed_account", detail)
            }
            PeopleError::UnknownConfirmation => {
                Self::unauthorized("invalid_confirmation", "There is no such link: ask for a new mail.")
            }
            PeopleError::ConfirmationExpired => {
                let detail = "The link has expired: ask for a new mail.";
                Self::new(StatusCode::GONE, "confirmation_expired", detail)
            }
            PeopleError::TooMany(wait) => {
                let detail = "There were too many for one day. Try again later.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(wait.as_secs() + 1)
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
            ResetError::Service(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Access(error) => error.into(),
            RevokeError::IsRoot => Self::new(
                StatusCode::CONFLICT,
                "is_root",
                "The root is not revoked: POST /root/rotate replaces its token, and with revoke_issued_before ends every \
                 other token as well.",
            ),
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
            RotateError::RootRevoked => {
                let detail = "The root is revoked. An owner who signs in and does this brings it back.";
                Self::new(StatusCode::CONFLICT, "already_revoked", detail)
            }
            RotateError::CutOffInTheFuture => {
                Self::field("validation", "/revoke_issued_before", "must not lie in the future".to_owned())
            }
        }
    }
}
