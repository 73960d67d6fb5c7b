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
    PerSpend,
    Window { limit: WindowLimit, retry_at: Timestamp },
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
    let bounds = bounds(tree, path, limits);
    let Some(blocking) = bounds.iter().find(|bound| bound.most < amount) else {
        return Ok(());
    };
    let max_affordable = bounds.iter().map(|bound| bound.most).min().unwrap_or(Credits::ZERO);
    let node = blocking.node;
    Err(match blocking.kind {
        BoundKind::Budget => Denial::BudgetExhausted { node, max_affordable },
        BoundKind::PerSpend => Denial::MaxPerSpend { node, max_affordable },
        BoundKind::Window { limit, retry_at } => {
            // Waiting helps only where the amount fits an empty window.
            let retry_at = (limit.credits >= amount).then_some(retry_at);
            Denial::WindowLimit { node, limit, max_affordable, retry_at }
        }
    })
}

/// Every bound from the node itself up to the root, nearest first.
fn bounds(tree: &Tree, path: &NodePath, limits: &SpendLimits) -> Vec<Bound> {
    let (chain, mut bounds) = (tree.chain(path), Vec::new());
    if let Some(most) = limits.max_per_spend {
        // The token repeats what nodes of its path say: such a bound is named as the node's.
        let says_so = |node: &&&Node| node.terms.max_per_spend.is_some_and(|own| own <= most);
        let node = chain.iter().rev().find(says_so).map_or(path.id(), |node| node.id());
        bounds.push(Bound { most, node, kind: BoundKind::PerSpend });
    }
    let mut draws_on_available = true;
    for node in chain.into_iter().rev() {
        let id = node.id();
        let ceiling = limits.ceiling.filter(|_| id == path.id());
        if let (true, Some(most)) = (draws_on_available, node.available_within(ceiling)) {
            bounds.push(Bound { most, node: id, kind: BoundKind::Budget });
        }
        // What a carve child consumes was set aside before; a cap child draws on what its parent has available.
        draws_on_available = !node.is_carved();
        if let Some(most) = node.terms.max_per_spend {
            bounds.push(Bound { most, node: id, kind: BoundKind::PerSpend });
        }
        let appended = limits.windows.iter().filter(|(owner, _)| *owner == id).map(|(_, limit)| limit);
        for limit in node.terms.limits.iter().chain(appended) {
            let (key, retry_at) = tree.window_key(id, limit.period);
            let used = tree.window(key).expect("the counters of all limits are loaded before planning");
            // An open hold may be captured in this window, so it counts as if it were spent in it.
            let most = limit.credits.saturating_sub(used).saturating_sub(node.held);
            bounds.push(Bound { most, node: id, kind: BoundKind::Window { limit: *limit, retry_at } });
        }
        // Even an unlimited root counts in amounts that JSON can carry.
        let most = Credits::MAX.saturating_sub(node.spent).saturating_sub(node.held);
        bounds.push(Bound { most, node: id, kind: BoundKind::Budget });
    }
    bounds
}
