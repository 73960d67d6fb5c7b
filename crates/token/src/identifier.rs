//! What a token says about which key signed it.

use subgrant_domain::{RootKeyId, TenantId};
use uuid::Uuid;

use crate::TokenError;

const SUBGRANT_TAG: u8 = 1;
/// The first form of tokens for a service, signed under that service's key alone, which let it climb to ancestors.
const RETIRED_TAG: u8 = 2;
const SUBGRANT_LEN: usize = 33;
const L402_VERSION: [u8; 2] = [0, 0];
const L402_LEN: usize = 66;

/// The first, signed part of every token. Before verification it is a claim, good for finding the key only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// `0x01 ‖ tenant id (16 bytes) ‖ root key id (16 bytes)`.
    Subgrant {
        /// Whose token it is.
        tenant: TenantId,
        /// Which of the tenant's root keys signed it.
        root_key: RootKeyId,
    },
    /// A token sold through L402: `u16 0 ‖ payment hash (32 bytes) ‖ token id (32 bytes)`, where the token id is
    /// `tenant id ‖ root key id`. Format: bLIP 26, "Macaroon identifier".
    L402 {
        /// The hash whose preimage proves the payment. Checking it is the caller's part.
        payment_hash: [u8; 32],
        /// Whose token it is.
        tenant: TenantId,
        /// Which of the tenant's root keys signed it.
        root_key: RootKeyId,
    },
}

impl Identifier {
    /// Whose token it is.
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Subgrant { tenant, .. } | Self::L402 { tenant, .. } => *tenant,
        }
    }

    /// Which of the tenant's root keys signed it.
    pub const fn root_key(&self) -> RootKeyId {
        match self {
            Self::Subgrant { root_key, .. } | Self::L402 { root_key, .. } => *root_key,
        }
    }

    /// The bytes that the first signature covers: 33, or 66 for L402.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(L402_LEN);
        match self {
            Self::Subgrant { .. } => bytes.push(SUBGRANT_TAG),
            Self::L402 { payment_hash, .. } => {
                bytes.extend_from_slice(&L402_VERSION);
                bytes.extend_from_slice(payment_hash);
            }
        }
        bytes.extend_from_slice(self.tenant().as_uuid().as_bytes());
        bytes.extend_from_slice(self.root_key().as_uuid().as_bytes());
        bytes
    }

    /// Reads what [`Identifier::encode`] writes. `0x02 ‖ 32 bytes` is [`TokenError::RetiredForm`], anything else
    /// [`TokenError::UnknownIdentifier`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        match bytes {
            [SUBGRANT_TAG, ids @ ..] if bytes.len() == SUBGRANT_LEN => {
                let (tenant, root_key) = ids_from(ids)?;
                Ok(Self::Subgrant { tenant, root_key })
            }
            [RETIRED_TAG, ..] if bytes.len() == SUBGRANT_LEN => Err(TokenError::RetiredForm),
            [0, 0, rest @ ..] if bytes.len() == L402_LEN => {
                let (payment_hash, ids) = rest.split_first_chunk().ok_or(TokenError::UnknownIdentifier)?;
                let (tenant, root_key) = ids_from(ids)?;
                Ok(Self::L402 { payment_hash: *payment_hash, tenant, root_key })
            }
            _ => Err(TokenError::UnknownIdentifier),
        }
    }
}

/// The tenant's id and the root key's.
fn ids_from(bytes: &[u8]) -> Result<(TenantId, RootKeyId), TokenError> {
    let (tenant, root_key) = bytes.split_at_checked(16).ok_or(TokenError::UnknownIdentifier)?;
    let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| TokenError::UnknownIdentifier);
    Ok((TenantId::from_uuid(uuid(tenant)?), RootKeyId::from_uuid(uuid(root_key)?)))
}
