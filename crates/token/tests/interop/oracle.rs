//! The crate `macaroon` as the oracle: generated tokens must mean the same to both, and mutated ones at most to it.

use macaroon::{Format, MacaroonKey, Verifier};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use subgrant_token::Macaroon;

use crate::support::{KEY, LOCATION, identifier, ours, root_key, to_bytes, to_text, without_prefix};

/// The same token as [`ours`], made by the oracle.
pub(crate) fn theirs<C: AsRef<[u8]>>(identifier: &[u8], caveats: &[C]) -> macaroon::Macaroon {
    signed_by(&KEY, identifier, caveats)
}

/// The same under another key, such as a service's.
pub(crate) fn signed_by<C: AsRef<[u8]>>(
    key: &[u8; 32],
    identifier: &[u8],
    caveats: &[C],
) -> macaroon::Macaroon {
    let key = MacaroonKey::generate(key);
    let mut token = macaroon::Macaroon::create(Some(LOCATION.into()), &key, identifier.into()).unwrap();
    for caveat in caveats {
        token.add_first_party_caveat(caveat.as_ref().into());
    }
    token
}

/// The digest of a node whose budget caveat is the last of `caveats`, from the oracle's signature.
pub(crate) fn node_digest<C: AsRef<[u8]>>(key: &[u8; 32], identifier: &[u8], caveats: &[C]) -> [u8; 32] {
    let signature = signed_by(key, identifier, caveats).signature();
    Sha256::digest([b"subgrant/node/v1".as_slice(), &signature].concat()).into()
}

/// Whether the oracle finds the signature right.
fn is_genuine(token: &macaroon::Macaroon, key: &[u8; 32]) -> bool {
    let mut verifier = Verifier::default();
    verifier.satisfy_general(|_| true);
    verifier.verify(token, &MacaroonKey::generate(key), Vec::new()).is_ok()
}

fn any_caveats() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..12)
}

proptest! {
    #[test]
    fn both_make_the_same_bytes(caveats in any_caveats()) {
        let theirs = theirs(&identifier().encode(), &caveats);
        let ours = ours(&identifier(), &caveats);
        prop_assert_eq!(to_bytes(&theirs.serialize(Format::V2).unwrap()), to_bytes(&ours.to_text()));
    }

    #[test]
    fn the_oracle_finds_our_signatures_right_under_the_right_key_only(caveats in any_caveats()) {
        let read = macaroon::Macaroon::deserialize(without_prefix(&ours(&identifier(), &caveats))).unwrap();
        prop_assert!(is_genuine(&read, &KEY));
        prop_assert!(!is_genuine(&read, &[1; 32]));
    }

    #[test]
    fn each_signs_on_where_the_other_stopped(first in any_caveats(), second in any_caveats()) {
        let mut read = macaroon::Macaroon::deserialize(without_prefix(&ours(&identifier(), &first))).unwrap();
        for caveat in &second {
            read.add_first_party_caveat(caveat.as_slice().into());
        }
        let all = [first.as_slice(), &second].concat();
        let back = Macaroon::parse(&read.serialize(Format::V2).unwrap()).unwrap();
        prop_assert_eq!(back.to_text(), ours(&identifier(), &all).to_text());
    }

    #[test]
    fn the_digest_is_taken_from_the_signature_after_the_budget(
        before in "[a-z]{1,20}",
        after in "[a-z]{1,20}",
    ) {
        let caveats = [format!("cost_center = {before}"), "budget = 5".into(), format!("label = {after}")];
        let verified = ours(&identifier(), &caveats).verify(&root_key()).unwrap();
        let expected = node_digest(&KEY, &identifier().encode(), &caveats[..2]);
        prop_assert_eq!(*verified.last_digest().unwrap().as_bytes(), expected);
    }

    #[test]
    fn whatever_is_accepted_here_the_oracle_reads_alike(
        caveats in any_caveats(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        key in prop::sample::select(vec![KEY, [1; 32]]),
    ) {
        let mut bytes = to_bytes(&ours(&identifier(), &caveats).to_text());
        for (index, value) in edits {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Ok(token) = Macaroon::parse(&to_text(&bytes)) {
            let theirs = macaroon::Macaroon::deserialize_binary(&bytes).unwrap();
            prop_assert_eq!(to_bytes(&theirs.serialize(Format::V2).unwrap()), bytes);
            let verified = token.verify(&subgrant_token::RootKey::from_bytes(key));
            let is_forged = verified.is_err_and(|error| error == subgrant_token::TokenError::BadSignature);
            prop_assert_eq!(!is_forged, is_genuine(&theirs, &key));
        }
    }
}
