//! Times what every request pays: reading a token and verifying eight caveats. Prints medians; judges nothing.
//!
//! In the same run it times the HMACs alone, the floor under any implementation, and the crate `macaroon`.
//! `cargo bench -p subgrant-token`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use macaroon::{MacaroonKey, Verifier};
use sha2::Sha256;
use subgrant_token::{Identifier, Macaroon, RequestContext, RootKey};

const KEY: [u8; 32] = [7; 32];
const ROUNDS: usize = 2_000;
const CALLS_PER_ROUND: u32 = 20;
const CAVEATS: [&str; 8] = [
    "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899",
    "budget = 1000",
    "cost_center = Engineering",
    "label = Agent: code-reviewer",
    "expires = 2026-12-21T17:00:00Z",
    "actions = spend,delegate,read",
    "max_per_spend = 50",
    "limit = 100/day",
];

fn main() {
    let root_key = RootKey::from_bytes(KEY);
    let identifier = Identifier::Subgrant {
        tenant: "ten_01jd0000000000000000000003".parse().expect("the id is valid"),
        root_key: "key_01jd0000000000000000000004".parse().expect("the id is valid"),
    };
    let token = Macaroon::mint(&root_key, "https://subgrant.example/", &identifier)
        .and_then(|root| root.attenuate_bytes(CAVEATS.map(str::as_bytes)))
        .expect("the token is within the limits");
    let text = token.to_text();
    let verified = token.verify(&root_key).expect("the token is valid");
    let request = RequestContext::at("2026-12-01T00:00:00Z".parse().expect("the instant is valid"));

    let theirs =
        macaroon::Macaroon::deserialize(text.trim_start_matches("sgt_")).expect("the oracle reads it");
    let their_key = MacaroonKey::generate(&KEY);
    let mut oracle = Verifier::default();
    oracle.satisfy_general(|_| true);
    let encoded_identifier = identifier.encode();

    report("parse text", &mut || {
        black_box(Macaroon::parse(black_box(&text)).is_ok());
    });
    report("verify, 8 caveats", &mut || {
        black_box(black_box(&token).verify(black_box(&root_key)).is_ok());
    });
    report("parse and verify", &mut || {
        let token = Macaroon::parse(black_box(&text));
        black_box(token.and_then(|token| token.verify(&root_key)).is_ok());
    });
    report("check one request", &mut || {
        black_box(verified.scope().check_request(black_box(&request)).is_ok());
    });
    report("bare HMAC chain", &mut || {
        black_box(hmac_chain(black_box(&encoded_identifier)));
    });
    report("crate macaroon, verify, no predicate parsed", &mut || {
        black_box(oracle.verify(black_box(&theirs), &their_key, Vec::new()).is_ok());
    });
}

/// The ten HMACs that no verification of eight caveats can do without.
fn hmac_chain(identifier: &[u8]) -> [u8; 32] {
    let first = hmac(b"macaroons-key-generator\0\0\0\0\0\0\0\0\0", &KEY);
    CAVEATS.iter().fold(hmac(&first, identifier), |signature, caveat| hmac(&signature, caveat.as_bytes()))
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Prints the median over many short rounds, which an occasional interruption does not move.
#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn report(name: &str, call: &mut dyn FnMut()) {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS_PER_ROUND).for_each(|_| call());
            start.elapsed()
        })
        .collect();
    rounds.sort_unstable();
    let median_ns = (rounds[ROUNDS / 2] / CALLS_PER_ROUND).as_nanos();
    println!("{median_ns:>8} ns  {name}");
}
