//! A resource server that holds its verification key and nothing else.

use subgrant_domain::{DelegationId, ServiceId, TenantId};
use subgrant_token::{
    Caveat, CaveatFailure, Identifier, KeyTextError, Macaroon, Refusal, RequestContext, TokenError,
    VerificationKey, verify,
};

use crate::support::{CHILD, GRANDCHILD, LOCATION, SERVICE, identifier, root_key};

const OTHER: &str = "svc_01jd0000000000000000000008";

fn tenant() -> TenantId {
    identifier().tenant()
}

fn key(service: &str, byte: u8) -> VerificationKey {
    VerificationKey::new(tenant(), service.parse::<ServiceId>().unwrap(), [byte; 32])
}

/// A token for the service, as Subgrant signs it.
fn token(key: &VerificationKey, caveats: &[&str]) -> Macaroon {
    let start = Macaroon::mint(key.signing_key(), LOCATION, &key.identifier()).unwrap();
    start.attenuate_bytes(caveats.iter().map(|caveat| caveat.as_bytes())).unwrap()
}

fn now() -> RequestContext<'static> {
    RequestContext::at("2026-12-01T00:00:00Z".parse().unwrap())
}

#[test]
fn a_key_is_read_as_it_is_written_and_nothing_else_is() {
    let own = key(SERVICE, 7);
    let text = own.to_text();
    assert_eq!((text.len(), text.starts_with("svk_")), (91, true));
    let read = VerificationKey::parse(&text).unwrap();
    assert!(read.matches(&own) && read.tenant() == tenant() && read.service() == own.service());
    assert!(!read.matches(&key(SERVICE, 8)) && !read.matches(&key(OTHER, 7)));
    for wrong in
        ["", "svk_", &text[4..], &text[..90], &format!("{}=", *text), &text.replacen("svk_A", "svk_B", 1)]
    {
        assert_eq!(VerificationKey::parse(wrong).unwrap_err(), KeyTextError, "{wrong}");
    }
    assert_eq!(format!("{own:?}"), format!("VerificationKey({SERVICE}, redacted)"));
}

#[test]
fn the_effective_caveats_of_the_whole_chain_are_told() {
    let own = key(SERVICE, 7);
    let caveats =
        [CHILD, "budget = 500", "actions = spend,read", "expires = 2027-01-01T00:00:00Z", GRANDCHILD];
    let caveats = [&caveats[..], &["budget = 900", "max_per_spend = 5", "route = /v1/*"]].concat();
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
fn what_the_holder_appends_binds_and_an_unclaimed_child_has_the_id_of_its_digest() {
    let own = key(SERVICE, 7);
    let minted = token(&own, &[CHILD, "budget = 500"]);
    let narrowed: [Caveat; 2] = ["budget = 9".parse().unwrap(), "method = GET".parse().unwrap()];
    let handed_on = minted.attenuate(&narrowed).unwrap().to_text();
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
    let (own, other) = (key(SERVICE, 7), key(OTHER, 8));
    let text = token(&own, &[CHILD, "budget = 5"]).to_text();
    assert!(verify(&text, &own, &now()).is_ok());
    assert_eq!(verify(&text, &other, &now()).unwrap_err(), Refusal::Request(CaveatFailure::Audience));
    // The caller cannot talk it into being another service.
    let elsewhere = RequestContext { service: Some(other.service()), ..now() };
    assert!(verify(&text, &own, &elsewhere).is_ok());
    let foreign = token(&own, &[CHILD, "budget = 5", &format!("audience = {OTHER}")]).to_text();
    assert!(matches!(
        verify(&foreign, &own, &now()),
        Err(Refusal::Token(TokenError::Caveat { index: 2, .. }))
    ));
}

#[test]
fn what_was_not_signed_for_the_service_is_refused() {
    let own = key(SERVICE, 7);
    let forged = Refusal::Token(TokenError::BadSignature);
    let caveats = [CHILD.as_bytes(), b"budget = 5"];
    // With a tenant's root key, and with the service's own key in the name of a root key.
    for key in [&root_key(), own.signing_key()] {
        let token = Macaroon::mint(key, LOCATION, &identifier()).unwrap().attenuate_bytes(caveats).unwrap();
        assert_eq!(verify(&token.to_text(), &own, &now()).unwrap_err(), forged);
    }
    // Under another key, and in the name of another tenant.
    assert_eq!(
        verify(&token(&key(SERVICE, 9), &[CHILD, "budget = 5"]).to_text(), &own, &now()).unwrap_err(),
        forged
    );
    let stranger =
        Identifier::Service { tenant: TenantId::from_uuid(uuid::Uuid::nil()), service: own.service() };
    let token_of_stranger =
        Macaroon::mint(own.signing_key(), LOCATION, &stranger).unwrap().attenuate_bytes(caveats).unwrap();
    assert!(verify(&token_of_stranger.to_text(), &own, &now()).is_err());
    // A token for nothing in particular would speak for the whole tenant.
    assert_eq!(verify(&token(&own, &[]).to_text(), &own, &now()).unwrap_err(), forged);
    assert_eq!(verify("sgt_", &own, &now()).unwrap_err(), Refusal::Token(TokenError::Truncated));
}

#[test]
fn an_expired_token_is_refused_by_the_service_s_own_clock() {
    let own = key(SERVICE, 7);
    let text = token(&own, &[CHILD, "budget = 5", "expires = 2026-12-01T00:00:00Z"]).to_text();
    assert!(matches!(verify(&text, &own, &now()), Err(Refusal::Request(CaveatFailure::Expired { .. }))));
    let before = RequestContext::at("2026-11-30T23:59:59Z".parse().unwrap());
    assert!(verify(&text, &own, &before).is_ok());
}
