//! Root keys, and what is derived from them beside signatures.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subgrant_domain::DelegationId;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{Nonce, hmac_key::HmacKey};

/// The HMAC key with which every libmacaroons-compatible library turns a secret into a root signature key.
const KEY_GENERATOR: &[u8; 32] = b"macaroons-key-generator\0\0\0\0\0\0\0\0\0";

/// A tenant's secret from which its tokens are signed: 32 random bytes, wiped from memory when dropped.
///
/// Has no `Display`, no serialisation and no way back to the bytes; `Debug` is redacted.
#[derive(ZeroizeOnDrop)]
pub struct RootKey {
    bytes: [u8; 32],
    chain_key: HmacKey,
}

impl RootKey {
    /// Wraps 32 bytes from a cryptographic random number generator.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let derived = Zeroizing::new(HmacKey::new(KEY_GENERATOR).sign(&bytes));
        Self { bytes, chain_key: HmacKey::new(&derived) }
    }

    /// What signs the identifier of each of its tokens, `HMAC(generator, root key)`, worked out once for all of them.
    pub(crate) const fn chain_key(&self) -> &HmacKey {
        &self.chain_key
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

/// The same 32 bytes where they must be written out again, in the text of a verification key: wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub(crate) struct SecretKey([u8; 32]);

impl SecretKey {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The nonce of the block that the server mints for a node, so that the same token can be minted again without storing
/// a secret, and nobody who sees the id can compute the block. Same as [`derive_rotated_nonce`] before any rotation.
pub fn derive_nonce(root_key: &RootKey, id: DelegationId) -> Nonce {
    derive_rotated_nonce(root_key, id, 0)
}

/// The nonce of a node's block after so many rotations: another one each time, and hence another digest. The first 96
/// bits of `HMAC-SHA256(root key, "subgrant/nonce/v1" ‖ the id's 16 bytes ‖ u32 rotations, big-endian)`.
pub fn derive_rotated_nonce(root_key: &RootKey, id: DelegationId, rotations: u32) -> Nonce {
    let mut mac = Hmac::<Sha256>::new_from_slice(&root_key.bytes).expect("HMAC takes keys of any length");
    mac.update(b"subgrant/nonce/v1");
    mac.update(id.as_uuid().as_bytes());
    mac.update(&rotations.to_be_bytes());
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    let (nonce, _) = digest.split_first_chunk().expect("a digest of 32 bytes holds 12");
    Nonce::from_bytes(*nonce)
}

/// A secret that is no token, so that it can be shown again to a repeated request without being stored:
/// `HMAC-SHA256(root key, "subgrant/secret/v1" ‖ u8 length of purpose ‖ purpose ‖ subject)`.
pub fn derive_secret(root_key: &RootKey, purpose: &str, subject: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&root_key.bytes).expect("HMAC takes keys of any length");
    mac.update(b"subgrant/secret/v1");
    mac.update(&[u8::try_from(purpose.len()).expect("purposes are short words")]);
    mac.update(purpose.as_bytes());
    mac.update(subject);
    mac.finalize().into_bytes().into()
}
