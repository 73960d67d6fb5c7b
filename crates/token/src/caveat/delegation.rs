//! Who a block says it belongs to.

use std::{fmt, str::FromStr};

use subgrant_domain::DelegationId;

use crate::CaveatError;

/// 96 bits that make a block unguessable for those who only know its public id. Shown in the token and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 12]);

impl Nonce {
    /// Wraps 12 bytes, random or from [`crate::derive_nonce`].
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(redacted)")
    }
}

/// A node's public id and its nonce; written `dlg_….` and 24 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelegationClaim {
    /// The id under which listings show the node.
    pub id: DelegationId,
    /// What no listing shows.
    pub nonce: Nonce,
}

impl fmt::Display for DelegationClaim {
    /// Writes the secret nonce, as the token must. `Debug` redacts it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.id)?;
        self.nonce.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DelegationClaim {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, digits) = text.split_once('.').ok_or(CaveatError::Malformed)?;
        let id = id.parse().map_err(|_| CaveatError::Malformed)?;
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return Err(CaveatError::Malformed);
        };
        let pairs: &[[u8; 2]; 12] = pairs.try_into().map_err(|_| CaveatError::Malformed)?;
        let mut bytes = [0; 12];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Ok(Self { id, nonce: Nonce(bytes) })
    }
}

fn hex_digit(letter: u8) -> Result<u8, CaveatError> {
    match letter {
        b'0'..=b'9' => Ok(letter - b'0'),
        b'a'..=b'f' => Ok(letter - b'a' + 10),
        _ => Err(CaveatError::Malformed),
    }
}
