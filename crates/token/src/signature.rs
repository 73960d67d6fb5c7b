//! The chain of HMACs, and the digests under which the ledger knows its links.

use std::fmt;

use sha2::{Digest, Sha256};
use subgrant_domain::DelegationId;
use subtle::ConstantTimeEq;
use uuid::Builder;
use zeroize::ZeroizeOnDrop;

use crate::{
    RootKey,
    hmac_key::{HmacKey, SecretBytes},
};

/// A signature of the chain. Whoever holds one can append caveats, so it is a secret: wiped, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct Signature(SecretBytes<32>);

impl Signature {
    /// The first link: `HMAC(HMAC(generator, root key), identifier)`.
    pub(crate) fn of_identifier(root_key: &RootKey, identifier: &[u8]) -> Self {
        Self::from_bytes(root_key.chain_key().sign(identifier))
    }

    /// The next link: `HMAC(this, caveat)`.
    pub(crate) fn extend(&self, caveat: &[u8]) -> Self {
        Self::from_bytes(HmacKey::new(self.bytes()).sign(caveat))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    /// The key of the node that this link opens.
    pub(crate) fn node_digest(&self) -> NodeDigest {
        let digest = Sha256::new().chain_update(b"subgrant/node/v1").chain_update(self.bytes());
        NodeDigest(digest.finalize().into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(SecretBytes(bytes))
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

/// The key of a node of the tree: `SHA-256("subgrant/node/v1" ‖ signature right after its budget caveat)`.
///
/// Not a secret: no signature can be computed from it. It commits to everything before and including the budget caveat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeDigest([u8; 32]);

impl NodeDigest {
    /// Wraps a digest that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest, as the database stores it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of a node whose block carries no `delegation` caveat: the digest's first 16 bytes as a UUID of
    /// version 8 (RFC 9562, section 5.8). Never equal to an id that the server makes, which has version 7.
    pub fn derived_id(&self) -> DelegationId {
        let (bytes, _) = self.0.split_first_chunk().expect("a digest of 32 bytes holds 16");
        DelegationId::from_uuid(Builder::from_custom_bytes(*bytes).into_uuid())
    }
}

impl fmt::Debug for NodeDigest {
    /// Eight hexadecimal digits: enough to find the node in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, ..] = self.0;
        write!(f, "{:08x}…", u32::from_be_bytes([first, second, third, fourth]))
    }
}
