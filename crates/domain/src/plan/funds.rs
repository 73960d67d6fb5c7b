//! What stands in the way of an amount, and how much would pass.

use jiff::Timestamp;

use crate::{
    Credits, DelegationId, Node, NodePath, Status, Tree, WindowLimit,
    plan::denial::{Denial, SpendLimits},
};

/// One bound on an amount.
struct Bound {
    most: Credits,
    node: DelegationId,
    kind: BoundKind,
}

enum BoundKind {
    Budget,
    /// What the presented token says the budget is, where it leaves less than the node has.
    Ceiling(Credits),
    PerSpend,
    /// With what will pass once the window is over, and when that is.
    Window {
        limit: WindowLimit,
        next: Credits,
        ends_at: Timestamp,
    },
}

/// Refuses unless every node of the path is live.
pub(super) fn check_live(tree: &Tree, path: &NodePath) -> Result<(), Denial> {
    match tree.status(path) {
        Status::Active | Status::Exhausted(_) => Ok(()),
        Status::Frozen(node) => Err(Denial::Frozen { node }),
        Status::Expired(node) => Err(Denial::Expired { node }),
        Status::Revoked(node) => Err(Denial::Revoked { node }),
    }
}

/// Refuses unless `amount` fits every budget, window limit and per-spend maximum from the node up to the root.
pub(super) fn check_funds(
    tree: &Tree,
    path: &NodePath,
    limits: &SpendLimits,
    amount: Credits,
) -> Result<(), Denial> {
    refuse_above(&bounds(tree, path, limits), amount)
}

/// Refuses unless `amount`, which is held already, fits what the presented token says by itself. Everything else was
/// looked at when it was held.
pub(super) fn check_token(
    tree: &Tree,
    path: &NodePath,
    limits: &SpendLimits,
    held: Credits,
    amount: Credits,
) -> Result<(), Denial> {
    let mut bounds: Vec<_> = per_spend(tree, path, limits).into_iter().collect();
    for node in tree.chain(path).into_iter().rev() {
        let id = node.id();
        let others = node.held.saturating_sub(held);
        if let Some(ceiling) = limits.ceiling_of(id) {
            let reserved = Credits::new(node.reserved).unwrap_or(Credits::MAX);
            let most = ceiling.saturating_sub(node.spent).saturating_sub(others).saturating_sub(reserved);
            bounds.push(Bound { most, node: id, kind: BoundKind::Ceiling(ceiling) });
        }
        bounds.extend(limits.windows_of(id).map(|limit| window(tree, id, *limit, others)));
    }
    refuse_above(&bounds, amount)
}

fn refuse_above(bounds: &[Bound], amount: Credits) -> Result<(), Denial> {
    let mut refusing = bounds.iter().filter(|bound| bound.most < amount);
    let Some(blocking) = refusing.next() else { return Ok(()) };
    let max_affordable = bounds.iter().map(|bound| bound.most).min().unwrap_or(Credits::ZERO);
    let node = blocking.node;
    Err(match blocking.kind {
        BoundKind::Budget => Denial::BudgetExhausted { node, max_affordable },
        BoundKind::Ceiling(ceiling) => Denial::TokenBudget { node, ceiling, max_affordable },
        BoundKind::PerSpend => Denial::MaxPerSpend { node, max_affordable },
        BoundKind::Window { limit, .. } => {
            // Waiting helps where it helps with everything that refuses.
            let helps_at = |bound: &Bound| match bound.kind {
                BoundKind::Window { next, ends_at, .. } if next >= amount => Some(ends_at),
                _ => None,
            };
            let ends: Option<Vec<_>> = refusing.chain([blocking]).map(helps_at).collect();
            let retry_at = ends.and_then(|ends| ends.into_iter().max());
            Denial::WindowLimit { node, limit, max_affordable, retry_at }
        }
    })
}

/// The least that one spend may be, with the node that says so.
fn per_spend(tree: &Tree, path: &NodePath, limits: &SpendLimits) -> Option<Bound> {
    let most = limits.max_per_spend?;
    // The token repeats what nodes of its path say: such a bound is named as the node's.
    let says_so = |node: &&&Node| node.terms.max_per_spend.is_some_and(|own| own <= most);
    let node = tree.chain(path).iter().rev().find(says_so).map_or(path.id(), |node| node.id());
    Some(Bound { most, node, kind: BoundKind::PerSpend })
}

/// What a window limit leaves, given what is held. An open hold may be captured in this window or in the next, so it counts
/// as if it were spent in either.
fn window(tree: &Tree, node: DelegationId, limit: WindowLimit, held: Credits) -> Bound {
    let (key, ends_at) = tree.window_key(node, limit.period);
    let used = tree.window(key).expect("the counters of all limits are loaded before planning");
    let next = limit.credits.saturating_sub(held);
    let kind = BoundKind::Window { limit, next, ends_at };
    Bound { most: next.saturating_sub(used), node, kind }
}

/// Every bound from the node itself up to the root, nearest first.
fn bounds(tree: &Tree, path: &NodePath, limits: &SpendLimits) -> Vec<Bound> {
    let mut bounds: Vec<_> = per_spend(tree, path, limits).into_iter().collect();
    let mut draws_on_available = true;
    for node in tree.chain(path).into_iter().rev() {
        let id = node.id();
        if draws_on_available {
            let ceiling = limits.ceiling_of(id);
            let (own, within) = (node.available(), node.available_within(ceiling));
            let kind = match ceiling {
                Some(ceiling) if within < own || own.is_none() => BoundKind::Ceiling(ceiling),
                _ => BoundKind::Budget,
            };
            bounds.extend(within.map(|most| Bound { most, node: id, kind }));
        }
        // What a carve child consumes was set aside before; a cap child draws on what its parent has available.
        draws_on_available = !node.is_carved();
        if let Some(most) = node.terms.max_per_spend {
            bounds.push(Bound { most, node: id, kind: BoundKind::PerSpend });
        }
        let all = node.terms.limits.iter().chain(limits.windows_of(id));
        bounds.extend(all.map(|limit| window(tree, id, *limit, node.held)));
        // Even an unlimited root counts in amounts that JSON can carry.
        let most = Credits::MAX.saturating_sub(node.spent).saturating_sub(node.held);
        bounds.push(Bound { most, node: id, kind: BoundKind::Budget });
    }
    bounds
}
