//! A token as it was read or made: its parts, with nothing proven.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    Caveat, CaveatError, Identifier, MAX_CAVEATS, RootKey, TokenError, VerifiedToken, armor,
    caveat_list::CaveatList, chain, codec, signature::Signature,
};

/// A macaroon: identifier, caveats, and a signature that has not been checked.
///
/// A bearer secret: `Debug` shows the fingerprint only, and [`Macaroon::to_text`] is the one way to its bytes.
#[derive(Clone)]
pub struct Macaroon {
    location: Option<String>,
    identifier: Identifier,
    caveats: CaveatList,
    signature: Signature,
}

impl Macaroon {
    /// Makes a token without caveats, a tenant's root token. `location` is the service's public URL, a hint that
    /// nothing signs. Fails with [`TokenError::TooLarge`] when the location alone exceeds the limit.
    pub fn mint(root_key: &RootKey, location: &str, identifier: &Identifier) -> Result<Self, TokenError> {
        let minted = Self {
            location: Some(location.to_owned()),
            identifier: *identifier,
            caveats: CaveatList::default(),
            signature: Signature::of_identifier(root_key, &identifier.encode()),
        };
        minted.within_limits()
    }

    /// Reads a token: `sgt_` (optional) and base64 in either alphabet, padded or not, of one V2 binary macaroon.
    ///
    /// At most [`crate::MAX_TEXT_BYTES`] and [`MAX_CAVEATS`]; no third-party caveats; nothing after the signature.
    /// Every error is of the class [`crate::ErrorClass::Malformed`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let binary = armor::decode(text)?;
        let envelope = codec::decode(&binary)?;
        Ok(Self {
            identifier: Identifier::decode(envelope.identifier)?,
            location: envelope.location.map(str::to_owned),
            caveats: envelope.caveats,
            signature: envelope.signature,
        })
    }

    /// Appends caveats, in order. Needs no key: this is how a holder narrows a token before handing it on.
    ///
    /// Fails when the result would exceed the limits, or when a caveat has no valid text (an empty list, a list of
    /// more than 256 bytes, an instant outside the supported years); the index is that in the resulting token.
    pub fn attenuate<'a>(&self, caveats: impl IntoIterator<Item = &'a Caveat>) -> Result<Self, TokenError> {
        let mut texts = Vec::new();
        for (offset, caveat) in caveats.into_iter().enumerate() {
            let text = caveat.to_string();
            // Values are built from public types, some of which can hold what no text may say.
            if text.parse::<Caveat>().is_err() {
                return Err(TokenError::Caveat {
                    index: self.caveats.len() + offset,
                    reason: CaveatError::Malformed,
                });
            }
            texts.push(text);
        }
        self.attenuate_bytes(texts.iter().map(String::as_bytes))
    }

    /// Appends caveats as they are, whatever they say, as a foreign macaroon library would. For tests against those.
    pub fn attenuate_bytes<'a>(
        &self,
        caveats: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, TokenError> {
        let mut attenuated = self.clone();
        for caveat in caveats {
            attenuated.signature = attenuated.signature.extend(caveat);
            attenuated.caveats.push(caveat);
        }
        attenuated.within_limits()
    }

    /// Checks the signature in constant time, then reads the caveats and works out what they permit together.
    ///
    /// Fails with [`TokenError::BadSignature`], or with [`TokenError::Caveat`] for the first caveat that refuses the
    /// token whatever the request.
    pub fn verify(&self, root_key: &RootKey) -> Result<VerifiedToken, TokenError> {
        let of_identifier = Signature::of_identifier(root_key, &self.identifier.encode());
        let mut after_caveat: Vec<Signature> = Vec::with_capacity(self.caveats.len());
        for caveat in self.caveats.iter() {
            let next = after_caveat.last().unwrap_or(&of_identifier).extend(caveat);
            after_caveat.push(next);
        }
        if !after_caveat.last().unwrap_or(&of_identifier).matches(&self.signature) {
            return Err(TokenError::BadSignature);
        }
        chain::read(self.identifier, &self.caveats, &after_caveat)
    }

    /// The text to hand out: `sgt_` and base64url without padding.
    pub fn to_text(&self) -> String {
        armor::encode(&self.to_binary())
    }

    /// Which tenant's which root key is said to have signed it.
    pub const fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The unsigned hint where the token might be used. Anyone can change it: never decide by it, never log it.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// What the caveats say, with replacement characters where they are not UTF-8. Nothing proves that they were not
    /// made up: for looking at, never to decide by.
    pub fn unverified_caveats(&self) -> impl Iterator<Item = String> {
        self.caveats.iter().map(|caveat| String::from_utf8_lossy(caveat).into_owned())
    }

    /// Eight hexadecimal digits of `SHA-256("subgrant/fingerprint/v1" ‖ binary token)`: safe to log.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(b"subgrant/fingerprint/v1").chain_update(self.to_binary()).finalize();
        let [first, second, third, fourth, ..]: [u8; 32] = digest.into();
        format!("{:08x}", u32::from_be_bytes([first, second, third, fourth]))
    }

    fn to_binary(&self) -> Vec<u8> {
        codec::encode(self.location.as_deref(), &self.identifier.encode(), &self.caveats, &self.signature)
    }

    fn within_limits(self) -> Result<Self, TokenError> {
        if self.caveats.len() > MAX_CAVEATS {
            return Err(TokenError::TooManyCaveats);
        }
        if self.to_binary().len() > armor::MAX_BINARY_BYTES {
            return Err(TokenError::TooLarge);
        }
        Ok(self)
    }
}

impl fmt::Debug for Macaroon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Macaroon({})", self.fingerprint())
    }
}
