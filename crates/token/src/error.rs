//! Why a token is refused.

/// Why a text is not a token, or not one that may be used.
///
/// Carries no bytes of the token, so it may be logged and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More text or bytes than [`crate::MAX_TEXT_BYTES`] allow.
    #[error("a token is at most 8192 bytes of text")]
    TooLarge,
    /// Neither base64 nor base64url, or with half of its padding, or with stray bits at its end.
    #[error("the token is not base64")]
    NotBase64,
    /// The first byte is not the version 2 of the libmacaroons binary format: V1, JSON or something else.
    #[error("the token is not a macaroon in the version 2 binary format")]
    NotV2,
    /// The bytes end inside the macaroon.
    #[error("the token is cut short")]
    Truncated,
    /// Bytes follow the signature.
    #[error("the token has bytes after its signature")]
    Trailing,
    /// A length is written in more bytes than it needs.
    #[error("the token spells a length in more bytes than needed")]
    NonCanonical,
    /// A field is missing, repeated, out of order, or its content is not of its type.
    #[error("the token has an unexpected field")]
    UnexpectedField,
    /// A third-party caveat, which this format does not use.
    #[error("third-party caveats are not accepted")]
    ThirdParty,
    /// More than [`crate::MAX_CAVEATS`] caveats.
    #[error("a token has at most 64 caveats")]
    TooManyCaveats,
    /// The identifier is neither Subgrant's nor that of an L402 token.
    #[error("the token's identifier is of an unknown kind")]
    UnknownIdentifier,
    /// A token for a service in the first form, which was signed under the service's key alone.
    #[error("tokens for a service are not accepted in this form any more: ask for a new one")]
    RetiredForm,
    /// What follows the dot, the signature for a service, is not one of 32 bytes.
    #[error("the token's signature for a service does not have 32 bytes")]
    ServiceSignature,
    /// The signature is not the one that the root key gives.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// The signature is right, and a caveat refuses the token everywhere.
    #[error("caveat {index}: {reason}")]
    Caveat {
        /// The caveat's place in the token, from 0.
        index: usize,
        /// What is wrong with it.
        reason: CaveatError,
    },
}

/// What is wrong with one caveat, whatever the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaveatError {
    /// The name is not one of the contract's.
    #[error("unknown caveat")]
    Unknown,
    /// The caveat is not `name = value`, or the value is not of the form that its name demands.
    #[error("malformed caveat")]
    Malformed,
    /// The value contradicts an earlier caveat of the same name.
    #[error("contradicts an earlier caveat")]
    Conflict,
    /// A `delegation` caveat that is not followed at once by its `budget` caveat.
    ///
    /// This is the only refusal that a further caveat can lift: `delegation` and `budget` open a node together, and a
    /// token that was cut between the two permits nothing until the second is there. What the completed token permits
    /// is still no more than what the token permitted before the pair.
    #[error("a delegation caveat must be followed by a budget caveat")]
    DelegationWithoutBudget,
    /// A `budget` caveat opens a node below the depth that a `max_depth` caveat permits.
    #[error("opens a level below the permitted depth")]
    TooDeep,
}

/// The kinds of refusal that a caller answers differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The text is not a token: 401, `malformed`.
    Malformed,
    /// The token is of a form that is not accepted any more: 401, `retired_form`.
    Retired,
    /// The token was not made from the root key that it names: 401, `forged`.
    Forged,
    /// The token is genuine and a caveat refuses it: 403, `caveat_not_met`.
    CaveatNotMet,
}

impl TokenError {
    /// Which kind of refusal this is.
    pub const fn class(self) -> ErrorClass {
        match self {
            Self::TooLarge
            | Self::NotBase64
            | Self::NotV2
            | Self::Truncated
            | Self::Trailing
            | Self::NonCanonical
            | Self::UnexpectedField
            | Self::ThirdParty
            | Self::TooManyCaveats
            | Self::UnknownIdentifier
            | Self::ServiceSignature => ErrorClass::Malformed,
            Self::RetiredForm => ErrorClass::Retired,
            Self::BadSignature => ErrorClass::Forged,
            Self::Caveat { .. } => ErrorClass::CaveatNotMet,
        }
    }

    /// The word for this error in logs, metrics and the shared vectors. Stable.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotBase64 => "not_base64",
            Self::NotV2 => "not_v2",
            Self::Truncated => "truncated",
            Self::Trailing => "trailing",
            Self::NonCanonical => "non_canonical",
            Self::UnexpectedField => "unexpected_field",
            Self::ThirdParty => "third_party",
            Self::TooManyCaveats => "too_many_caveats",
            Self::UnknownIdentifier => "unknown_identifier",
            Self::RetiredForm => "retired_form",
            Self::ServiceSignature => "service_signature",
            Self::BadSignature => "bad_signature",
            Self::Caveat { reason, .. } => reason.code(),
        }
    }
}

impl CaveatError {
    /// The word for this error in logs, metrics and the shared vectors. Stable.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "caveat_unknown",
            Self::Malformed => "caveat_malformed",
            Self::Conflict => "caveat_conflict",
            Self::DelegationWithoutBudget => "delegation_without_budget",
            Self::TooDeep => "too_deep",
        }
    }
}

impl ErrorClass {
    /// The word that problem documents and the shared vectors use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Retired => "retired_form",
            Self::Forged => "forged",
            Self::CaveatNotMet => "caveat_not_met",
        }
    }
}
