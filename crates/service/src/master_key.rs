//! The key under which root keys and those of services are sealed. It lives outside the database; there is no default.

use aes_gcm::{
    Aes256Gcm, Key, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subgrant_domain::{RootKeyId, ServiceId, TenantId};
use subgrant_store::{Database, StoreError, maintenance};
use subgrant_token::RootKey;
use uuid::Uuid;
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
        self.seal_bytes(root_key, &associated_data(tenant, id.as_uuid()))
    }

    /// The same for the key of a service.
    pub(crate) fn seal_service_key(&self, tenant: TenantId, id: ServiceId, key: &[u8; 32]) -> Vec<u8> {
        self.seal_bytes(key, &service_data(tenant, id))
    }

    fn seal_bytes(&self, key: &[u8; 32], associated_data: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: key, aad: associated_data };
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
        let opened = self.unseal_bytes(sealed, &associated_data(tenant, id.as_uuid()))?;
        Ok(RootKey::from_bytes(*opened))
    }

    /// Opens what [`MasterKey::seal_service_key`] sealed.
    pub(crate) fn unseal_service_key(
        &self,
        tenant: TenantId,
        id: ServiceId,
        sealed: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, UnsealError> {
        self.unseal_bytes(sealed, &service_data(tenant, id))
    }

    fn unseal_bytes(
        &self,
        sealed: &[u8],
        associated_data: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, UnsealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(UnsealError)?;
        let payload = Payload { msg: sealed, aad: associated_data };
        let opened =
            Zeroizing::new(self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| UnsealError)?);
        let mut key = Zeroizing::new([0; 32]);
        if opened.len() != key.len() {
            return Err(UnsealError);
        }
        key.copy_from_slice(&opened);
        Ok(key)
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

fn associated_data(tenant: TenantId, id: Uuid) -> [u8; 32] {
    let mut data = [0; 32];
    data[..16].copy_from_slice(tenant.as_uuid().as_bytes());
    data[16..].copy_from_slice(id.as_bytes());
    data
}

/// Of another kind than a root key's, so that nobody who writes to the database can make a service's key, which the
/// service knows, into one that signs for the whole tenant.
fn service_data(tenant: TenantId, id: ServiceId) -> Vec<u8> {
    [&associated_data(tenant, id.as_uuid())[..], b"subgrant/service-key/v1"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_key_of_a_service_is_no_root_key_of_the_same_id() {
        let (tenant, uuid) = (TenantId::from_uuid(Uuid::from_u128(1)), Uuid::from_u128(3));
        let master = MasterKey::generate();
        let sealed = master.seal_service_key(tenant, ServiceId::from_uuid(uuid), &[7; 32]);
        assert_eq!(*master.unseal_service_key(tenant, ServiceId::from_uuid(uuid), &sealed).unwrap(), [7; 32]);
        assert!(master.unseal(tenant, RootKeyId::from_uuid(uuid), &sealed).is_err());
        let other = ServiceId::from_uuid(Uuid::from_u128(4));
        assert!(master.unseal_service_key(tenant, other, &sealed).is_err());
        let root = master.seal(tenant, RootKeyId::from_uuid(uuid), &[7; 32]);
        assert!(master.unseal_service_key(tenant, ServiceId::from_uuid(uuid), &root).is_err());
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
