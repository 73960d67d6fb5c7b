//! Named examples of the rules, and random sequences after which every balance is recomputed from scratch.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Allocation, Credits, DelegationId, Node, NodePath, Period, Status, Tree, WindowLimit};

fn id(number: u128) -> DelegationId {
    DelegationId::from_uuid(Uuid::from_u128(number))
}

fn credits(value: u64) -> Credits {
    Credits::new(value).unwrap()
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn tree() -> Tree {
    Tree::new(noon(), TimeZone::UTC, [Node::root(id(0))])
}

fn asking(budget: u64, allocation: Allocation) -> ChildRequest {
    ChildRequest {
        budget: credits(budget),
        allocation,
        expires_at: None,
        actions: None,
        max_per_spend: None,
        limits: Vec::new(),
        max_depth: None,
        cost_center: None,
        department: None,
    }
}

fn mint(
    tree: &mut Tree,
    parent: &NodePath,
    child: u128,
    request: &ChildRequest,
) -> Result<NodePath, MintDenial> {
    plan_mint(tree, parent, &Holder::UNRESTRICTED, id(child), request).map(|child| child.path)
}

fn spend(tree: &mut Tree, path: &NodePath, amount: u64) -> Result<(), Denial> {
    plan_spend(tree, path, &SpendLimits::default(), credits(amount))
}

/// `(spent, held, reserved, available)` of a node.
fn balances(tree: &Tree, path: &NodePath) -> (u64, u64, u64, Option<u64>) {
    let node = tree.node(path.id()).unwrap();
    (node.spent.get(), node.held.get(), node.reserved, node.available().map(Credits::get))
}

#[test]
fn what_was_planned_for_a_path_can_be_undone() {
    let mut tree = tree();
    let root = NodePath::root(id(0));
    let team = mint(&mut tree, &root, 1, &asking(100, Allocation::Carve)).unwrap();
    tree.forget_changes();
    let aside = tree.set_aside(&team.child(id(2)).unwrap());
    let agent = mint(&mut tree, &team, 2, &asking(40, Allocation::Carve)).unwrap();
    spend(&mut tree, &agent, 10).unwrap();
    tree.put_back(aside);
    assert!(tree.node(agent.id()).is_none());
    assert_eq!(balances(&tree, &team), (0, 0, 0, Some(100)));
    assert!(tree.changed_nodes().is_empty());
}

#[test]
fn a_tree_goes_on_within_its_windows_and_forgets_counters_beyond() {
    let mut tree = tree();
    let (hour, _) = tree.window_key(id(0), Period::Hour);
    let (day, _) = tree.window_key(id(0), Period::Day);
    tree.set_window(hour, credits(3));
    tree.set_window(day, credits(7));
    assert!(tree.go_on("2026-11-21T12:59:59.999999Z".parse().unwrap()));
    assert_eq!(tree.window(hour), Some(credits(3)));
    let next_hour = "2026-11-21T13:00:00Z".parse().unwrap();
    assert!(!tree.go_on(next_hour), "another window takes counters that are not loaded");
    assert!(tree.now() < next_hour);
    tree.advance(next_hour);
    let (hour, _) = tree.window_key(id(0), Period::Hour);
    assert_eq!((tree.window(hour), tree.window(day)), (None, Some(credits(7))));
    assert_eq!(hour.start, next_hour);
}

#[test]
fn the_demo_tree_cascades() {
    let mut tree = tree();
    let root = NodePath::root(id(0));
    let engineering = mint(&mut tree, &root, 1, &asking(10_000, Allocation::Carve)).unwrap();
    let ml_team = mint(&mut tree, &engineering, 2, &asking(5_000, Allocation::Carve)).unwrap();
    let reviewer = mint(&mut tree, &ml_team, 3, &asking(1_000, Allocation::Carve)).unwrap();
    spend(&mut tree, &reviewer, 100).unwrap();
    let remaining = |path: &NodePath| tree.node(path.id()).unwrap().remaining().map(Credits::get);
    assert_eq!(remaining(&reviewer), Some(900));
    assert_eq!(remaining(&ml_team), Some(4_900));
    assert_eq!(remaining(&engineering), Some(9_900));
    assert_eq!(balances(&tree, &root), (100, 0, 9_900, None));
}

#[test]
fn a_carve_sibling_cannot_starve_another_but_a_cap_sibling_can() {
    let mut tree = tree();
    let team = mint(&mut tree, &NodePath::root(id(0)), 1, &asking(1_000, Allocation::Carve)).unwrap();
    let safe = mint(&mut tree, &team, 2, &asking(400, Allocation::Carve)).unwrap();
    let greedy = mint(&mut tree, &team, 3, &asking(1_000, Allocation::Cap)).unwrap();
    let late = mint(&mut tree, &team, 4, &asking(1_000, Allocation::Cap)).unwrap();
    spend(&mut tree, &greedy, 550).unwrap();
    assert_eq!(tree.effective_remaining(&late, None), Some(credits(50)));
    let denial = spend(&mut tree, &late, 51);
    assert_eq!(denial, Err(Denial::BudgetExhausted { node: team.id(), max_affordable: credits(50) }));
    spend(&mut tree, &safe, 400).unwrap();
    assert_eq!(balances(&tree, &team), (950, 0, 0, Some(50)));
}

#[test]
fn a_carve_below_a_cap_still_needs_the_credits_above_it() {
    let mut tree = tree();
    let team = mint(&mut tree, &NodePath::root(id(0)), 1, &asking(100, Allocation::Carve)).unwrap();
    let cap = mint(&mut tree, &team, 2, &asking(100, Allocation::Cap)).unwrap();
    let carve = mint(&mut tree, &cap, 3, &asking(80, Allocation::Carve)).unwrap();
    spend(&mut tree, &team, 60).unwrap();
    let denial = spend(&mut tree, &carve, 41);
    assert_eq!(denial, Err(Denial::BudgetExhausted { node: team.id(), max_affordable: credits(40) }));
    spend(&mut tree, &carve, 40).unwrap();
}

#[test]
fn a_child_is_never_wider_than_its_parent() {
    let mut tree = tree();
    let end = noon() + SignedDuration::from_hours(1);
    let restricted = ChildRequest {
        expires_at: Some(end),
        max_depth: Some(1),
        actions: Some("spend,delegate".parse().unwrap()),
        cost_center: Some(crate::AttributeText::new("Engineering").unwrap()),
        ..asking(100, Allocation::Carve)
    };
    let parent = mint(&mut tree, &NodePath::root(id(0)), 1, &restricted).unwrap();
    let base = asking(10, Allocation::Carve);
    let refusals = [
        (ChildRequest { budget: credits(101), ..base.clone() }, "budget_credits"),
        (ChildRequest { expires_at: Some(end + SignedDuration::from_micros(1)), ..base.clone() }, "expiry"),
        (ChildRequest { actions: Some("read".parse().unwrap()), ..base.clone() }, "actions"),
        (ChildRequest { max_depth: Some(1), ..base.clone() }, "max_depth"),
    ];
    for (request, expected) in refusals {
        let Err(MintDenial::NarrowerThanParent { field, .. }) = mint(&mut tree, &parent, 9, &request) else {
            panic!("{expected} was accepted")
        };
        assert_eq!(field, expected);
    }
    let other =
        ChildRequest { cost_center: Some(crate::AttributeText::new("Finance").unwrap()), ..base.clone() };
    assert!(matches!(mint(&mut tree, &parent, 9, &other), Err(MintDenial::CostCenterConflict { .. })));
    let past = ChildRequest { expires_at: Some(noon()), ..base.clone() };
    assert_eq!(mint(&mut tree, &parent, 9, &past), Err(MintDenial::ExpiryInThePast));
    assert_eq!(balances(&tree, &parent), (0, 0, 0, Some(100)), "refusals change nothing");

    let child = mint(&mut tree, &parent, 2, &base).unwrap();
    let inherited = &tree.node(child.id()).unwrap().terms;
    assert_eq!((inherited.expires_at, inherited.max_depth), (Some(end), Some(0)));
    assert_eq!(inherited.cost_center.as_ref().unwrap().as_str(), "Engineering");
    assert_eq!(mint(&mut tree, &child, 3, &asking(1, Allocation::Carve)), Err(MintDenial::TooDeep));
}

#[test]
fn window_limits_count_spends_and_open_holds_and_tell_when_to_retry() {
    let mut tree = tree();
    let limit = WindowLimit { period: Period::Day, credits: credits(100) };
    let request = ChildRequest { limits: vec![limit], ..asking(1_000, Allocation::Carve) };
    let path = mint(&mut tree, &NodePath::root(id(0)), 1, &request).unwrap();
    let (key, midnight) = tree.window_key(path.id(), Period::Day);
    tree.set_window(key, credits(30));
    let hold_end = noon() + SignedDuration::from_mins(5);
    let hold = plan_hold(&mut tree, &path, &SpendLimits::default(), credits(20), hold_end).unwrap();
    let denial =
        Denial::WindowLimit { node: path.id(), limit, max_affordable: credits(50), retry_at: Some(midnight) };
    assert_eq!(spend(&mut tree, &path, 51), Err(denial));
    let hopeless =
        Denial::WindowLimit { node: path.id(), limit, max_affordable: credits(50), retry_at: None };
    assert_eq!(spend(&mut tree, &path, 101), Err(hopeless));
    spend(&mut tree, &path, 50).unwrap();
    plan_capture(&mut tree, &hold, &SpendLimits::NONE, credits(15)).unwrap();
    assert_eq!(tree.window(key), Some(credits(95)));
    assert_eq!(balances(&tree, &path), (65, 0, 0, Some(935)));
}

#[test]
fn the_token_narrows_the_node() {
    let mut tree = tree();
    let path = mint(&mut tree, &NodePath::root(id(0)), 1, &asking(1_000, Allocation::Carve)).unwrap();
    let limits = SpendLimits { max_per_spend: Some(credits(5)), ..SpendLimits::default() };
    let denial = plan_spend(&mut tree, &path, &limits, credits(6));
    assert_eq!(denial, Err(Denial::MaxPerSpend { node: path.id(), max_affordable: credits(5) }));
    let limits = SpendLimits { expires_at: Some(noon()), ..SpendLimits::default() };
    assert_eq!(plan_spend(&mut tree, &path, &limits, credits(1)), Err(Denial::Expired { node: path.id() }));
}

#[test]
fn revocation_frees_carve_and_holds_and_stops_the_subtree() {
    let mut tree = tree();
    let team = mint(&mut tree, &NodePath::root(id(0)), 1, &asking(1_000, Allocation::Carve)).unwrap();
    let agent = mint(&mut tree, &team, 2, &asking(600, Allocation::Carve)).unwrap();
    let sub = mint(&mut tree, &agent, 3, &asking(100, Allocation::Carve)).unwrap();
    spend(&mut tree, &sub, 40).unwrap();
    let hold_end = noon() + SignedDuration::from_mins(5);
    let hold = plan_hold(&mut tree, &sub, &SpendLimits::default(), credits(10), hold_end).unwrap();
    let receipt = plan_revoke(&mut tree, &agent).unwrap();
    assert_eq!(receipt, Revocation { credits_freed: credits(560), held_voided: credits(10) });
    assert_eq!(balances(&tree, &team), (40, 0, 0, Some(960)));
    assert_eq!(tree.status(&sub), Status::Revoked(agent.id()));
    assert_eq!(spend(&mut tree, &sub, 1), Err(Denial::Revoked { node: agent.id() }));
    assert_eq!(plan_capture(&mut tree, &hold, &SpendLimits::NONE, credits(1)), Err(Denial::HoldClosed));
    assert_eq!(plan_revoke(&mut tree, &agent), Err(Denial::Revoked { node: agent.id() }));
    assert_eq!(mint(&mut tree, &agent, 4, &asking(1, Allocation::Carve)).map(|_| ()), {
        Err(MintDenial::Denied(Denial::Revoked { node: agent.id() }))
    });
}

#[test]
fn a_hold_or_node_is_dead_at_the_instant_it_expires() {
    let mut tree = tree();
    let end = noon() + SignedDuration::from_mins(1);
    let request = ChildRequest { expires_at: Some(end), ..asking(100, Allocation::Carve) };
    let path = mint(&mut tree, &NodePath::root(id(0)), 1, &request).unwrap();
    let later = end + SignedDuration::from_mins(5);
    let hold = plan_hold(&mut tree, &path, &SpendLimits::default(), credits(10), later).unwrap();
    assert_eq!(hold.expires_at, end, "a hold never outlives its node");
    let nodes: Vec<_> =
        tree.changed_nodes().into_iter().cloned().chain([tree.node(path.id()).unwrap().clone()]).collect();
    let mut at_end = Tree::new(end, TimeZone::UTC, nodes);
    assert_eq!(plan_capture(&mut at_end, &hold, &SpendLimits::NONE, credits(1)), Err(Denial::HoldExpired));
    assert_eq!(spend(&mut at_end, &path, 1), Err(Denial::Expired { node: path.id() }));
    plan_expired_hold(&mut at_end, &hold);
    plan_expiry(&mut at_end, &path);
    assert_eq!(balances(&at_end, &NodePath::root(id(0))), (0, 0, 0, None));
}

#[test]
fn overcommit_follows_mint_spend_budget_expiry_and_revocation() {
    let mut tree = tree();
    let root = NodePath::root(id(0));
    let team = mint(&mut tree, &root, 1, &asking(100, Allocation::Carve)).unwrap();
    let ratio = |tree: &Tree| tree.node(team.id()).unwrap().overcommit_ratio();
    assert_eq!(ratio(&tree), None, "nobody competes");
    let carved = mint(&mut tree, &team, 2, &asking(40, Allocation::Carve)).unwrap();
    assert_eq!(ratio(&tree), Some(0.4));
    let first = mint(&mut tree, &team, 3, &asking(100, Allocation::Cap)).unwrap();
    let end = noon() + SignedDuration::from_secs(60);
    let brief = ChildRequest { expires_at: Some(end), ..asking(60, Allocation::Cap) };
    let second = mint(&mut tree, &team, 4, &brief).unwrap();
    assert_eq!(ratio(&tree), Some(2.0));
    spend(&mut tree, &first, 20).unwrap();
    assert_eq!(ratio(&tree), Some(180.0 / 80.0), "what was spent is promised no more, and there no more");
    tree.change_budget(&first, credits(60));
    tree.change_budget(&carved, credits(20));
    assert_eq!(ratio(&tree), Some(120.0 / 80.0));
    plan_revoke(&mut tree, &first).unwrap();
    assert_eq!(ratio(&tree), Some(1.0));
    let nodes = tree.changed_nodes().into_iter().chain(tree.node(second.id())).cloned();
    let mut later = Tree::new(end, TimeZone::UTC, nodes);
    plan_expiry(&mut later, &second);
    assert_eq!(ratio(&later), Some(0.25));
    assert_eq!(later.node(root.id()).unwrap().overcommit_ratio(), None, "the root is unlimited");
}

/// One step of a random history; nodes and holds are picked by index, modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Mint { parent: usize, budget: u64, allocation: Allocation },
    Spend { node: usize, amount: u64 },
    Hold { node: usize, amount: u64 },
    Capture { hold: usize, amount: u64 },
    Release { hold: usize },
    Revoke { node: usize },
    Change { node: usize, budget: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let allocation = prop_oneof![Just(Allocation::Carve), Just(Allocation::Cap)];
    prop_oneof![
        3 => (any::<usize>(), 1..500_u64, allocation)
            .prop_map(|(parent, budget, allocation)| Step::Mint { parent, budget, allocation }),
        5 => (any::<usize>(), 1..100_u64).prop_map(|(node, amount)| Step::Spend { node, amount }),
        3 => (any::<usize>(), 1..100_u64).prop_map(|(node, amount)| Step::Hold { node, amount }),
        2 => (any::<usize>(), 1..120_u64).prop_map(|(hold, amount)| Step::Capture { hold, amount }),
        1 => any::<usize>().prop_map(|hold| Step::Release { hold }),
        1 => any::<usize>().prop_map(|node| Step::Revoke { node }),
        2 => (any::<usize>(), 1..600_u64).prop_map(|(node, budget)| Step::Change { node, budget }),
    ]
}

/// What the history acknowledged, kept beside the tree and never read from it.
#[derive(Default)]
struct Model {
    paths: Vec<NodePath>,
    own_spent: HashMap<DelegationId, u64>,
    holds: Vec<Hold>,
}

fn run(tree: &mut Tree, model: &mut Model, step: &Step) {
    let path = |index: usize| model.paths[index % model.paths.len()].clone();
    match *step {
        Step::Mint { parent, budget, allocation } => {
            let number = model.paths.len() as u128;
            if let Ok(child) = mint(tree, &path(parent), number, &asking(budget, allocation)) {
                model.paths.push(child);
            }
        }
        Step::Spend { node, amount } => {
            let path = path(node);
            match spend(tree, &path, amount) {
                Ok(()) => *model.own_spent.entry(path.id()).or_default() += amount,
                Err(Denial::BudgetExhausted { max_affordable, .. }) if !max_affordable.is_zero() => {
                    // The advice is exact: that much passes, and not one credit more.
                    assert!(max_affordable.get() < amount);
                    assert!(spend(&mut tree.clone(), &path, max_affordable.get() + 1).is_err());
                    assert_eq!(spend(&mut tree.clone(), &path, max_affordable.get()), Ok(()));
                }
                Err(_) => {}
            }
        }
        Step::Hold { node, amount } => {
            let end = noon() + SignedDuration::from_hours(1);
            model.holds.extend(plan_hold(tree, &path(node), &SpendLimits::default(), credits(amount), end));
        }
        Step::Capture { hold, amount } if !model.holds.is_empty() => {
            let index = hold % model.holds.len();
            if plan_capture(tree, &model.holds[index], &SpendLimits::NONE, credits(amount)).is_ok() {
                let hold = model.holds.swap_remove(index);
                *model.own_spent.entry(hold.path.id()).or_default() += amount;
            }
        }
        Step::Release { hold } if !model.holds.is_empty() => {
            let index = hold % model.holds.len();
            if plan_release(tree, &model.holds[index]).is_ok() {
                model.holds.swap_remove(index);
            }
        }
        Step::Revoke { node } => {
            let path = path(node);
            if path.depth() > 0 && plan_revoke(tree, &path).is_ok() {
                model.holds.retain(|hold| !hold.path.is_within(path.id()));
            }
        }
        Step::Change { node, budget } => {
            let path = path(node);
            let change = |budget| ChangeRequest { budget: Some(credits(budget)), ..ChangeRequest::default() };
            match plan_change(tree, &path, &change(budget)) {
                Err(ChangeDenial::BelowCommitted { least }) => {
                    assert_eq!(plan_change(&mut tree.clone(), &path, &change(least.get())), Ok(()));
                    assert!(
                        least == Credits::ONE || {
                            plan_change(&mut tree.clone(), &path, &change(least.get() - 1)).is_err()
                        }
                    );
                }
                Err(ChangeDenial::Denied(Denial::BudgetExhausted { max_affordable, .. })) => {
                    assert!(max_affordable.get() < budget);
                    assert_eq!(plan_change(&mut tree.clone(), &path, &change(max_affordable.get())), Ok(()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Step::Capture { .. } | Step::Release { .. } => {}
    }
}

/// Recomputes every balance of every live node from what was acknowledged.
fn check(tree: &Tree, model: &Model) {
    for path in &model.paths {
        let below = || model.paths.iter().filter(|other| other.is_within(path.id()));
        let spent: u64 = below().filter_map(|node| model.own_spent.get(&node.id())).sum();
        let node = tree.node(path.id()).unwrap();
        let own = model.own_spent.get(&node.id()).copied().unwrap_or_default();
        assert_eq!((node.spent.get(), node.own_spent.get()), (spent, own), "spent is own plus subtree");
        assert_eq!(
            usize::try_from(node.descendants),
            Ok(below().count() - 1),
            "every node below is counted once"
        );
        if matches!(tree.status(path), Status::Revoked(_)) {
            continue;
        }
        let held: u64 =
            model.holds.iter().filter(|hold| hold.path.is_within(path.id())).map(|h| h.amount.get()).sum();
        assert_eq!(node.held.get(), held, "held is own plus subtree");
        let promised = |counts: fn(&Node) -> bool| -> u64 {
            let children = below().filter(|child| child.parent_id() == Some(path.id()));
            let children = children.map(|child| tree.node(child.id()).unwrap()).filter(|child| counts(child));
            children.map(|child| child.remaining().unwrap().get()).sum()
        };
        let (reserved, capped) = (promised(Node::is_carved), promised(Node::is_capped));
        assert_eq!(node.reserved, reserved, "reserved is the unspent carve of live children");
        assert_eq!(node.capped, u128::from(capped), "capped is what live cap children have not consumed");
        if let Some(budget) = node.budget {
            assert!(spent + held + reserved <= budget.get(), "no budget is exceeded");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_balance_follows_from_what_was_acknowledged(steps in prop::collection::vec(step(), 1..80)) {
        let mut tree = tree();
        let mut model = Model { paths: vec![NodePath::root(id(0))], ..Model::default() };
        for step in &steps {
            run(&mut tree, &mut model, step);
            check(&tree, &model);
        }
    }
}
