//! The key under which root keys are sealed. It lives outside the database; there is no default.

use aes_gcm::{
    Aes256Gcm, Key, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subgrant_domain::{RootKeyId, TenantId};
use subgrant_store::{Database, StoreError, maintenance};
use subgrant_token::RootKey;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;

/// 32 secret bytes. Redacted in every output.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// The text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 64 hexadecimal digits (32 bytes), as `openssl rand -hex 32` prints")]
pub struct MasterKeyError;

/// A sealed root key was stored under another master key, or was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a root key cannot be unsealed: the master key is not the one it was sealed with, or the row was altered"
)]
pub struct UnsealError;

impl MasterKey {
    /// A fresh key from the system's random number generator.
    pub fn generate() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// Reads 64 hexadecimal digits; surrounding white space is ignored.
    pub fn from_hex(text: &str) -> Result<Self, MasterKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *key).map_err(|_| MasterKeyError)?;
        Ok(Self(key))
    }

    /// What [`MasterKey::from_hex`] reads, for the file that keeps it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }

    /// By what a database remembers its master key: a digest, from which 32 random bytes cannot be found.
    fn digest(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"subgrant/master-key/v1").chain_update(*self.0).finalize().into()
    }

    /// Whether this is the key that the root keys of `database` are sealed with. The first key that a database is used
    /// with becomes that key.
    pub async fn belongs_to(&self, database: &Database) -> Result<bool, StoreError> {
        let digest = self.digest();
        Ok(maintenance::master_key_digest(database, &digest).await? == digest)
    }

    /// Whether it is not another one's, as far as is known: nothing is written.
    pub(crate) async fn is_that_of(&self, database: &Database) -> Result<bool, StoreError> {
        let entered = maintenance::entered_master_key_digest(database).await?;
        Ok(entered.is_none_or(|entered| entered == self.digest()))
    }

    /// An authentication code for what this service writes into the database and must know again as its own.
    pub(crate) fn code(&self, message: &[u8]) -> [u8; 32] {
        let key = Sha256::new().chain_update(b"subgrant/code/v1").chain_update(*self.0).finalize();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Seals a root key: nonce, ciphertext and tag, bound to its tenant and id.
    pub(crate) fn seal(&self, tenant: TenantId, id: RootKeyId, root_key: &[u8; 32]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: root_key, aad: &associated_data(tenant, id) };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .expect("32 bytes are within AES-GCM's limits");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`MasterKey::seal`] sealed.
    pub(crate) fn unseal(
        &self,
        tenant: TenantId,
        id: RootKeyId,
        sealed: &[u8],
    ) -> Result<RootKey, UnsealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(UnsealError)?;
        let payload = Payload { msg: sealed, aad: &associated_data(tenant, id) };
        let opened =
            Zeroizing::new(self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| UnsealError)?);
        Ok(RootKey::from_bytes(opened.as_slice().try_into().map_err(|_| UnsealError)?))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*self.0))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

fn associated_data(tenant: TenantId, id: RootKeyId) -> [u8; 32] {
    let mut data = [0; 32];
    data[..16].copy_from_slice(tenant.as_uuid().as_bytes());
    data[16..].copy_from_slice(id.as_uuid().as_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_sealed_key_opens_only_for_its_tenant_id_and_master_key() {
        let (tenant, other) =
            (TenantId::from_uuid(Uuid::from_u128(1)), TenantId::from_uuid(Uuid::from_u128(2)));
        let (id, other_id) =
            (RootKeyId::from_uuid(Uuid::from_u128(3)), RootKeyId::from_uuid(Uuid::from_u128(4)));
        let master = MasterKey::generate();
        let sealed = master.seal(tenant, id, &[7; 32]);
        assert_eq!(sealed.len(), 60, "the length that the schema checks");
        assert!(master.unseal(tenant, id, &sealed).is_ok());
        assert!(master.unseal(other, id, &sealed).is_err());
        assert!(master.unseal(tenant, other_id, &sealed).is_err());
        assert!(MasterKey::generate().unseal(tenant, id, &sealed).is_err());
        let mut altered = sealed;
        altered[20] ^= 1;
        assert!(master.unseal(tenant, id, &altered).is_err());
        assert!(master.unseal(tenant, id, &[]).is_err());
    }

    #[test]
    fn the_hex_form_round_trips_and_nothing_else_is_read() {
        let key = MasterKey::generate();
        assert_eq!(MasterKey::from_hex(&format!("{}\n", *key.to_hex())).unwrap().0, key.0);
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
            assert!(MasterKey::from_hex(text).is_err(), "{text}");
        }
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
    }
}
