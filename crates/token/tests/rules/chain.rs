//! From caveats to nodes and their effective scope.

use subgrant_domain::{Action, Credits};
use subgrant_token::{Caveat, CaveatError, ScopedLimit, TokenError, VerifiedToken};

use crate::support::{CHILD, GRANDCHILD, SERVICE, refused, root_key, root_token, token, verify};

fn verified(caveats: &[&str]) -> VerifiedToken {
    verify(caveats).expect("the token is valid")
}

fn error_of(caveats: &[&str]) -> TokenError {
    verify(caveats).expect_err("the token is refused")
}

fn credits(value: u64) -> Credits {
    Credits::new(value).unwrap()
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

#[test]
fn a_root_token_opens_no_node_and_permits_everything() {
    let root = verified(&[]);
    assert!(root.nodes().is_empty() && root.caveats().is_empty());
    assert_eq!(root.last_digest(), None);
    assert_eq!(root.scope().budget, None);
    assert_eq!(root.scope().remaining_depth, None);
    assert!(Action::ALL.into_iter().all(|action| root.scope().permits(action)));
}

#[test]
fn each_budget_opens_a_node_whose_digest_later_caveats_do_not_change() {
    let whole = [CHILD, "budget = 100", "label = a", GRANDCHILD, "budget = 40", "max_per_spend = 4"];
    let chain = verified(&whole);
    assert_eq!(chain.nodes().len(), 2);
    assert_eq!(chain.last_digest(), Some(chain.nodes()[1].digest));
    assert_eq!(verified(&whole[..2]).last_digest(), Some(chain.nodes()[0].digest));
    assert_eq!(verified(&whole[..5]).last_digest(), Some(chain.nodes()[1].digest));
    assert_ne!(chain.nodes()[0].digest, chain.nodes()[1].digest);
    assert_eq!(chain.nodes()[0].budget_index, 1);
    assert_eq!(chain.nodes()[0].block.caveats, 0..3);
    assert_eq!(chain.nodes()[1].budget_index, 4);
    assert_eq!(chain.nodes()[1].block.caveats, 3..6);
    let claim = chain.nodes()[1].claim.expect("the block has a delegation caveat");
    assert_eq!(chain.caveats()[3], Caveat::Delegation(claim));
    assert_eq!(format!("delegation = {claim}"), GRANDCHILD);
}

#[test]
fn digests_commit_to_everything_before_them() {
    let plain = verified(&["budget = 5"]).last_digest();
    for before in ["max_depth = 1", "budget = 5", "label = a"] {
        assert_ne!(verified(&[before, "budget = 5"]).last_digest(), plain, "{before}");
    }
    assert_ne!(verified(&["budget=5"]).last_digest(), plain);
    assert_eq!(verified(&["budget = 5", "max_depth = 1"]).last_digest(), plain);
}

#[test]
fn a_budget_without_delegation_opens_a_nested_node_without_claim() {
    let chain =
        verified(&["expires = 2027-01-01T00:00:00Z", CHILD, "budget = 100", "budget = 500", "label = inner"]);
    let [child, inner] = chain.nodes() else {
        panic!("two nodes");
    };
    assert!(child.claim.is_some());
    assert_eq!(inner.claim, None);
    assert_eq!((inner.budget_index, inner.block.caveats.clone()), (3, 3..5));
    assert_eq!(inner.budget, credits(500));
    assert_eq!(chain.scope().budget, Some(credits(100)));
    assert_eq!(child.block.label, None);
    assert_eq!(text(chain.scope().label.as_ref()), Some("inner".to_owned()));
    assert_eq!(chain.root_block().caveats, 0..1);
    assert!(chain.root_block().expires.is_some());
}

#[test]
fn a_delegation_must_be_followed_by_its_budget() {
    let reason = CaveatError::DelegationWithoutBudget;
    assert_eq!(error_of(&[CHILD]), refused(0, reason));
    assert_eq!(error_of(&["max_depth = 1", CHILD]), refused(1, reason));
    assert_eq!(error_of(&[CHILD, "label = x", "budget = 5"]), refused(0, reason));
    assert_eq!(error_of(&[CHILD, GRANDCHILD, "budget = 5"]), refused(0, reason));
    assert_eq!(error_of(&[CHILD, "budget = 5", GRANDCHILD]), refused(2, reason));
    assert_eq!(error_of(&[CHILD, "account = 5"]), refused(1, CaveatError::Unknown));
}

#[test]
fn repeated_caveats_narrow_within_and_across_blocks() {
    let chain = verified(&[
        "actions = spend,delegate",
        "expires = 2027-01-01T00:00:00Z",
        CHILD,
        "budget = 100",
        "max_per_spend = 50",
        "max_per_spend = 70",
        "expires = 2028-01-01T00:00:00Z",
        GRANDCHILD,
        "budget = 300",
        "actions = spend,read",
        "max_per_spend = 60",
        "expires = 2026-12-01T00:00:00Z",
        "expires = 2026-12-02T00:00:00Z",
    ]);
    let scope = chain.scope();
    assert_eq!(scope.budget, Some(credits(100)));
    assert_eq!(scope.max_per_spend, Some(credits(50)));
    assert_eq!(scope.expires(), "2026-12-01T00:00:00Z".parse().ok());
    assert_eq!(scope.actions.to_string(), "spend");
    assert!(!scope.permits(Action::Delegate) && !scope.permits(Action::Read));

    let blocks: Vec<_> = chain.nodes().iter().map(|node| &node.block).collect();
    assert_eq!(blocks[0].max_per_spend, Some(credits(50)));
    assert_eq!(blocks[1].max_per_spend, Some(credits(60)));
    assert_eq!(blocks[0].expires, "2028-01-01T00:00:00Z".parse().ok());
    assert_eq!(text(blocks[1].actions.as_ref()), Some("spend,read".to_owned()));
    assert_eq!(chain.actions_above(0).to_string(), "spend,delegate");
    assert_eq!(chain.actions_above(1).to_string(), "spend,delegate");
    assert_eq!(chain.actions_above(2).to_string(), "spend");
}

#[test]
fn limits_all_apply_each_to_its_node() {
    let chain = verified(&[
        "limit = 500/month",
        "budget = 100",
        "limit = 10/day",
        "limit = 10/day",
        "limit = 5/hour",
        "budget = 50",
        "limit = 10/day",
    ]);
    let expected = [(None, "500/month"), (Some(0), "10/day"), (Some(0), "5/hour"), (Some(1), "10/day")]
        .map(|(node, limit)| ScopedLimit { node, limit: limit.parse().unwrap() });
    assert_eq!(chain.scope().limits, expected);
    assert_eq!(chain.root_block().limits.len(), 1);
    assert_eq!(chain.nodes()[0].block.limits.len(), 2);
}

#[test]
fn max_depth_counts_every_budget_below_it() {
    let depth = |caveats: &[&str]| verified(caveats).scope().remaining_depth;
    assert_eq!(depth(&["budget = 5"]), None);
    assert_eq!(depth(&["max_depth = 2", "budget = 5"]), Some(1));
    assert_eq!(depth(&["max_depth = 2", "budget = 5", "max_depth = 9"]), Some(1));
    assert_eq!(depth(&["max_depth = 2", "budget = 5", "max_depth = 0"]), Some(0));
    assert_eq!(depth(&["budget = 5", "max_depth = 2", CHILD, "budget = 5", "budget = 5"]), Some(0));

    assert_eq!(error_of(&["max_depth = 0", "budget = 5"]), refused(1, CaveatError::TooDeep));
    assert_eq!(
        error_of(&["budget = 5", "max_depth = 1", "budget = 5", "budget = 5"]),
        refused(3, CaveatError::TooDeep)
    );
    assert_eq!(
        error_of(&["budget = 5", "max_depth = 0", CHILD, "budget = 5"]),
        refused(3, CaveatError::TooDeep)
    );
}

#[test]
fn attribution_is_inherited_and_may_be_repeated_but_not_changed() {
    let chain = verified(&[
        "cost_center = Engineering",
        "budget = 5",
        "department = R&D",
        "cost_center = Engineering",
        "budget = 5",
    ]);
    assert_eq!(text(chain.scope().cost_center.as_ref()), Some("Engineering".to_owned()));
    assert_eq!(text(chain.scope().department.as_ref()), Some("R&D".to_owned()));
    assert_eq!(chain.nodes()[1].block.cost_center, None);

    for name in ["cost_center", "department"] {
        let (first, second) = (format!("{name} = Engineering"), format!("{name} = engineering"));
        assert_eq!(error_of(&[&first, "budget = 5", &second]), refused(2, CaveatError::Conflict));
        assert_eq!(error_of(&[&first, &second]), refused(1, CaveatError::Conflict));
    }
}

#[test]
fn a_label_names_one_node_and_only_once() {
    let chain = verified(&["label = root", "budget = 5", "label = a", "label = a", "budget = 5"]);
    assert_eq!(text(chain.nodes()[0].block.label.as_ref()), Some("a".to_owned()));
    assert_eq!(chain.scope().label, None);
    assert_eq!(text(verified(&["label = root"]).scope().label.as_ref()), Some("root".to_owned()));
    let error = error_of(&["budget = 5", "label = a", "label = b"]);
    assert_eq!(error, refused(2, CaveatError::Conflict));
}

#[test]
fn two_audiences_conflict() {
    let audience = format!("audience = {SERVICE}");
    assert_eq!(
        text(verified(&[&audience, "budget = 1", &audience]).scope().audience.as_ref()),
        Some(SERVICE.to_owned())
    );
    let error = error_of(&[&audience, "budget = 1", "audience = svc_01jd0000000000000000000008"]);
    assert_eq!(error, refused(2, CaveatError::Conflict));
}

#[test]
fn typed_attenuation_equals_the_same_text_appended_as_bytes() {
    let texts = [CHILD, "budget = 5", "route = /v1/*"];
    let caveats: Vec<Caveat> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let typed = root_token().attenuate(&caveats).unwrap();
    assert_eq!(typed.to_text(), token(&texts).to_text());
    assert_eq!(typed.verify(&root_key()).unwrap().caveats(), caveats);
}
