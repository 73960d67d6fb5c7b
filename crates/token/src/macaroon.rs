//! A token as it was read or made: its parts, with nothing proven.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    Caveat, CaveatError, Identifier, MAX_CAVEATS, NodeDigest, RootKey, TokenError, VerificationKey,
    VerifiedToken, armor, caveat_list::CaveatList, chain, codec, signature::Signature,
};

/// A macaroon: identifier, caveats, and a signature that has not been checked; where it is for a service, a second one
/// over the same identifier and caveats, under that service's key.
///
/// Subgrant looks at the first alone, the service at the second alone ([`crate::verify`]): neither can make the other's.
/// A bearer secret: `Debug` shows the fingerprint only, and [`Macaroon::to_text`] is the one way to its bytes.
#[derive(Clone)]
pub struct Macaroon {
    location: Option<String>,
    identifier: Identifier,
    caveats: CaveatList,
    signature: Signature,
    for_service: Option<Signature>,
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
            for_service: None,
        };
        minted.within_limits()
    }

    /// Reads a token: `sgt_` (optional) and base64 in either alphabet, padded or not, of one V2 binary macaroon; then, for a
    /// service, a dot and base64 of the second signature.
    ///
    /// At most [`crate::MAX_TEXT_BYTES`] and [`MAX_CAVEATS`]; no third-party caveats; nothing after the signature.
    /// Every error is of the class [`crate::ErrorClass::Malformed`], except [`TokenError::RetiredForm`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (binary, for_service) = armor::decode(text)?;
        let envelope = codec::decode(&binary)?;
        Ok(Self {
            identifier: Identifier::decode(envelope.identifier)?,
            location: envelope.location.map(str::to_owned),
            caveats: envelope.caveats,
            signature: envelope.signature,
            for_service: for_service.map(Signature::from_bytes),
        })
    }

    /// Appends caveats, in order, to both chains. Needs no key: this is how a holder narrows a token before handing it on.
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
            attenuated.for_service = attenuated.for_service.map(|signature| signature.extend(caveat));
            attenuated.caveats.push(caveat);
        }
        attenuated.within_limits()
    }

    /// Checks the signature in constant time, then reads the caveats and works out what they permit together.
    ///
    /// Fails with [`TokenError::BadSignature`], or with [`TokenError::Caveat`] for the first caveat that refuses the
    /// token whatever the request.
    pub fn verify(&self, root_key: &RootKey) -> Result<VerifiedToken, TokenError> {
        self.verify_chain(root_key, &self.signature)
    }

    /// The same for the second signature, under the key of a service; without one the token is not for a service. The
    /// digests of what is returned are those of the service's own chain.
    pub(crate) fn verify_for_service(&self, key: &RootKey) -> Result<VerifiedToken, TokenError> {
        self.verify_chain(key, self.for_service.as_ref().ok_or(TokenError::BadSignature)?)
    }

    /// The same token with the second signature that lets the service verify it, made anew over the whole chain.
    pub fn with_service_signature(&self, key: &VerificationKey) -> Result<Self, TokenError> {
        let last = self.chain(key.signing_key()).pop();
        Self { for_service: last, ..self.clone() }.within_limits()
    }

    /// The same token for Subgrant alone.
    #[must_use]
    pub fn without_service_signature(&self) -> Self {
        Self { for_service: None, ..self.clone() }
    }

    /// Whether there is a second signature. Nothing proves that it is right.
    pub const fn has_service_signature(&self) -> bool {
        self.for_service.is_some()
    }

    /// The digests of its nodes, from the root down, in the chain of a service: what that service finds when it verifies.
    /// Proves nothing: a `budget` caveat counts wherever it stands.
    pub fn service_digests(&self, key: &VerificationKey) -> Vec<NodeDigest> {
        let opens = |caveat: &[u8]| matches!(Caveat::from_bytes(caveat), Ok(Caveat::Budget(_)));
        let after_caveat = self.chain(key.signing_key()).into_iter().skip(1);
        let opened = self.caveats.iter().zip(after_caveat).filter(|(caveat, _)| opens(caveat));
        opened.map(|(_, signature)| signature.node_digest()).collect()
    }

    fn verify_chain(&self, key: &RootKey, presented: &Signature) -> Result<VerifiedToken, TokenError> {
        let chain = self.chain(key);
        if !chain.last().is_some_and(|last| last.matches(presented)) {
            return Err(TokenError::BadSignature);
        }
        chain::read(self.identifier, &self.caveats, &chain[1..])
    }

    /// The signature of the identifier, and that after each caveat.
    fn chain(&self, key: &RootKey) -> Vec<Signature> {
        let mut chain = Vec::with_capacity(self.caveats.len() + 1);
        let mut last = Signature::of_identifier(key, &self.identifier.encode());
        for caveat in self.caveats.iter() {
            let next = last.extend(caveat);
            chain.push(std::mem::replace(&mut last, next));
        }
        chain.push(last);
        chain
    }

    /// The text to hand out: `sgt_` and base64url without padding; for a service a dot and the second signature likewise.
    pub fn to_text(&self) -> String {
        armor::encode(&self.to_binary(), self.for_service.as_ref().map(Signature::bytes))
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

    /// Eight hexadecimal digits of `SHA-256("subgrant/fingerprint/v1" ‖ binary macaroon)`: safe to log.
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
        if self.to_binary().len() > armor::max_binary_bytes(self.for_service.is_some()) {
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
