//! What a token says about which key signed it.

use subgrant_domain::{Id, IdKind, RootKeyId, ServiceId, TenantId};
use uuid::Uuid;

use crate::TokenError;

const SUBGRANT_TAG: u8 = 1;
const SERVICE_TAG: u8 = 2;
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
    /// `0x02 ‖ tenant id (16 bytes) ‖ service id (16 bytes)`: a token for one service, signed under that service's key, so
    /// that the service can verify it and no other token. It is an `audience` caveat as well: see [`crate::Scope`].
    Service {
        /// Whose token it is.
        tenant: TenantId,
        /// Whose key signed it, and where alone it may be used.
        service: ServiceId,
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
            Self::Subgrant { tenant, .. } | Self::Service { tenant, .. } | Self::L402 { tenant, .. } => {
                *tenant
            }
        }
    }

    /// Which of the tenant's root keys signed it; `None`: that of a service did.
    pub const fn root_key(&self) -> Option<RootKeyId> {
        match self {
            Self::Subgrant { root_key, .. } | Self::L402 { root_key, .. } => Some(*root_key),
            Self::Service { .. } => None,
        }
    }

    /// For which service it was signed.
    pub const fn service(&self) -> Option<ServiceId> {
        match self {
            Self::Service { service, .. } => Some(*service),
            Self::Subgrant { .. } | Self::L402 { .. } => None,
        }
    }

    /// The bytes that the first signature covers: 33, or 66 for L402.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(L402_LEN);
        let signed_by = match self {
            Self::Subgrant { root_key, .. } => {
                bytes.push(SUBGRANT_TAG);
                root_key.as_uuid()
            }
            Self::Service { service, .. } => {
                bytes.push(SERVICE_TAG);
                service.as_uuid()
            }
            Self::L402 { payment_hash, root_key, .. } => {
                bytes.extend_from_slice(&L402_VERSION);
                bytes.extend_from_slice(payment_hash);
                root_key.as_uuid()
            }
        };
        bytes.extend_from_slice(self.tenant().as_uuid().as_bytes());
        bytes.extend_from_slice(signed_by.as_bytes());
        bytes
    }

    /// Reads what [`Identifier::encode`] writes; anything else is [`TokenError::UnknownIdentifier`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        match bytes {
            [SUBGRANT_TAG, ids @ ..] if bytes.len() == SUBGRANT_LEN => {
                let (tenant, root_key) = ids_from(ids)?;
                Ok(Self::Subgrant { tenant, root_key })
            }
            [SERVICE_TAG, ids @ ..] if bytes.len() == SUBGRANT_LEN => {
                let (tenant, service) = ids_from(ids)?;
                Ok(Self::Service { tenant, service })
            }
            [0, 0, rest @ ..] if bytes.len() == L402_LEN => {
                let (payment_hash, ids) = rest.split_first_chunk().ok_or(TokenError::UnknownIdentifier)?;
                let (tenant, root_key) = ids_from(ids)?;
                Ok(Self::L402 { payment_hash: *payment_hash, tenant, root_key })
            }
            _ => Err(TokenError::UnknownIdentifier),
        }
    }
}

/// The tenant's id, and that of the key or service.
fn ids_from<K: IdKind>(bytes: &[u8]) -> Result<(TenantId, Id<K>), TokenError> {
    let (tenant, signed_by) = bytes.split_at_checked(16).ok_or(TokenError::UnknownIdentifier)?;
    let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| TokenError::UnknownIdentifier);
    Ok((TenantId::from_uuid(uuid(tenant)?), Id::from_uuid(uuid(signed_by)?)))
}
