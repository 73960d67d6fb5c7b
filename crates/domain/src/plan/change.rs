//! Changing a delegation's budget and limits.

use jiff::Timestamp;

use super::{denial::Denial, mint::check_carve};
use crate::{Allocation, Credits, Node, NodePath, Status, Tree, WindowLimit};

/// New settings of a node. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The new budget.
    pub budget: Option<Credits>,
    /// The new largest single spend; `Some(None)`: none any more.
    pub max_per_spend: Option<Option<Credits>>,
    /// The new window limits, instead of all that the node has.
    pub limits: Option<Vec<WindowLimit>>,
    /// The new end of its life; `Some(None)`: none of its own.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Whether a change lets a node do more than before in any respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Everything that was refused before still is.
    Narrower,
    /// Something is permitted that was refused before.
    Wider,
}

/// Why a node may not be changed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeDenial {
    /// It is revoked or expired, or its parent has too little available.
    Denied(Denial),
    /// The budget would exceed the parent's, or its life the parent's.
    NarrowerThanParent {
        /// The field's name in the API.
        field: &'static str,
        /// What the parent permits, in words.
        permitted: String,
    },
    /// The budget would no longer cover what is spent, held and set aside for children.
    BelowCommitted {
        /// The least that it may be.
        least: Credits,
    },
    /// The root's power is not limited by a budget.
    RootHasNoBudget,
    /// Nor by a time: nobody could bring it back.
    RootHasNoExpiry,
    /// The end of its life is not in the future.
    ExpiryInThePast,
}

/// Which way a change goes, seen from the node as it is.
pub fn direction_of(node: &Node, request: &ChangeRequest) -> Direction {
    let raised = node.budget.zip(request.budget).is_some_and(|(old, new)| new > old);
    let looser = match (node.terms.max_per_spend, request.max_per_spend) {
        (Some(old), Some(new)) => new.is_none_or(|new| new > old),
        _ => false,
    };
    let lifted = request.limits.as_ref().is_some_and(|new| {
        let is_covered =
            |old: &WindowLimit| new.iter().any(|new| new.period == old.period && new.credits <= old.credits);
        !node.terms.limits.iter().all(is_covered)
    });
    let longer = match (node.terms.expires_at, request.expires_at) {
        (Some(old), Some(new)) => new.is_none_or(|new| new > old),
        _ => false,
    };
    if raised || looser || lifted || longer { Direction::Wider } else { Direction::Narrower }
}

/// Changes the node at `path`, or refuses. A frozen node can be changed: it stays frozen.
pub fn plan_change(tree: &mut Tree, path: &NodePath, request: &ChangeRequest) -> Result<(), ChangeDenial> {
    match tree.status(path) {
        Status::Revoked(node) => return Err(ChangeDenial::Denied(Denial::Revoked { node })),
        Status::Expired(node) => return Err(ChangeDenial::Denied(Denial::Expired { node })),
        Status::Active | Status::Exhausted(_) | Status::Frozen(_) => {}
    }
    if let Some(expires_at) = request.expires_at {
        check_expiry(tree, path, expires_at)?;
    }
    if let Some(budget) = request.budget {
        check_budget(tree, path, budget)?;
        tree.change_budget(path, budget);
    }
    tree.change(path.id(), |node| {
        if let Some(max_per_spend) = request.max_per_spend {
            node.terms.max_per_spend = max_per_spend;
        }
        if let Some(limits) = &request.limits {
            node.terms.limits.clone_from(limits);
        }
        if let Some(expires_at) = request.expires_at {
            node.terms.expires_at = expires_at;
        }
    });
    Ok(())
}

/// A node's life ends in the future, and no later than those of all above it.
fn check_expiry(tree: &Tree, path: &NodePath, expires_at: Option<Timestamp>) -> Result<(), ChangeDenial> {
    if path.depth() == 0 {
        return Err(ChangeDenial::RootHasNoExpiry);
    }
    if expires_at.is_some_and(|expires_at| expires_at <= tree.now()) {
        return Err(ChangeDenial::ExpiryInThePast);
    }
    let chain = tree.chain(path);
    let above = chain[..chain.len() - 1].iter().filter_map(|node| node.terms.expires_at).min();
    match above {
        Some(above) if expires_at.is_none_or(|expires_at| expires_at > above) => {
            let permitted = format!("a life that ends no later than its own, {above}");
            Err(ChangeDenial::NarrowerThanParent { field: "expiry", permitted })
        }
        _ => Ok(()),
    }
}

fn check_budget(tree: &Tree, path: &NodePath, budget: Credits) -> Result<(), ChangeDenial> {
    let chain = tree.chain(path);
    let [.., parent, node] = chain.as_slice() else { return Err(ChangeDenial::RootHasNoBudget) };
    let old = node.budget.expect("only the root is unlimited");
    if budget < old {
        let committed = old.saturating_sub(node.available().expect("only the root is unlimited"));
        let least = committed.max(Credits::ONE);
        return if budget < least { Err(ChangeDenial::BelowCommitted { least }) } else { Ok(()) };
    }
    if let Some(most) = parent.budget
        && budget > most
    {
        let permitted = format!("at most its own budget of {most} credits");
        return Err(ChangeDenial::NarrowerThanParent { field: "budget_credits", permitted });
    }
    if node.allocation == Allocation::Cap {
        return Ok(());
    }
    check_carve(parent, None, budget.saturating_sub(old)).map_err(|most| {
        // The caller asked for a budget, so it is told what budget could be had.
        let max_affordable = most.checked_add(old).unwrap_or(Credits::MAX);
        ChangeDenial::Denied(Denial::BudgetExhausted { node: parent.id(), max_affordable })
    })
}
