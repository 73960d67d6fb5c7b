//! Tokens that are refused whatever the request.

use macaroon::Format;
use serde_json::{Value, json};

use super::build::{MadeBy, refused, refused_by_caveat, vector};
use crate::{
    oracle::theirs,
    python::{ask, mint_task},
    support::{identifier, ours, to_bytes, to_text, without_prefix},
};

const CHILD: &str = "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899";

pub(super) fn vectors() -> Vec<Value> {
    [malformed(), assembled(), forged(), caveats(), malformed_values(), chains()].concat()
}

fn malformed() -> Vec<Value> {
    let of = |name, by, token: &str, code| refused(name, by, token, "malformed", code);
    let text = without_prefix(&ours(&identifier(), &["label = ??>>??"]));
    let bytes = to_bytes(&text);
    let v1 = ask(&[mint_task(1, b"an identifier", &["budget = 5"])]);
    let oracle = theirs(&identifier().encode(), &["budget = 5"]);
    let json_text = oracle.serialize(Format::V2JSON).unwrap();
    let stray_bit = format!("{}B", to_text(&bytes[..bytes.len() - bytes.len() % 3 - 2]));
    let mixed = text.replacen('-', "+", 1);
    assert!(mixed.contains('+') && mixed.contains('_'));
    let retired = [&[2][..], &identifier().encode()[1..]].concat();
    let retired = theirs(&retired, &["budget = 5"]).serialize(Format::V2).unwrap();
    let unknown_identifier = theirs(b"an identifier", &["budget = 5"]).serialize(Format::V2).unwrap();
    let too_many = theirs(&identifier().encode(), &["budget = 5"; 65]).serialize(Format::V2).unwrap();
    let third_party = [&head()[..], b"\x01\x07https:/\x02\x02id\x04\x03vid\0\0", &signature()].concat();
    vec![
        of("V1 by macaroon", "macaroon", &oracle.serialize(Format::V1).unwrap(), "not_v2"),
        of("V1 by pymacaroons", "pymacaroons", v1[0].as_str().unwrap(), "not_v2"),
        of("JSON", "macaroon", &json_text, "not_base64"),
        of("JSON in base64", "macaroon", &to_text(json_text.as_bytes()), "not_v2"),
        of("nothing", "bytes", "", "truncated"),
        of("prefix only", "bytes", "sgt_", "truncated"),
        of("upper-case prefix", "subgrant", &format!("SGT_{text}"), "not_v2"),
        of("leading space", "subgrant", &format!(" {text}"), "not_base64"),
        of("trailing line break", "subgrant", &format!("{text}\n"), "not_base64"),
        of("both alphabets", "subgrant", &mixed, "not_base64"),
        of("stray bit in the last character", "bytes", &stray_bit, "not_base64"),
        of("too much padding", "subgrant", &format!("{text}===="), "not_base64"),
        of("half of the padding", "bytes", "AgE=AA=", "not_base64"),
        of("one byte of junk", "subgrant", &to_text(&[&bytes[..], &[0]].concat()), "trailing"),
        of("two tokens in one", "subgrant", &to_text(&[&bytes[..], &bytes].concat()), "trailing"),
        of("last byte missing", "subgrant", &to_text(&bytes[..bytes.len() - 1]), "truncated"),
        of("identifier of another service", "macaroon", &unknown_identifier, "unknown_identifier"),
        refused("first form of a token for a service", "macaroon", &retired, "retired_form", "retired_form"),
        of("65 caveats", "macaroon", &too_many, "too_many_caveats"),
        of("8193 bytes of text", "bytes", &"A".repeat(8193), "too_large"),
        of("too large with the prefix only", "bytes", &to_text(&[2; 6142]), "too_large"),
        of("third-party caveat", "bytes", &to_text(&third_party), "third_party"),
    ]
}

fn head() -> Vec<u8> {
    [&[2, 2, 33][..], &identifier().encode(), &[0]].concat()
}

fn signature() -> Vec<u8> {
    [&[6, 32][..], &[9; 32]].concat()
}

fn assembled() -> Vec<Value> {
    let of = |name, rest: &[u8], code| {
        let token = to_text(&[&head()[..], rest].concat());
        refused(name, "bytes", &token, "malformed", code)
    };
    let signed = |sections: &[u8]| [sections, &[0], &signature()].concat();
    let identifier = identifier().encode();
    let identifier_first = [&[2, 2, 33][..], &identifier, &[1, 1, b'x', 0, 0], &signature()].concat();
    let long_length = [&[2, 2, 0xa1, 0][..], &identifier, &[0, 0], &signature()].concat();
    vec![
        of("length of two bytes where one suffices", &signed(b"\x02\x81\x00a\0"), "non_canonical"),
        of("length of four bytes", &signed(b"\x02\x81\x80\x80\x00a\0"), "non_canonical"),
        of("length beyond the end", b"\x02\xff\x7fa", "truncated"),
        of("third-party caveat without location", &signed(b"\x02\x02id\x04\x03vid\0"), "third_party"),
        of("first-party caveat with location", &signed(b"\x01\x01l\x02\x02id\0"), "third_party"),
        of("caveat with two identifiers", &signed(b"\x02\x01a\x02\x01b\0"), "unexpected_field"),
        of("caveat of an unknown field", &signed(b"\x05\x01a\0"), "unexpected_field"),
        of("signature of 31 bytes", &[&[0, 6, 31][..], &[9; 31]].concat(), "unexpected_field"),
        of("signature of 33 bytes", &[&[0, 6, 33][..], &[9; 33]].concat(), "unexpected_field"),
        refused(
            "location after identifier",
            "bytes",
            &to_text(&identifier_first),
            "malformed",
            "unexpected_field",
        ),
        refused(
            "identifier's length too long",
            "bytes",
            &to_text(&long_length),
            "malformed",
            "non_canonical",
        ),
    ]
}

fn forged() -> Vec<Value> {
    let forged = |name, by, bytes: &[u8]| refused(name, by, &to_text(bytes), "forged", "bad_signature");
    let whole = to_bytes(&ours(&identifier(), &["budget = 5", "max_depth = 0"]).to_text());
    let flipped = |index: usize| {
        let mut bytes = whole.clone();
        bytes[index] ^= 1;
        bytes
    };
    let caveat_at = whole.windows(10).position(|window| window == b"budget = 5").unwrap();
    // The last caveat is taken away and its signature kept: 13 bytes of text, type, length and end.
    let without_last = [&whole[..whole.len() - 35 - 16], &whole[whole.len() - 35..]].concat();
    let other_key = ours(&identifier(), &["budget = 5"]).to_text();
    let unknown = ours(&identifier(), &["account = 7"]).to_text();
    let expect = json!({ "valid": false, "class": "forged", "code": "bad_signature", "index": null });
    vec![
        forged("flipped bit in the signature", "subgrant", &flipped(whole.len() - 1)),
        forged("flipped bit in a caveat", "subgrant", &flipped(caveat_at + 9)),
        forged("flipped bit in the identifier", "subgrant", &flipped(caveat_at - 4)),
        forged("last caveat removed", "subgrant", &without_last),
        vector("another root key", "subgrant", &other_key, &[1; 32], &expect),
        vector("another root key before an unknown caveat", "subgrant", &unknown, &[1; 32], &expect),
    ]
}

fn caveats() -> Vec<Value> {
    let of = |name, made_by, caveats: &[&[u8]], index, code| {
        refused_by_caveat(name, made_by, caveats, (index, code))
    };
    let (unknown, malformed) = ("caveat_unknown", "caveat_malformed");
    let python = MadeBy::Pymacaroons;
    vec![
        of("unknown caveat", python, &[b"budget = 5", b"account = 3735928559"], 1, unknown),
        of("unknown caveat with a malformed value", MadeBy::Subgrant, &[b"account = \x01"], 0, unknown),
        of("service caveat without service", MadeBy::Subgrant, &[b"_valid_until=5"], 0, unknown),
        of("no equals sign", python, &[b"time < 2027"], 0, malformed),
        of("upper-case name", MadeBy::Macaroon, &[b"Budget = 5"], 0, malformed),
        of("leading space in a caveat", MadeBy::Macaroon, &[b" budget = 5"], 0, malformed),
        of("empty caveat", MadeBy::Subgrant, &[b""], 0, malformed),
        of("not UTF-8", MadeBy::Subgrant, &[b"label = \xff"], 0, malformed),
        of("control character", MadeBy::Macaroon, &[b"label = a\nb"], 0, malformed),
        of("NUL", MadeBy::Macaroon, &[b"cost_center = a\0"], 0, malformed),
        of("bidirectional override", python, &["label = a\u{202e}b".as_bytes()], 0, malformed),
        of("bidirectional isolate", python, &["department = a\u{2066}b".as_bytes()], 0, malformed),
        of("first error counts", MadeBy::Subgrant, &[b"budget = x", b"account = 1"], 0, malformed),
    ]
}

fn malformed_values() -> Vec<Value> {
    let long_label = format!("label = {}", "x".repeat(257));
    [
        "budget = -1",
        "budget = 01",
        "budget = 1.0",
        "budget = 9007199254740992",
        "budget = 5 ",
        "budget =",
        "max_per_spend = 1e3",
        "max_depth = 4294967296",
        "max_depth = -1",
        "limit = 0/day",
        "limit = 100/fortnight",
        "limit = 100",
        "actions = Spend",
        "actions = spend,",
        "actions = spend ",
        "actions = spend,,read",
        "audience = svc_",
        "expires = 2026-12-21T17:00:00",
        "expires = 2026-12-21T17:00:00+00:00",
        "expires = 2026-12-21t17:00:00z",
        "expires = 2026-12-21 17:00:00Z",
        "expires = 2026-02-29T00:00:00Z",
        "expires = 2026-12-21T17:00:60Z",
        "expires = 2026-12-21T17:00:00.1234567Z",
        "expires = 1969-12-31T23:59:59Z",
        "expires = 9999-01-01T00:00:00Z",
        "delegation = dlg_01jd0000000000000000000001",
        "route = v1",
        "route = /v1/*/x",
        "route = /v1/../x",
        "route = /v1//x",
        "route = /v1?x",
        "route = /%61",
        "method = get",
        "method = GET,",
        "source_ip = 10.0.0.1/8",
        "source_ip = 10.0.0.0/33",
        "source_ip = 010.0.0.0/8",
        "source_ip = ::ffff:10.0.0.1",
        "services=subgrant",
        "services=subgrant:256",
        "a_capabilities=",
        "a_valid_until=-1",
        "a_valid_until=01",
        "a_valid_until=253370764800",
        "delegation = dlg_01jd0000000000000000000001.9F2C00112233445566778899",
        &long_label,
    ]
    .map(|text| {
        let name = format!("malformed value: {}", text.chars().take(80).collect::<String>());
        refused_by_caveat(&name, MadeBy::Subgrant, &[text], (0, "caveat_malformed"))
    })
    .to_vec()
}

fn chains() -> Vec<Value> {
    let of = |name, caveats: &[&str], index, code| {
        refused_by_caveat(name, MadeBy::Pymacaroons, caveats, (index, code))
    };
    let (open, conflict, deep) = ("delegation_without_budget", "caveat_conflict", "too_deep");
    let audiences =
        ["audience = svc_01jd0000000000000000000007", "audience = svc_01jd0000000000000000000008"];
    vec![
        of("conflicting cost centres", &["cost_center = a", "budget = 5", "cost_center = b"], 2, conflict),
        of("conflicting departments", &["department = a", "department = A"], 1, conflict),
        of("two labels in one block", &["budget = 5", "label = a", "label = b"], 2, conflict),
        of("two audiences", &audiences, 1, conflict),
        of("delegation at the end", &["budget = 5", CHILD], 1, open),
        of("delegation without budget", &[CHILD, "label = a", "budget = 5"], 0, open),
        of("two delegations in a row", &[CHILD, CHILD, "budget = 5"], 0, open),
        of("depth exceeded", &["max_depth = 0", "budget = 5"], 1, deep),
        of("depth exceeded by a grandchild", &["max_depth = 1", "budget = 5", CHILD, "budget = 5"], 3, deep),
        of("depth cannot be raised", &["max_depth = 0", "max_depth = 9", "budget = 5"], 2, deep),
    ]
}
