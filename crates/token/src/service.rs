//! What a resource server needs: its key, and one function.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subgrant_domain::{ServiceId, TenantId};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{CaveatFailure, Macaroon, RequestContext, RootKey, TokenError, VerifiedToken, key::SecretKey};

/// What the text of every verification key starts with, so that scanners for leaked secrets find it.
pub const VERIFICATION_KEY_PREFIX: &str = "svk_";

const VERSION: u8 = 1;
const BINARY_LEN: usize = 1 + 16 + 16 + 32;

/// What a service verifies the tokens with that are meant for it: its ids and its key. The same key makes their second
/// signature, so that whoever has it can deceive this service, and nobody else: Subgrant looks at the first.
///
/// As text: `svk_` and, in base64url without padding, `0x01 ‖ tenant id (16) ‖ service id (16) ‖ key (32)`.
pub struct VerificationKey {
    tenant: TenantId,
    service: ServiceId,
    secret: SecretKey,
    key: RootKey,
}

/// The text is not a verification key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a verification key is svk_ and 87 characters of base64url")]
pub struct KeyTextError;

/// Why a service refuses a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no token, not one for this service, or refused everywhere.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is good, but not for this request.
    #[error(transparent)]
    Request(#[from] CaveatFailure),
}

impl VerificationKey {
    /// The key of a service: 32 bytes from a cryptographic random number generator.
    pub fn new(tenant: TenantId, service: ServiceId, key: [u8; 32]) -> Self {
        Self { tenant, service, secret: SecretKey::new(key), key: RootKey::from_bytes(key) }
    }

    /// Reads what [`VerificationKey::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let base64 = text.strip_prefix(VERIFICATION_KEY_PREFIX).ok_or(KeyTextError)?;
        // Checked before anything is decoded: a header can be long.
        if base64.len() != (BINARY_LEN * 4).div_ceil(3) {
            return Err(KeyTextError);
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(base64).map_err(|_| KeyTextError)?);
        let (version, rest) = bytes.split_first().ok_or(KeyTextError)?;
        let (ids, key) = rest.split_at_checked(32).ok_or(KeyTextError)?;
        let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| KeyTextError);
        let (tenant, service) = (uuid(&ids[..16])?, uuid(&ids[16..])?);
        let key = key.try_into().map_err(|_| KeyTextError)?;
        if *version != VERSION {
            return Err(KeyTextError);
        }
        Ok(Self::new(TenantId::from_uuid(tenant), ServiceId::from_uuid(service), key))
    }

    /// The text to keep: a secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BINARY_LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.tenant.as_uuid().as_bytes());
        bytes.extend_from_slice(self.service.as_uuid().as_bytes());
        bytes.extend_from_slice(self.secret.bytes());
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str(VERIFICATION_KEY_PREFIX);
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut text);
        text
    }

    /// Whose tokens the service takes.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which service it is.
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// What makes the second signature of the tokens for this service.
    pub const fn signing_key(&self) -> &RootKey {
        &self.key
    }

    /// Whether both are the same service's same key, in a time that does not depend on where the keys differ.
    pub fn matches(&self, other: &Self) -> bool {
        let is_same_key: bool = self.secret.bytes().ct_eq(other.secret.bytes()).into();
        is_same_key && (self.tenant, self.service) == (other.tenant, other.service)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({}, redacted)", self.service)
    }
}

/// Verifies a token at the service that it is for, without asking anybody: its second signature, then caveats, then the
/// request.
///
/// The [`Scope`](crate::Scope) of what is returned holds the effective caveats of the whole chain. Of the request, the
/// service is filled in from the key; what else is left out refuses a token that has a caveat about it. What only the
/// ledger knows is not judged: how much is left of a budget, and whether a delegation was revoked. For the latter compare
/// [`VerifiedToken::delegations`] and [`VerifiedToken::last_digest`] with what the revocation feed has told. Whether the
/// first signature is right as well is found out by Subgrant, when the token is debited.
///
/// ```
/// use subgrant_token::{RequestContext, VerificationKey, verify};
///
/// let key = "svk_AQGTQAAAAAAAAAAAAAAAAAMBk0AAAAAAAAAAAAAAAAAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
/// let key = VerificationKey::parse(key)?;
/// let at = "2026-12-01T00:00:00Z".parse()?;
/// let request = RequestContext { method: Some("GET"), path: Some("/v1/reports"), ..RequestContext::at(at) };
/// assert!(verify("sgt_AgIhAg", &key, &request).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(
    token: &str,
    key: &VerificationKey,
    request: &RequestContext<'_>,
) -> Result<VerifiedToken, Refusal> {
    let macaroon = Macaroon::parse(token)?;
    if macaroon.identifier().tenant() != key.tenant {
        return Err(TokenError::BadSignature.into());
    }
    let verified = macaroon.verify_for_service(&key.key)?;
    if verified.nodes().is_empty() {
        // Nobody issues such a token: it would speak for the whole tenant.
        return Err(TokenError::BadSignature.into());
    }
    if verified.scope().audience != Some(key.service) {
        // Nor one that does not say whom it is for.
        return Err(CaveatFailure::Audience.into());
    }
    verified.scope().check_request(&RequestContext { service: Some(key.service), ..*request })?;
    Ok(verified)
}
