//! One key and identifier, and the forms in which tokens travel.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subgrant_token::{Identifier, Macaroon, RootKey, VerificationKey};

pub(crate) const LOCATION: &str = "https://subgrant.example/";
pub(crate) const KEY: [u8; 32] = *b"\0\x01\x02\x03\x04\x05\x06\x07 a key of thirty-two b\xff\xfe";

pub(crate) const SERVICE_KEY: [u8; 32] = *b"the key of a service, 32 bytes..";

pub(crate) fn root_key() -> RootKey {
    RootKey::from_bytes(KEY)
}

pub(crate) fn identifier() -> Identifier {
    Identifier::Subgrant {
        tenant: "ten_01jd0000000000000000000003".parse().unwrap(),
        root_key: "key_01jd0000000000000000000004".parse().unwrap(),
    }
}

pub(crate) fn l402_identifier() -> Identifier {
    Identifier::L402 {
        payment_hash: [0xab; 32],
        tenant: identifier().tenant(),
        root_key: identifier().root_key(),
    }
}

/// The key of the service that some tokens are for.
pub(crate) fn service_key() -> VerificationKey {
    let service = "svc_01jd0000000000000000000007".parse().unwrap();
    VerificationKey::new(identifier().tenant(), service, SERVICE_KEY)
}

/// A token made by the crate under test.
pub(crate) fn ours<C: AsRef<[u8]>>(identifier: &Identifier, caveats: &[C]) -> Macaroon {
    Macaroon::mint(&root_key(), LOCATION, identifier)
        .unwrap()
        .attenuate_bytes(caveats.iter().map(AsRef::as_ref))
        .unwrap()
}

/// A token's text as other libraries read it.
pub(crate) fn without_prefix(token: &Macaroon) -> String {
    token.to_text().strip_prefix("sgt_").unwrap().to_owned()
}

pub(crate) fn to_bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.trim_start_matches("sgt_").trim_end_matches('=')).unwrap()
}

pub(crate) fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
