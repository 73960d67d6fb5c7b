//! Typed identifiers: a prefix that names the kind, then 26 lower-case Crockford base32 characters of a `UUIDv7`.

use std::{fmt, hash::Hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;
/// What each byte stands for: its place in [`ALPHABET`], if it is there.
static DIGITS: [Option<u8>; 256] = {
    let mut digits = [None; 256];
    let mut digit = 0;
    while digit < 32 {
        digits[ALPHABET[digit as usize] as usize] = Some(digit);
        digit += 1;
    }
    digits
};

/// What an [`Id`] identifies; supplies the prefix of its text form.
pub trait IdKind: Copy + Eq + Ord + Hash + Send + Sync + 'static {
    /// The text before the base32 part, underscore included.
    const PREFIX: &'static str;
}

/// An identifier of one kind. Ordered by creation time, because `UUIDv7` is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K: IdKind>(Uuid, PhantomData<K>);

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not start with the kind's prefix.
    #[error("the id must start with {0:?}")]
    WrongPrefix(&'static str),
    /// What follows the prefix is not 26 characters of lower-case Crockford base32 that fit 128 bits.
    #[error("the id must have 26 lower-case base32 characters after its prefix")]
    BadSuffix,
}

impl<K: IdKind> Id<K> {
    /// Wraps a UUID that is known to identify a `K`.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The underlying UUID, as the database stores it.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The 26 characters after the prefix. They double as the node's label in an `ltree` path.
    pub fn suffix(self) -> String {
        let value = self.0.as_u128();
        (0..SUFFIX_LEN)
            .rev()
            .map(|position| char::from(ALPHABET[((value >> (5 * position)) & 31) as usize]))
            .collect()
    }

    /// Reads the 26 characters that [`Id::suffix`] writes.
    pub fn from_suffix(suffix: &str) -> Result<Self, IdError> {
        // 26 characters carry 130 bits: the first one may only use its lowest three.
        if suffix.len() != SUFFIX_LEN || suffix.as_bytes()[0] > b'7' {
            return Err(IdError::BadSuffix);
        }
        let mut value = 0_u128;
        for byte in suffix.bytes() {
            let digit = DIGITS[usize::from(byte)].ok_or(IdError::BadSuffix)?;
            value = (value << 5) | u128::from(digit);
        }
        Ok(Self::from_uuid(Uuid::from_u128(value)))
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", K::PREFIX, self.suffix())
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_suffix(text.strip_prefix(K::PREFIX).ok_or(IdError::WrongPrefix(K::PREFIX))?)
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The kinds that [`Id`] is instantiated with.
pub mod kind {
    use super::IdKind;

    /// A tenant: one organisation with its tree.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Tenant;
    /// A person who signs in to the dashboard.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct User;
    /// A person's session in a browser.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Session;
    /// A delegation: one node of a tenant's tree.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Delegation;
    /// A ledger entry.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Spend;
    /// A hold.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Hold;
    /// A registered resource server.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Service;
    /// Something that happened, in the audit log.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Event;
    /// An alert.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Alert;
    /// A webhook.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Webhook;
    /// One HTTP request.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Request;
    /// A macaroon root key.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct RootKey;

    impl IdKind for Tenant {
        const PREFIX: &'static str = "ten_";
    }
    impl IdKind for User {
        const PREFIX: &'static str = "usr_";
    }
    impl IdKind for Session {
        const PREFIX: &'static str = "ses_";
    }
    impl IdKind for Delegation {
        const PREFIX: &'static str = "dlg_";
    }
    impl IdKind for Spend {
        const PREFIX: &'static str = "spd_";
    }
    impl IdKind for Hold {
        const PREFIX: &'static str = "hold_";
    }
    impl IdKind for Service {
        const PREFIX: &'static str = "svc_";
    }
    impl IdKind for Event {
        const PREFIX: &'static str = "evt_";
    }
    impl IdKind for Alert {
        const PREFIX: &'static str = "alr_";
    }
    impl IdKind for Webhook {
        const PREFIX: &'static str = "whk_";
    }
    impl IdKind for Request {
        const PREFIX: &'static str = "req_";
    }
    impl IdKind for RootKey {
        const PREFIX: &'static str = "key_";
    }
}

/// Identifies a tenant (`ten_…`).
pub type TenantId = Id<kind::Tenant>;
/// Identifies a dashboard user (`usr_…`).
pub type UserId = Id<kind::User>;
/// Identifies a session (`ses_…`); no secret.
pub type SessionId = Id<kind::Session>;
/// Identifies a delegation (`dlg_…`).
pub type DelegationId = Id<kind::Delegation>;
/// Identifies a ledger entry (`spd_…`).
pub type SpendId = Id<kind::Spend>;
/// Identifies a hold (`hold_…`).
pub type HoldId = Id<kind::Hold>;
/// Identifies a resource server (`svc_…`).
pub type ServiceId = Id<kind::Service>;
/// Identifies an alert (`alr_…`).
pub type AlertId = Id<kind::Alert>;
/// Identifies a webhook (`whk_…`).
pub type WebhookId = Id<kind::Webhook>;
/// Identifies an entry of the audit log, or what a webhook is told (`evt_…`).
pub type EventId = Id<kind::Event>;
/// Identifies an HTTP request (`req_…`).
pub type RequestId = Id<kind::Request>;
/// Identifies a macaroon root key; part of a token's identifier, never shown by the API.
pub type RootKeyId = Id<kind::RootKey>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extremes_round_trip() {
        for value in [0, 1, u128::MAX] {
            let id = DelegationId::from_uuid(Uuid::from_u128(value));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 30);
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7)).to_string();
        assert_eq!(tenant.parse::<DelegationId>(), Err(IdError::WrongPrefix("dlg_")));
    }

    #[test]
    fn overflowing_upper_case_and_multibyte_suffixes_are_refused() {
        for suffix in
            ["80000000000000000000000000", "0000000000000000000000000A", "000000000000000000000000é", ""]
        {
            assert_eq!(DelegationId::from_suffix(suffix), Err(IdError::BadSuffix), "{suffix}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips_and_keeps_order(left: u128, right: u128) {
            let (left, right) = (SpendId::from_uuid(Uuid::from_u128(left)), SpendId::from_uuid(Uuid::from_u128(right)));
            prop_assert_eq!(left.to_string().parse(), Ok(left));
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
        }
    }
}
