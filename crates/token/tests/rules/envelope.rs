//! What is read as a token, and what is not.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use subgrant_token::{ErrorClass, Identifier, MAX_CAVEATS, MAX_TEXT_BYTES, Macaroon, RootKey, TokenError};

use crate::support::{LOCATION, identifier, root_key, root_token, token};

fn binary(token: &Macaroon) -> Vec<u8> {
    let text = token.to_text();
    URL_SAFE_NO_PAD.decode(text.strip_prefix("sgt_").unwrap()).unwrap()
}

fn parse_binary(bytes: &[u8]) -> Result<Macaroon, TokenError> {
    Macaroon::parse(&URL_SAFE_NO_PAD.encode(bytes))
}

fn error_of(bytes: &[u8]) -> TokenError {
    let error = parse_binary(bytes).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Malformed);
    error
}

#[test]
fn every_accepted_spelling_of_the_text_is_the_same_token() {
    // The caveat makes bytes that the two alphabets spell differently, and a length that needs padding.
    let token = token(&[b"label = \xc3\xbf\xc3\xbe\xc3\xbf\xc3\xbf\xef\xbf\xbd??>".as_slice()]);
    let bytes = binary(&token);
    assert_ne!(STANDARD.encode(&bytes), URL_SAFE.encode(&bytes));
    assert!(URL_SAFE.encode(&bytes).ends_with('='));
    for encoded in [
        STANDARD.encode(&bytes),
        STANDARD_NO_PAD.encode(&bytes),
        URL_SAFE.encode(&bytes),
        URL_SAFE_NO_PAD.encode(&bytes),
    ] {
        for text in [encoded.clone(), format!("sgt_{encoded}")] {
            assert_eq!(Macaroon::parse(&text).unwrap().to_text(), token.to_text(), "{text}");
        }
    }
}

#[test]
fn other_spellings_of_the_text_are_refused() {
    let text = token(&["label = ??>>??>>"]).to_text();
    let bytes = binary(&root_token());
    let mut texts = vec![
        format!(" {text}"),
        format!("{text}\n"),
        format!("{text}===="),
        format!("{text}é"),
        "{\"v\":2}".to_owned(),
    ];
    // Half of the padding; both alphabets in one text; a stray bit after the last byte.
    let padded = URL_SAFE.encode(&bytes[..bytes.len() - bytes.len() % 3 - 2]);
    texts.push(padded.strip_suffix('=').unwrap().to_owned());
    texts.push("AgP7-/8".to_owned());
    texts.push("AgP7Fh".to_owned());
    for text in texts {
        assert_eq!(Macaroon::parse(&text).unwrap_err(), TokenError::NotBase64, "{text}");
    }
    // Four letters more are base64 too, of something else.
    for text in [format!("SGT_{}", &text[4..]), format!("sgt_{text}")] {
        assert_eq!(Macaroon::parse(&text).unwrap_err(), TokenError::NotV2, "{text}");
    }
    assert_eq!(Macaroon::parse("").unwrap_err(), TokenError::Truncated);
    assert_eq!(Macaroon::parse("sgt_").unwrap_err(), TokenError::Truncated);
}

#[test]
fn every_proper_prefix_is_truncated_and_every_appended_byte_is_trailing() {
    let bytes = binary(&token(&["budget = 5", "label = x"]));
    for length in 0..bytes.len() {
        assert_eq!(error_of(&bytes[..length]), TokenError::Truncated, "{length}");
    }
    for extra in [0, 2, 255] {
        assert_eq!(error_of(&[&bytes[..], &[extra]].concat()), TokenError::Trailing);
    }
}

#[test]
fn other_formats_are_refused_by_their_first_byte() {
    let v1 = b"0021location http://example.org/\n";
    assert_eq!(error_of(v1), TokenError::NotV2);
    assert_eq!(error_of(b"{\"v\":2,\"i\":\"x\"}"), TokenError::NotV2);
    assert_eq!(error_of(&[1, 2, 0]), TokenError::NotV2);
    assert_eq!(error_of(&[3, 2, 0]), TokenError::NotV2);
}

/// A macaroon of raw fields: head section, caveat sections, signature field.
fn assembled(head: &[u8], sections: &[&[u8]], signature: &[u8]) -> Vec<u8> {
    let sections: Vec<u8> = sections.concat();
    [&[2], head, &[0], sections.as_slice(), &[0], signature].concat()
}

fn head() -> Vec<u8> {
    [&[2, 33][..], &identifier().encode()].concat()
}

fn signature() -> Vec<u8> {
    [&[6, 32][..], &[9; 32]].concat()
}

#[test]
fn fields_are_accepted_in_one_order_only() {
    let (head, signature) = (head(), signature());
    let with_location = [&[1, 1, b'x'][..], &head].concat();
    assert!(parse_binary(&assembled(&head, &[b"\x02\x01a\0"], &signature)).is_ok());
    assert!(parse_binary(&assembled(&with_location, &[], &signature)).is_ok());

    let identifier_first = [&head[..], &[1, 1, b'x']].concat();
    let two_locations = [&[1, 1, b'x'][..], &with_location].concat();
    let short_signature = [&[6, 31][..], &[9; 31]].concat();
    let long_signature = [&[6, 33][..], &[9; 33]].concat();
    let location_not_text = [&[1, 1, 0xff][..], &head].concat();
    for bytes in [
        assembled(&identifier_first, &[], &signature),
        assembled(&two_locations, &[], &signature),
        assembled(&location_not_text, &[], &signature),
        assembled(&[], &[], &signature),
        assembled(&head, &[b"\x02\x01a\x02\x01b\0"], &signature),
        assembled(&head, &[b"\x05\x01a\0"], &signature),
        assembled(&head, &[b"\x06\x01a\0"], &signature),
        assembled(&head, &[], &short_signature),
        assembled(&head, &[], &long_signature),
        assembled(&head, &[], &[&[7, 32][..], &[9; 32]].concat()),
    ] {
        assert_eq!(error_of(&bytes), TokenError::UnexpectedField, "{bytes:02x?}");
    }
}

#[test]
fn third_party_caveats_are_refused_however_they_start() {
    for section in
        [b"\x01\x01l\x02\x01i\x04\x01v\0".as_slice(), b"\x02\x01i\x04\x01v\0", b"\x01\x01l\x02\x01i\0"]
    {
        assert_eq!(error_of(&assembled(&head(), &[section], &signature())), TokenError::ThirdParty);
    }
}

#[test]
fn lengths_have_one_spelling() {
    let long_identifier = [&[2, 0xa1, 0][..], &identifier().encode()].concat();
    let long_zero = assembled(&head(), &[b"\x02\x80\0\0"], &signature());
    let four_bytes = assembled(&head(), &[b"\x02\x81\x80\x80\x00a\0"], &signature());
    for bytes in [assembled(&long_identifier, &[], &signature()), long_zero, four_bytes] {
        assert_eq!(error_of(&bytes), TokenError::NonCanonical, "{bytes:02x?}");
    }
    // A length of two bytes that needs both.
    let caveat = [&[2, 0x80, 1][..], &[b'x'; 128], &[0]].concat();
    assert!(parse_binary(&assembled(&head(), &[&caveat], &signature())).is_ok());
}

#[test]
fn a_claimed_length_beyond_the_input_is_truncated() {
    let bytes = assembled(&head(), &[b"\x02\xff\xff\x7f"], &[]);
    assert_eq!(error_of(&bytes), TokenError::Truncated);
}

#[test]
fn the_65th_caveat_is_refused_when_read_and_when_appended() {
    let most = token(&vec!["budget = 1"; MAX_CAVEATS]);
    assert_eq!(most.verify(&root_key()).unwrap().nodes().len(), MAX_CAVEATS);
    let error = most.attenuate_bytes([b"budget = 1".as_slice()]).unwrap_err();
    assert_eq!(error, TokenError::TooManyCaveats);
    let sections = vec![b"\x02\x01a\0".as_slice(); MAX_CAVEATS + 1];
    assert_eq!(error_of(&assembled(&head(), &sections, &signature())), TokenError::TooManyCaveats);
}

#[test]
fn the_longest_token_is_8192_bytes_of_text() {
    // Two bytes of field type, two of length, one of end.
    let room = (MAX_TEXT_BYTES - 4) / 4 * 3 - binary(&root_token()).len() - 4;
    let longest = token(&[vec![b'x'; room]]);
    assert_eq!(longest.to_text().len(), MAX_TEXT_BYTES);
    assert!(Macaroon::parse(&longest.to_text()).is_ok());

    let too_long = vec![b'x'; room + 1];
    let error = root_token().attenuate_bytes([too_long.as_slice()]).unwrap_err();
    assert_eq!(error, TokenError::TooLarge);
    let error = Macaroon::mint(&root_key(), &"x".repeat(MAX_TEXT_BYTES), &identifier()).unwrap_err();
    assert_eq!(error, TokenError::TooLarge);
    assert_eq!(Macaroon::parse(&"A".repeat(MAX_TEXT_BYTES + 1)).unwrap_err(), TokenError::TooLarge);
    // Fits without the prefix, and would not with it.
    let bytes = [binary(&longest), vec![0]].concat();
    assert_eq!(error_of(&bytes), TokenError::TooLarge);
}

#[test]
fn identifiers_of_every_kind_round_trip_and_others_are_refused() {
    let l402 = Identifier::L402 {
        payment_hash: [0xab; 32],
        tenant: identifier().tenant(),
        root_key: identifier().root_key(),
    };
    assert_eq!(identifier().encode().len(), 33);
    assert_eq!(l402.encode().len(), 66);
    for identifier in [identifier(), l402] {
        assert_eq!(Identifier::decode(&identifier.encode()), Ok(identifier));
        let token = Macaroon::mint(&root_key(), LOCATION, &identifier).unwrap();
        let read = Macaroon::parse(&token.to_text()).unwrap();
        assert_eq!(read.identifier(), &identifier);
        assert_eq!(read.location(), Some(LOCATION));
        assert_eq!(*read.verify(&root_key()).unwrap().identifier(), identifier);
    }
    let encoded = l402.encode();
    let mut version_1 = encoded.clone();
    version_1[1] = 1;
    for bytes in [
        &b""[..],
        b"\x01",
        &identifier().encode()[..32],
        &encoded[..65],
        &version_1,
        &[&encoded[..], &[0]].concat(),
        &[&[3][..], &identifier().encode()[1..]].concat(),
    ] {
        assert_eq!(Identifier::decode(bytes), Err(TokenError::UnknownIdentifier), "{bytes:02x?}");
    }
}

#[test]
fn a_token_without_location_verifies_and_stays_without() {
    let bytes = binary(&Macaroon::mint(&root_key(), "", &identifier()).unwrap());
    assert_eq!(bytes[..3], [2, 1, 0]);
    let without = [&[2][..], &bytes[3..]].concat();
    let read = parse_binary(&without).unwrap();
    assert_eq!(read.location(), None);
    assert!(read.verify(&root_key()).is_ok());
    assert_eq!(binary(&read), without);
    assert_eq!(parse_binary(&bytes).unwrap().location(), Some(""));
}

#[test]
fn another_key_or_any_changed_signed_bit_is_forged() {
    let token = token(&["budget = 5", "max_depth = 0"]);
    let other = RootKey::from_bytes([8; 32]);
    assert_eq!(token.verify(&other).unwrap_err(), TokenError::BadSignature);

    let bytes = binary(&token);
    let first_signed = 3 + LOCATION.len();
    let mut forged = 0;
    for bit in first_signed * 8..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Flips in lengths and field types do not parse at all.
        if let Ok(read) = parse_binary(&flipped) {
            let error = read.verify(&root_key()).unwrap_err();
            assert_eq!(error, TokenError::BadSignature, "bit {bit}");
            assert_eq!(error.class(), ErrorClass::Forged);
            forged += 1;
        }
    }
    // All of the signature's, the caveats' and the ids' bits at least.
    assert!(forged > 8 * (32 + 10 + 13 + 32), "{forged}");
}
