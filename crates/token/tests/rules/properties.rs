//! What must hold for every token, found by generated ones.

use proptest::{prelude::*, sample::select};
use subgrant_token::{Caveat, CaveatError, Macaroon, RequestContext, Scope, TokenError};

use crate::support::{CHILD, GRANDCHILD, SERVICE, root_key, root_token, token, verify};

const SECOND_SERVICE: &str = "svc_01jd0000000000000000000008";

/// Caveats that overlap, conflict, narrow or are wrong, so that short lists already meet.
fn any_caveat() -> impl Strategy<Value = String> {
    let fixed = select(vec![
        CHILD,
        GRANDCHILD,
        "cost_center = a",
        "cost_center = b",
        "department = a",
        "department = b",
        "label = a",
        "label = b",
        "actions = spend",
        "actions = spend,read",
        "actions = delegate,read",
        "limit = 5/day",
        "limit = 9/hour",
        "route = /a/*",
        "route = /a/b,/c",
        "route = /*",
        "method = GET",
        "method = GET,POST",
        "source_ip = 10.0.0.0/8",
        "source_ip = 10.1.0.0/16,::/0",
        "services=x:0",
        "services=x:0,y:0",
        "x_capabilities=read",
        "x_capabilities=read,write",
        "audience = svc_01jd0000000000000000000007",
        "audience = svc_01jd0000000000000000000008",
        "account = 1",
        "budget = -1",
        "",
        "label = \u{202e}",
    ])
    .prop_map(str::to_owned);
    let number = select(vec![0_u32, 1, 2, 3, 100]);
    prop_oneof![
        6 => fixed,
        3 => number.clone().prop_map(|number| format!("budget = {number}")),
        1 => number.clone().prop_map(|number| format!("max_per_spend = {number}")),
        1 => number.clone().prop_map(|number| format!("max_depth = {number}")),
        1 => number.clone().prop_map(|number| format!("expires = 2026-12-{:02}T00:00:00Z", number % 31 + 1)),
        1 => number.prop_map(|number| format!("x_valid_until={}", 1_796_083_200 + number)),
    ]
}

fn any_request() -> impl Strategy<Value = RequestContext<'static>> {
    (
        select(vec!["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-03T00:00:00Z"]),
        select(vec![None, Some("GET"), Some("POST"), Some("get")]),
        select(vec![None, Some("/a/b"), Some("/a/../c"), Some("/c"), Some("/a/b?x=1")]),
        select(vec![None, Some("10.1.2.3"), Some("10.2.2.3"), Some("2001:db8::1")]),
        select(vec![None, Some(SERVICE), Some(SECOND_SERVICE)]),
        select(vec![(None, None), (Some("x"), None), (Some("x"), Some("read")), (Some("y"), Some("write"))]),
    )
        .prop_map(|(at, method, path, address, service, (l402_service, l402_capability))| {
            RequestContext {
                at: at.parse().unwrap(),
                method,
                path,
                source_ip: address.map(|address| address.parse().unwrap()),
                service: service.map(|service| service.parse().unwrap()),
                l402_service,
                l402_capability,
            }
        })
}

/// Whether a missing bound is the widest, and both bounds otherwise in order.
fn at_most<T: PartialOrd>(narrow: Option<&T>, wide: Option<&T>) -> bool {
    wide.is_none_or(|wide| narrow.is_some_and(|narrow| narrow <= wide))
}

fn is_within(narrow: &Scope, wide: &Scope) -> bool {
    at_most(narrow.budget.as_ref(), wide.budget.as_ref())
        && at_most(narrow.max_per_spend.as_ref(), wide.max_per_spend.as_ref())
        && at_most(narrow.remaining_depth.as_ref(), wide.remaining_depth.as_ref())
        && at_most(narrow.expires().as_ref(), wide.expires().as_ref())
        && narrow.actions.is_subset(wide.actions)
        && wide.limits.iter().all(|limit| narrow.limits.contains(limit))
        && (wide.cost_center.is_none() || narrow.cost_center == wide.cost_center)
        && (wide.department.is_none() || narrow.department == wide.department)
        && (wide.audience.is_none() || narrow.audience == wide.audience)
}

/// The longest part of a caveat list that is not cut between `delegation` and `budget`.
fn without_open_end(caveats: &[String]) -> &[String] {
    match caveats {
        [rest @ .., last] if last.starts_with("delegation") => without_open_end(rest),
        _ => caveats,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn appended_caveats_never_turn_deny_into_allow(
        caveats in prop::collection::vec(any_caveat(), 0..8),
        request in any_request(),
    ) {
        let whole = verify(&caveats);
        for length in 0..caveats.len() {
            let before = verify(without_open_end(&caveats[..length]));
            match (&before, &whole) {
                (Err(refusal), Ok(_)) => prop_assert!(false, "{refusal} was lifted at {length}"),
                (Ok(before), Ok(whole)) => {
                    prop_assert!(is_within(whole.scope(), before.scope()), "wider than after {length}");
                    let allowed = whole.scope().check_request(&request).is_ok();
                    prop_assert!(!allowed || before.scope().check_request(&request).is_ok());
                    let digests = before.nodes().iter().map(|node| node.digest);
                    prop_assert!(digests.eq(whole.nodes().iter().map(|node| node.digest).take(before.nodes().len())));
                }
                (_, Err(_)) => {}
            }
        }
    }

    #[test]
    fn only_an_open_block_can_be_completed(
        caveats in prop::collection::vec(any_caveat(), 1..8),
    ) {
        let (last, before) = caveats.split_last().unwrap();
        if let (Err(refusal), Ok(_)) = (verify(before), verify(&caveats)) {
            let open = TokenError::Caveat { index: before.len() - 1, reason: CaveatError::DelegationWithoutBudget };
            prop_assert_eq!(refusal, open);
            prop_assert!(last.starts_with("budget"));
        }
    }

    #[test]
    fn tokens_of_any_bytes_survive_encoding_and_decoding(
        location in ".{0,40}",
        caveats in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
    ) {
        let minted = Macaroon::mint(&root_key(), &location, root_token().identifier()).unwrap();
        let token = minted.attenuate_bytes(caveats.iter().map(Vec::as_slice)).unwrap();
        let read = Macaroon::parse(&token.to_text()).unwrap();
        prop_assert_eq!(read.to_text(), token.to_text());
        prop_assert_eq!(read.location(), Some(location.as_str()));
        prop_assert_ne!(read.verify(&root_key()).err(), Some(TokenError::BadSignature));
        // What was read signs on like what was made.
        let further = [b"budget = 1".as_slice()];
        let (left, right) = (read.attenuate_bytes(further).unwrap(), token.attenuate_bytes(further).unwrap());
        prop_assert_eq!(left.to_text(), right.to_text());
    }

    #[test]
    fn a_read_caveat_is_written_in_a_form_that_reads_the_same(
        name in select(vec![
            "label", "budget", "actions", "expires", "limit", "route", "method", "source_ip", "services", "x_capabilities",
            "x_valid_until", "max_depth",
        ]),
        value in r"[a-z0-9/*:.,A-Z %=-]{1,12}|[0-9]{1,4}|(GET|POST)( ?, ?PUT)?|/[a-z%0-9*,/]{0,8}|[a-z]:[0-9]|1.2.3.4/3[0-2]",
    ) {
        if let Ok(caveat) = format!("{name}={value}").parse::<Caveat>() {
            let text = caveat.to_string();
            prop_assert_eq!(text.parse::<Caveat>(), Ok(caveat.clone()));
            let attenuated = root_token().attenuate([&caveat]).unwrap();
            prop_assert_eq!(attenuated.to_text(), token(&[text]).to_text());
        }
    }
}
