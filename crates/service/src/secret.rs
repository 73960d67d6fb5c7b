//! Secrets that people are sent.

use sha2::{Digest, Sha256};
use subgrant_domain::TenantId;
use zeroize::Zeroizing;

/// 32 secret bytes with the tenant that they belong to, so that its shard can be found.
#[derive(Clone)]
pub(crate) struct TenantSecret {
    pub(crate) tenant: TenantId,
    secret: Zeroizing<[u8; 32]>,
}

impl TenantSecret {
    pub(crate) fn new(tenant: TenantId, secret: [u8; 32]) -> Self {
        Self { tenant, secret: Zeroizing::new(secret) }
    }

    /// Reads what [`Self::to_text`] writes after its prefix.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (tenant, hex) = text.split_once('.')?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, &mut *secret).ok()?;
        Some(Self { tenant: TenantId::from_suffix(tenant).ok()?, secret })
    }

    pub(crate) fn to_text(&self, prefix: &str) -> Zeroizing<String> {
        let hex = Zeroizing::new(hex::encode(*self.secret));
        Zeroizing::new(format!("{prefix}{}.{}", self.tenant.suffix(), *hex))
    }

    /// As it is stored.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(*self.secret).into()
    }
}
