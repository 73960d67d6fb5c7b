//! Feeds arbitrary bytes to everything that reads what strangers send.
//!
//! `cargo +nightly fuzz run parse_and_verify` from `crates/token`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use subgrant_token::{
    Caveat, Identifier, Macaroon, RequestContext, RequestPath, RootKey, VerificationKey, verify,
};

fuzz_target!(|bytes: &[u8]| {
    let key = RootKey::from_bytes([7; 32]);
    if let Ok(identifier) = Identifier::decode(bytes) {
        assert_eq!(identifier.encode(), bytes);
    }
    // Each line is a caveat of a genuine token, so that the fuzzer need not find signatures.
    let identifier = Identifier::decode(&[1; 33]).expect("33 bytes that start with 1 are an identifier");
    let root = Macaroon::mint(&key, "", &identifier).expect("a root token is small");
    let service = VerificationKey::new(
        identifier.tenant(),
        "svc_01jd0000000000000000000007".parse().expect("an id"),
        [6; 32],
    );
    if let Ok(token) = root.attenuate_bytes(bytes.split(|byte| *byte == b'\n')) {
        let read = Macaroon::parse(&token.to_text()).expect("what is written can be read");
        let now = "2026-12-01T00:00:00Z".parse().expect("the instant is valid");
        if let Ok(for_service) = read.with_service_signature(&service) {
            let text = for_service.to_text();
            assert_eq!(Macaroon::parse(&text).expect("what is written can be read").to_text(), text);
            if let Ok(verified) = verify(&text, &service, &RequestContext::at(now)) {
                let told = read.service_digests(&service);
                assert!(told.iter().eq(verified.nodes().iter().map(|node| &node.digest)));
            }
        }
        if let Ok(verified) = read.verify(&key) {
            let _judged = verified.scope().check_request(&RequestContext::at(now));
            for caveat in verified.caveats() {
                assert_eq!(caveat.to_string().parse::<Caveat>().as_ref(), Ok(caveat));
            }
        }
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let _path = RequestPath::new(text);
    if let Ok(token) = Macaroon::parse(text) {
        let written = Macaroon::parse(&token.to_text()).expect("what is written can be read");
        assert_eq!(written.to_text(), token.to_text());
        let _verified = token.verify(&key);
        let now = "2026-12-01T00:00:00Z".parse().expect("the instant is valid");
        let _judged = verify(text, &service, &RequestContext::at(now));
    }
});
