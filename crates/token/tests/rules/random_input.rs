//! A million hostile inputs: nothing panics, and nothing but the original verifies.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subgrant_token::{Caveat, Macaroon};

use crate::support::{CHILD, root_key, token};

const INPUTS: u64 = 1_000_000;

/// `SplitMix64`: small, seedable, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("lengths fit 64 bits");
        usize::try_from(self.next() % bound).expect("a remainder is below its bound")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.byte()).collect()
    }
}

/// A few random edits: overwrite, insert, remove, cut, repeat.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] = random.byte(),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, [0, 1, 2, 4, 6, 0x80, 0xff][random.below(7)]),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
}

#[test]
fn a_million_random_inputs_never_panic_and_forge_nothing() {
    let original = token(&[CHILD, "budget = 100", "expires = 2026-12-21T17:00:00Z", "route = /v1/*"]);
    let expected = original.verify(&root_key()).unwrap();
    let original = URL_SAFE_NO_PAD.decode(&original.to_text()[4..]).unwrap();
    let mut random = Random(0x5eed);
    let (mut parsed, mut verified) = (0, 0);
    for round in 0..INPUTS {
        let bytes = match round % 4 {
            0 => random.bytes(200),
            1 => [vec![2, 2, 33], random.bytes(120)].concat(),
            _ => {
                let mut bytes = original.clone();
                mutate(&mut random, &mut bytes);
                bytes
            }
        };
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        let Ok(token) = Macaroon::parse(&text) else {
            continue;
        };
        parsed += 1;
        assert_eq!(token.to_text(), format!("sgt_{text}"));
        if let Ok(token) = token.verify(&root_key()) {
            // Only the location is unsigned.
            assert_eq!(token.caveats(), expected.caveats());
            assert_eq!(token.last_digest(), expected.last_digest());
            verified += 1;
        }
    }
    assert!(parsed > INPUTS / 20, "{parsed} inputs reached the signature");
    assert!(verified > INPUTS / 1000, "{verified} inputs changed the location only");
}

#[test]
fn a_million_random_texts_are_refused_as_tokens_or_read_as_caveats_without_panic() {
    let names = [
        "budget",
        "expires",
        "route",
        "source_ip",
        "delegation",
        "limit",
        "services",
        "x_valid_until",
        "label",
    ];
    let alphabet: Vec<char> = "0123456789/:.,*-TZ%=+_ abcdef\u{0}\u{202e}é\u{1f600}".chars().collect();
    let mut random = Random(0xcafe);
    let mut read = 0;
    for _ in 0..INPUTS {
        let value: String = (0..random.below(24)).map(|_| alphabet[random.below(alphabet.len())]).collect();
        assert!(Macaroon::parse(&value).is_err());
        if let Ok(caveat) = Caveat::from_parts(names[random.below(names.len())], &value) {
            let text = caveat.to_string();
            assert_eq!(text.parse(), Ok(caveat), "{text}");
            read += 1;
        }
    }
    assert!(read > INPUTS / 1000, "{read} values were accepted");
}
