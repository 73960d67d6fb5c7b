//! Times what every request pays: reading a token and verifying eight caveats. Prints medians and their ratios to the
//! crate `macaroon`; judges nothing.
//!
//! The crate starts from a key that is derived already, as ours does, and its one predicate accepts every caveat
//! without reading it. `cargo bench -p subgrant-token`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use macaroon::{MacaroonKey, Verifier};
use sha2::Sha256;
use subgrant_token::{Identifier, Macaroon, RequestContext, RootKey};

const KEY: [u8; 32] = [7; 32];
const ROUNDS: usize = 1_000;
const CALLS_PER_ROUND: u32 = 50;
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

/// Something to time; every call must succeed.
struct Candidate<'a> {
    name: &'static str,
    call: Box<dyn Fn() -> bool + 'a>,
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
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

    let their_text = text.trim_start_matches("sgt_");
    let theirs = macaroon::Macaroon::deserialize(their_text).expect("the oracle reads it");
    let their_key = MacaroonKey::generate(&KEY);
    let mut oracle = Verifier::default();
    oracle.satisfy_general(|_| true);

    let encoded_identifier = identifier.encode();
    let derived_key = hmac(b"macaroons-key-generator\0\0\0\0\0\0\0\0\0", &KEY);

    let [_, ours_verify, ours_both, _, _, their_verify, their_both] = medians(&[
        Candidate::new("parse text", || Macaroon::parse(black_box(&text)).is_ok()),
        Candidate::new("verify, 8 caveats", || black_box(&token).verify(black_box(&root_key)).is_ok()),
        Candidate::new("parse and verify", || {
            Macaroon::parse(black_box(&text)).and_then(|token| token.verify(black_box(&root_key))).is_ok()
        }),
        Candidate::new("check one request", || verified.scope().check_request(black_box(&request)).is_ok()),
        Candidate::new("nine HMACs with the crate hmac", || {
            hmac_chain(black_box(&derived_key), black_box(&encoded_identifier)) != [0; 32]
        }),
        Candidate::new("crate macaroon, verify, no predicate parsed", || {
            oracle.verify(black_box(&theirs), black_box(&their_key), Vec::new()).is_ok()
        }),
        Candidate::new("crate macaroon, deserialize and verify", || {
            macaroon::Macaroon::deserialize(black_box(their_text))
                .and_then(|token| oracle.verify(&token, black_box(&their_key), Vec::new()))
                .is_ok()
        }),
    ]);
    println!("{:>8.2} x  faster than the crate macaroon: verify", ratio(their_verify, ours_verify));
    println!("{:>8.2} x  faster than the crate macaroon: parse and verify", ratio(their_both, ours_both));
}

impl<'a> Candidate<'a> {
    fn new(name: &'static str, call: impl Fn() -> bool + 'a) -> Self {
        Self { name, call: Box::new(call) }
    }

    fn time_round(&self) -> Duration {
        let start = Instant::now();
        for _ in 0..CALLS_PER_ROUND {
            assert!(black_box((self.call)()), "{} fails", self.name);
        }
        start.elapsed()
    }
}

/// Prints and returns each candidate's median over many short rounds, which an occasional interruption does not move.
/// The candidates take turns, so that a change of the processor's speed meets all of them.
#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn medians<const N: usize>(candidates: &[Candidate<'_>; N]) -> [Duration; N] {
    let mut rounds = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (candidate, rounds) in candidates.iter().zip(&mut rounds) {
            rounds.push(candidate.time_round());
        }
    }
    let medians = rounds.map(|mut rounds| {
        rounds.sort_unstable();
        rounds[ROUNDS / 2] / CALLS_PER_ROUND
    });
    for (candidate, median) in candidates.iter().zip(medians) {
        println!("{:>8} ns  {}", median.as_nanos(), candidate.name);
    }
    medians
}

fn ratio(slow: Duration, fast: Duration) -> f64 {
    slow.as_secs_f64() / fast.as_secs_f64()
}

/// The chain alone, from the derived key on, with a general-purpose HMAC: what to compare a verification with.
fn hmac_chain(derived_key: &[u8; 32], identifier: &[u8]) -> [u8; 32] {
    CAVEATS
        .iter()
        .fold(hmac(derived_key, identifier), |signature, caveat| hmac(&signature, caveat.as_bytes()))
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
