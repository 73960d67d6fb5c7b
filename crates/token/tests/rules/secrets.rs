//! What is derived from keys, and what must not show.

use subgrant_domain::DelegationId;
use subgrant_token::{DelegationClaim, Macaroon, NodeDigest, RootKey, derive_nonce, derive_rotated_nonce};

use crate::support::{CHILD, root_key, root_token, token, verify};

fn delegation() -> DelegationId {
    "dlg_01jd0000000000000000000001".parse().unwrap()
}

#[test]
fn nonces_depend_on_key_id_and_rotation() {
    let nonce = derive_nonce(&root_key(), delegation());
    assert_eq!(nonce, derive_nonce(&root_key(), delegation()));
    assert_eq!(nonce, derive_rotated_nonce(&root_key(), delegation(), 0));
    assert_ne!(nonce, derive_rotated_nonce(&root_key(), delegation(), 1));
    assert_ne!(nonce, derive_nonce(&RootKey::from_bytes([8; 32]), delegation()));
    let other: DelegationId = "dlg_01jd0000000000000000000002".parse().unwrap();
    assert_ne!(nonce, derive_nonce(&root_key(), other));
}

#[test]
fn the_nonce_is_the_documented_hmac() {
    // Computed with Python's `hmac` module from the formula in the documentation.
    let claim = DelegationClaim { id: delegation(), nonce: derive_nonce(&root_key(), delegation()) };
    assert_eq!(claim.to_string(), "dlg_01jd0000000000000000000001.8440903a9a0536fd47e76368");
}

#[test]
fn debug_output_holds_no_secret() {
    let token = token(&[CHILD, "budget = 5"]);
    let shown = format!("{:?} {:?} {:?}", root_key(), token, token.verify(&root_key()).unwrap());
    assert!(shown.contains(&format!("Macaroon({})", token.fingerprint())));
    assert!(shown.contains("RootKey(redacted)"));
    assert!(shown.contains("Nonce(redacted)"));
    let nonce_as_numbers = format!("{:?}", &[0x9f, 0x2c, 0x00, 0x11]);
    for secret in ["9f2c0011", "7, 7", nonce_as_numbers.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn fingerprints_are_eight_digits_and_differ_between_tokens() {
    let (root, child) = (root_token(), token(&["budget = 5"]));
    assert_eq!(root.fingerprint().len(), 8);
    assert_ne!(root.fingerprint(), child.fingerprint());
    let read = Macaroon::parse(&child.to_text()).unwrap();
    assert_eq!(read.fingerprint(), child.fingerprint());
}

#[test]
fn an_unclaimed_node_gets_an_id_that_the_server_never_makes() {
    let verified = verify(&["budget = 5"]).unwrap();
    let digest = verified.last_digest().unwrap();
    let id = digest.derived_id();
    assert_eq!(id.as_uuid().get_version_num(), 8);
    assert_eq!(id.as_uuid().as_bytes()[..6], digest.as_bytes()[..6]);
    assert_eq!(NodeDigest::from_bytes(*digest.as_bytes()).derived_id(), id);
}
