//! Reading and verifying a token of eight caveats, here and with the crate `macaroon`.

use std::{hint::black_box, time::Duration, time::Instant};

use macaroon::{MacaroonKey, Verifier};
use subgrant_token::{Identifier, Macaroon, RootKey};

use crate::figures::Load;

const KEY: [u8; 32] = [7; 32];
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

fn token() -> Macaroon {
    let identifier = Identifier::Subgrant {
        tenant: "ten_01jd0000000000000000000003".parse().expect("the id is valid"),
        root_key: "key_01jd0000000000000000000004".parse().expect("the id is valid"),
    };
    let root = Macaroon::mint(&RootKey::from_bytes(KEY), "https://subgrant.example/", &identifier);
    let token = root.and_then(|root| root.attenuate_bytes(CAVEATS.map(str::as_bytes)));
    token.expect("the token is within the limits")
}

pub(crate) fn ours(lasts: Duration) -> Load {
    let (token, key) = (token(), RootKey::from_bytes(KEY));
    repeat(lasts, || assert!(black_box(&token).verify(black_box(&key)).is_ok()))
}

pub(crate) fn ours_with_parsing(lasts: Duration) -> Load {
    let (text, key) = (token().to_text(), RootKey::from_bytes(KEY));
    repeat(lasts, || {
        let token = Macaroon::parse(black_box(&text)).expect("the token is well-formed");
        assert!(token.verify(black_box(&key)).is_ok());
    })
}

/// Signatures alone: no predicate is looked at.
pub(crate) fn theirs(lasts: Duration) -> Load {
    let text = token().to_text();
    let token = macaroon::Macaroon::deserialize(text.trim_start_matches("sgt_")).expect("it reads ours");
    let key = MacaroonKey::generate(&KEY);
    let mut verifier = Verifier::default();
    verifier.satisfy_general(|_| true);
    repeat(lasts, || assert!(verifier.verify(black_box(&token), black_box(&key), Vec::new()).is_ok()))
}

/// A hundred calls are timed at once, because one is shorter than what reading the clock is good for.
fn repeat(lasts: Duration, call: impl Fn()) -> Load {
    const CALLS: u64 = 100;
    let (started, mut operations, mut nanos) = (Instant::now(), 0, Vec::new());
    while started.elapsed() < lasts {
        let asked = Instant::now();
        (0..CALLS).for_each(|_| call());
        nanos.push(u64::try_from(asked.elapsed().as_nanos()).expect("some microseconds") / CALLS);
        operations += CALLS;
    }
    nanos.sort_unstable();
    let elapsed = started.elapsed();
    let median = nanos[nanos.len() / 2];
    // The rate follows from the median, which an interruption does not move.
    let operations_in = elapsed.as_nanos() / u128::from(median.max(1));
    let operations = u64::try_from(operations_in).unwrap_or(operations);
    Load { operations, elapsed, p50_us: median / 1_000, p99_us: nanos[nanos.len() * 99 / 100] / 1_000 }
}
