//! A resource server that holds its verification key and nothing else, and what it can do with that key.

use subgrant_domain::{DelegationId, ServiceId, TenantId};
use subgrant_token::{
    Caveat, CaveatFailure, ErrorClass, Identifier, KeyTextError, MAX_TEXT_BYTES, Macaroon, Refusal,
    RequestContext, TokenError, VerificationKey, verify,
};

use crate::support::{CHILD, GRANDCHILD, LOCATION, SERVICE, identifier, root_key, root_token};

const OTHER: &str = "svc_01jd0000000000000000000008";
const AUDIENCE: &str = "audience = svc_01jd0000000000000000000007";

fn tenant() -> TenantId {
    identifier().tenant()
}

fn key(service: &str, byte: u8) -> VerificationKey {
    VerificationKey::new(tenant(), service.parse::<ServiceId>().unwrap(), [byte; 32])
}

/// A token for the service, as Subgrant makes it.
fn token(key: &VerificationKey, caveats: &[&str]) -> Macaroon {
    crate::support::token(caveats).with_service_signature(key).unwrap()
}

fn now() -> RequestContext<'static> {
    RequestContext::at("2026-12-01T00:00:00Z".parse().unwrap())
}

fn parts(token: &Macaroon) -> (String, String) {
    let text = token.to_text();
    let (first, second) = text.split_once('.').expect("a token for a service has two parts");
    (first.to_owned(), second.to_owned())
}

/// What the service can make of nothing but its key: whatever caveats, and no first signature.
fn of_the_services_making(key: &VerificationKey, caveats: &[&str]) -> String {
    let start = Macaroon::mint(key.signing_key(), LOCATION, &identifier()).unwrap();
    let made = start.attenuate_bytes(caveats.iter().map(|caveat| caveat.as_bytes())).unwrap();
    made.with_service_signature(key).unwrap().to_text()
}

#[test]
fn a_key_is_read_as_it_is_written_and_nothing_else_is() {
    let own = key(SERVICE, 6);
    let text = own.to_text();
    assert_eq!((text.len(), text.starts_with("svk_")), (91, true));
    let read = VerificationKey::parse(&text).unwrap();
    assert!(read.matches(&own) && read.tenant() == tenant() && read.service() == own.service());
    assert!(!read.matches(&key(SERVICE, 8)) && !read.matches(&key(OTHER, 6)));
    for wrong in
        ["", "svk_", &text[4..], &text[..90], &format!("{}=", *text), &text.replacen("svk_A", "svk_B", 1)]
    {
        assert_eq!(VerificationKey::parse(wrong).unwrap_err(), KeyTextError, "{wrong}");
    }
    assert_eq!(format!("{own:?}"), format!("VerificationKey({SERVICE}, redacted)"));
}

#[test]
fn the_effective_caveats_of_the_whole_chain_are_told() {
    let own = key(SERVICE, 6);
    let caveats = [CHILD, "budget = 500", "actions = spend,read", "expires = 2027-01-01T00:00:00Z", AUDIENCE];
    let caveats =
        [&caveats[..], &[GRANDCHILD, "budget = 900", "max_per_spend = 5", "route = /v1/*"]].concat();
    let request = RequestContext { path: Some("/v1/a"), ..now() };
    let verified = verify(&token(&own, &caveats).to_text(), &own, &request).unwrap();
    let scope = verified.scope();
    assert_eq!(scope.budget.map(subgrant_domain::Credits::get), Some(500));
    assert_eq!(scope.max_per_spend.map(subgrant_domain::Credits::get), Some(5));
    assert_eq!(scope.actions.to_string(), "spend,read");
    assert_eq!(scope.audience, Some(own.service()));
    let ids: Vec<DelegationId> = verified.delegations().collect();
    let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["dlg_01jd0000000000000000000001", "dlg_01jd0000000000000000000002"]);
}

#[test]
fn subgrant_and_the_service_read_one_list_by_two_signatures() {
    let own = key(SERVICE, 6);
    let caveats = [CHILD, "budget = 500", AUDIENCE, "budget = 9"];
    let text = token(&own, &caveats).to_text();
    let read = Macaroon::parse(&text).unwrap();
    assert_eq!(read.to_text(), text);
    let (at_subgrant, at_service) = (read.verify(&root_key()).unwrap(), verify(&text, &own, &now()).unwrap());
    assert_eq!(at_subgrant.caveats(), at_service.caveats());
    for (one, other) in at_subgrant.nodes().iter().zip(at_service.nodes()) {
        assert_ne!(one.digest, other.digest, "each knows its own chain");
    }
    // What Subgrant tells a service in the feed.
    let told = read.service_digests(&own);
    assert!(told.iter().eq(at_service.nodes().iter().map(|node| &node.digest)));
    assert_eq!(read.without_service_signature().service_digests(&own), told);
}

#[test]
fn what_the_holder_appends_binds_both_and_an_unclaimed_child_has_the_id_of_its_digest() {
    let own = key(SERVICE, 6);
    let minted = token(&own, &[CHILD, "budget = 500", AUDIENCE]);
    let narrowed: [Caveat; 2] = ["budget = 9".parse().unwrap(), "method = GET".parse().unwrap()];
    let handed_on = minted.attenuate(&narrowed).unwrap();
    assert!(handed_on.verify(&root_key()).is_ok());
    let handed_on = handed_on.to_text();
    let get = RequestContext { method: Some("GET"), ..now() };
    let verified = verify(&handed_on, &own, &get).unwrap();
    let last = verified.nodes().last().unwrap();
    assert_eq!(verified.delegations().next_back(), Some(last.digest.derived_id()));
    let post = RequestContext { method: Some("POST"), ..now() };
    assert_eq!(verify(&handed_on, &own, &post).unwrap_err(), Refusal::Request(CaveatFailure::Method));
    let nothing_known = verify(&handed_on, &own, &now()).unwrap_err();
    assert_eq!(nothing_known, CaveatFailure::MissingContext { caveat: "method" }.into());
}

#[test]
fn a_token_is_good_at_its_own_service_only() {
    let (own, other) = (key(SERVICE, 6), key(OTHER, 8));
    let forged = Refusal::Token(TokenError::BadSignature);
    let text = token(&own, &[CHILD, "budget = 5", AUDIENCE]).to_text();
    assert!(verify(&text, &own, &now()).is_ok());
    assert_eq!(verify(&text, &other, &now()).unwrap_err(), forged);
    // The caller cannot talk it into being another service.
    let elsewhere = RequestContext { service: Some(other.service()), ..now() };
    assert!(verify(&text, &own, &elsewhere).is_ok());
    let to_other = token(&own, &[CHILD, "budget = 5", &format!("audience = {OTHER}")]).to_text();
    assert_eq!(verify(&to_other, &own, &now()).unwrap_err(), Refusal::Request(CaveatFailure::Audience));
    let to_nobody = token(&own, &[CHILD, "budget = 5"]).to_text();
    assert_eq!(verify(&to_nobody, &own, &now()).unwrap_err(), Refusal::Request(CaveatFailure::Audience));
}

#[test]
fn what_was_not_signed_for_the_service_is_refused() {
    let own = key(SERVICE, 6);
    let forged = Refusal::Token(TokenError::BadSignature);
    let caveats = [CHILD, "budget = 5", AUDIENCE];
    // The first part alone, and with another key's second.
    let whole = token(&own, &caveats);
    for text in [whole.without_service_signature().to_text(), token(&key(SERVICE, 9), &caveats).to_text()] {
        assert_eq!(verify(&text, &own, &now()).unwrap_err(), forged);
    }
    // The root key's own signature is not the service's.
    let (first, _) = parts(&whole);
    let macaroon = &first[first.len() - 43..];
    assert!(verify(&format!("{first}.{macaroon}"), &own, &now()).is_err());
    // In the name of another tenant.
    let nil = uuid::Uuid::nil();
    let stranger =
        Identifier::Subgrant { tenant: TenantId::from_uuid(nil), root_key: identifier().root_key() };
    let start = Macaroon::mint(&root_key(), LOCATION, &stranger).unwrap();
    let of_stranger = start.attenuate_bytes(caveats.map(str::as_bytes)).unwrap();
    let of_stranger = of_stranger.with_service_signature(&own).unwrap().to_text();
    assert_eq!(verify(&of_stranger, &own, &now()).unwrap_err(), forged);
    // A token for nothing in particular would speak for the whole tenant.
    assert_eq!(verify(&token(&own, &[]).to_text(), &own, &now()).unwrap_err(), forged);
    assert_eq!(verify("sgt_", &own, &now()).unwrap_err(), Refusal::Token(TokenError::Truncated));
}

#[test]
fn parts_of_different_tokens_do_not_go_together() {
    let own = key(SERVICE, 6);
    let forged = Refusal::Token(TokenError::BadSignature);
    let wide = token(&own, &[CHILD, "budget = 500", AUDIENCE]);
    let narrow = wide.attenuate(&["max_per_spend = 1".parse().unwrap()]).unwrap();
    let ((wide_first, wide_second), (narrow_first, narrow_second)) = (parts(&wide), parts(&narrow));
    for mixed in [format!("{wide_first}.{narrow_second}"), format!("{narrow_first}.{wide_second}")] {
        assert_eq!(verify(&mixed, &own, &now()).unwrap_err(), forged);
        // Subgrant looks at the first part, whatever stands behind it: that is what it says, and no more.
        let read = Macaroon::parse(&mixed).unwrap().verify(&root_key()).unwrap();
        let is_narrow = mixed.starts_with(&narrow_first);
        assert_eq!(read.scope().max_per_spend.is_some(), is_narrow);
    }
}

#[test]
fn a_service_deceives_itself_and_nobody_else() {
    let own = key(SERVICE, 6);
    let shown = [CHILD, "budget = 500", AUDIENCE, GRANDCHILD, "budget = 5", "max_per_spend = 1"];
    let whole = token(&own, &shown);
    for caveats in
        [&shown[..5], &shown[..3], &shown[..2], &shown[..1], &[][..], &[CHILD, "budget = 900", AUDIENCE]]
    {
        let made = of_the_services_making(&own, caveats);
        let at_subgrant = Macaroon::parse(&made).unwrap().verify(&root_key());
        assert_eq!(at_subgrant.unwrap_err(), TokenError::BadSignature, "{caveats:?}");
    }
    assert!(verify(&of_the_services_making(&own, &shown[..5]), &own, &now()).is_ok(), "by itself it does");
    // With the first signature of what it was shown as well.
    let (first, _) = parts(&whole);
    let (_, second) = {
        let climbed = of_the_services_making(&own, &shown[..3]);
        let (first, second) = climbed.split_once('.').unwrap();
        (first.to_owned(), second.to_owned())
    };
    let mixed = Macaroon::parse(&format!("{first}.{second}")).unwrap().verify(&root_key()).unwrap();
    assert_eq!(
        mixed.scope().max_per_spend.map(subgrant_domain::Credits::get),
        Some(1),
        "all that was shown binds"
    );
}

#[test]
fn the_second_part_is_one_signature_and_nothing_else() {
    let (first, second) = parts(&token(&key(SERVICE, 6), &[CHILD, "budget = 5", AUDIENCE]));
    for (text, error) in [
        (format!("{first}."), TokenError::ServiceSignature),
        (format!("{first}.{}", &second[..42]), TokenError::NotBase64),
        (format!("{first}.{}", "A".repeat(42)), TokenError::ServiceSignature),
        (format!("{first}.{}", "A".repeat(44)), TokenError::ServiceSignature),
        (format!("{first}.{second}.{second}"), TokenError::NotBase64),
        (format!("{first}..{second}"), TokenError::NotBase64),
        (format!("{first}. {second}"), TokenError::NotBase64),
        (format!("{first}.sgt_{second}"), TokenError::ServiceSignature),
        (format!(".{second}"), TokenError::Truncated),
    ] {
        let refused = Macaroon::parse(&text).unwrap_err();
        assert_eq!((refused, refused.class()), (error, ErrorClass::Malformed), "{text}");
    }
    let padded = Macaroon::parse(&format!("{first}.{second}=")).unwrap();
    assert_eq!(padded.to_text(), format!("{first}.{second}"));
}

#[test]
fn a_token_with_two_parts_is_no_longer_than_any_other() {
    let own = key(SERVICE, 6);
    let (mut longest, caveat) = (root_token(), format!("label = {}", "x".repeat(200)));
    while let Ok(longer) = longest.attenuate_bytes([caveat.as_bytes()]) {
        longest = longer;
    }
    let filled = |bytes: usize| longest.attenuate_bytes([vec![b'x'; bytes].as_slice()]).ok();
    let whole = (0..400).rev().find_map(filled).unwrap();
    assert!(whole.to_text().len() > MAX_TEXT_BYTES - 8);
    assert_eq!(whole.with_service_signature(&own).unwrap_err(), TokenError::TooLarge);
    let fits = (0..400).rev().filter_map(filled).find_map(|token| token.with_service_signature(&own).ok());
    let text = fits.unwrap().to_text();
    assert!((MAX_TEXT_BYTES - 8..=MAX_TEXT_BYTES).contains(&text.len()), "{}", text.len());
    assert_eq!(Macaroon::parse(&text).unwrap().to_text(), text);
    let padded = text
        .split('.')
        .map(|part| format!("{part}{}", "=".repeat((4 - part.trim_start_matches("sgt_").len() % 4) % 4)));
    assert!(Macaroon::parse(&padded.collect::<Vec<_>>().join(".")).is_ok(), "whichever way it arrived");
}

#[test]
fn the_first_form_of_such_tokens_is_refused_by_its_name() {
    let mut identifier = identifier().encode();
    identifier[0] = 2;
    assert_eq!(Identifier::decode(&identifier), Err(TokenError::RetiredForm));
    assert_eq!(
        (TokenError::RetiredForm.code(), TokenError::RetiredForm.class()),
        ("retired_form", ErrorClass::Retired)
    );
    assert_eq!(Identifier::decode(&identifier[..32]), Err(TokenError::UnknownIdentifier));
}

#[test]
fn an_expired_token_is_refused_by_the_service_s_own_clock() {
    let own = key(SERVICE, 6);
    let text = token(&own, &[CHILD, "budget = 5", AUDIENCE, "expires = 2026-12-01T00:00:00Z"]).to_text();
    assert!(matches!(verify(&text, &own, &now()), Err(Refusal::Request(CaveatFailure::Expired { .. }))));
    let before = RequestContext::at("2026-11-30T23:59:59Z".parse().unwrap());
    assert!(verify(&text, &own, &before).is_ok());
}
