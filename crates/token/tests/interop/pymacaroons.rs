//! Tokens go to pymacaroons and come back.

use serde_json::{Value, json};
use subgrant_token::{Macaroon, TokenError};

use crate::{
    python::{ask, attenuate_task, hex_of, mint_task, verify_task},
    support::{KEY, LOCATION, identifier, l402_identifier, ours, root_key, without_prefix},
};

/// Lists of caveats that between them cover every length of a varint and more than ASCII.
fn caveat_lists() -> Vec<Vec<Vec<u8>>> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        vec![],
        vec![text("budget = 100")],
        vec![text("budget = 100"), text("label = Équipe 機械学習"), text("budget = 10")],
        vec![text(&format!("label = {}", "x".repeat(119)))],
        vec![text(&format!("label = {}", "x".repeat(120)))],
        vec![text("max_depth = 70"); 64],
        vec![text("label = "), vec![b'y'; 3000]],
    ]
}

fn text(answer: &Value) -> &str {
    answer.as_str().expect("the answer is a token")
}

#[test]
fn pymacaroons_reads_our_tokens_and_finds_the_signature_right() {
    for identifier in [identifier(), l402_identifier()] {
        let lists = caveat_lists();
        let tokens: Vec<_> =
            lists.iter().map(|caveats| without_prefix(&ours(&identifier, caveats))).collect();
        let tasks: Vec<_> = tokens.iter().map(|token| verify_task(token, &KEY)).collect();
        for (answer, caveats) in ask(&tasks).iter().zip(&lists) {
            let expected = json!({
                "valid": true, "identifier": hex::encode(identifier.encode()), "location": LOCATION,
                "caveats": hex_of(caveats),
            });
            assert_eq!(*answer, expected);
        }
        let with_other_key: Vec<_> = tokens.iter().map(|token| verify_task(token, &[1; 32])).collect();
        for answer in ask(&with_other_key) {
            assert_eq!(answer["valid"], false);
        }
    }
}

#[test]
fn tokens_minted_by_pymacaroons_are_byte_for_byte_ours() {
    let lists = caveat_lists();
    let tasks: Vec<_> = lists.iter().map(|caveats| mint_task(2, &identifier().encode(), caveats)).collect();
    for (answer, caveats) in ask(&tasks).iter().zip(&lists) {
        assert_eq!(text(answer), without_prefix(&ours(&identifier(), caveats)));
    }
}

#[test]
fn what_pymacaroons_appends_to_our_tokens_verifies_here() {
    let appended = [b"max_depth = 3".as_slice(), b"budget = 7", b"actions = spend"];
    let base = ours(&identifier(), &["budget = 100"]);
    let answers = ask(&[attenuate_task(&without_prefix(&base), &appended)]);
    let token = Macaroon::parse(text(&answers[0])).unwrap();
    let verified = token.verify(&root_key()).unwrap();
    assert_eq!(verified.nodes().len(), 2);
    assert_eq!(verified.scope().budget, "7".parse().ok());
    assert_eq!(token.to_text(), base.attenuate_bytes(appended).unwrap().to_text());
}

#[test]
fn what_we_append_to_pymacaroons_tokens_verifies_there() {
    let minted = ask(&[mint_task(2, &identifier().encode(), &["budget = 100"])]);
    let token = Macaroon::parse(text(&minted[0]))
        .unwrap()
        .attenuate(&["max_per_spend = 5".parse().unwrap(), "limit = 9/day".parse().unwrap()])
        .unwrap();
    let answers = ask(&[verify_task(&without_prefix(&token), &KEY)]);
    assert_eq!(answers[0]["valid"], true);
    let expected = hex_of(&["budget = 100", "max_per_spend = 5", "limit = 9/day"]);
    assert_eq!(answers[0]["caveats"], json!(expected));
}

#[test]
fn the_old_format_of_pymacaroons_is_refused() {
    // Its V1 wants identifiers that are text.
    let answers = ask(&[mint_task(1, b"an identifier", &["budget = 100"])]);
    assert_eq!(Macaroon::parse(text(&answers[0])).unwrap_err(), TokenError::NotV2);
}
