//! `testdata/vectors.json`: the tokens that the Rust, Python and TypeScript implementations must agree on.
//!
//! What each token means is written down by hand in `valid` and `invalid`, the digests come from the oracle; nothing
//! is asked of the crate under test. After a change there:
//! `SUBGRANT_WRITE_VECTORS=1 cargo test -p subgrant-token --test interop committed_vectors`.

mod build;
mod check;
mod invalid;
mod service;
mod valid;
mod valid_requests;

use std::fs;

use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors.json");

fn generated() -> Value {
    let vectors: Vec<Value> =
        [valid::vectors(), valid_requests::vectors(), service::vectors(), invalid::vectors()].concat();
    json!({
        "about": "Tokens that every implementation of Subgrant's contract must judge alike. Generated; see \
                  crates/token/tests/interop/vectors/mod.rs.",
        "vectors": vectors,
    })
}

fn committed() -> Value {
    let text = fs::read_to_string(FILE).expect("the vectors are in the repository");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

#[test]
fn the_committed_vectors_are_the_generated_ones() {
    let generated = generated();
    if std::env::var_os("SUBGRANT_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&generated).unwrap();
        fs::write(FILE, text + "\n").unwrap();
    }
    // Compared as values: another crate's features may decide in which order objects are written.
    assert!(
        generated == committed(),
        "testdata/vectors.json differs; run with SUBGRANT_WRITE_VECTORS=1 and read the difference"
    );
}

#[test]
fn names_are_unique_and_every_library_has_made_some_of_each_outcome() {
    let committed = committed();
    let vectors = committed["vectors"].as_array().unwrap();
    let mut names: Vec<_> = vectors.iter().map(|vector| vector["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let total = names.len();
    names.dedup();
    assert_eq!(names.len(), total);
    for library in ["subgrant", "macaroon", "pymacaroons"] {
        for valid in [true, false] {
            let made = |vector: &&Value| {
                vector["expect"]["valid"] == valid
                    && vector["made_by"].as_str().unwrap().split('+').any(|by| by == library)
            };
            assert!(vectors.iter().any(|vector| made(&vector)), "{library} {valid}");
        }
    }
}

#[test]
fn every_vector_is_judged_as_written() {
    let committed = committed();
    for vector in committed["vectors"].as_array().unwrap() {
        check::assert_judged_as_written(vector);
    }
}
