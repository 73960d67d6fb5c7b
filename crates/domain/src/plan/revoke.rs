//! Ending lives: revocation, and what an expired carve gives back.

use super::denial::Denial;
use crate::{Credits, NodePath, Status, Tree, tree::Movement};

/// What a revocation does to the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Credits that the parent can use again: unspent carve, and voided holds.
    pub credits_freed: Credits,
    /// Credits that were held in the subtree.
    pub held_voided: Credits,
}

/// Revokes a node, whatever the size of its subtree: the state of descendants follows from their path.
///
/// Descendants' own `held` stays as it was; it no longer counts, because no ancestor above the node carries it.
pub fn plan_revoke(tree: &mut Tree, path: &NodePath) -> Result<Revocation, Denial> {
    if let Status::Revoked(node) = tree.status(path) {
        return Err(Denial::Revoked { node });
    }
    let held_voided = tree.chain(path).last().map_or(Credits::ZERO, |node| node.held);
    tree.move_balances(path, Movement { spent: 0, held: -held_voided.get().cast_signed() });
    let was_carved = tree.node(path.id()).is_some_and(crate::Node::is_carved);
    let returned = tree.return_share(path);
    let now = tree.now();
    tree.change(path.id(), |node| node.revoked_at = Some(now));
    Ok(Revocation { credits_freed: if was_carved { returned } else { held_voided }, held_voided })
}

/// Freezes a node. The open holds of its subtree are voided with [`plan_void_hold`](super::plan_void_hold), because they
/// must not come back to life with it.
pub fn plan_freeze(tree: &mut Tree, path: &NodePath) -> Result<(), Denial> {
    match tree.status(path) {
        Status::Revoked(node) => return Err(Denial::Revoked { node }),
        Status::Expired(node) => return Err(Denial::Expired { node }),
        Status::Frozen(_) | Status::Active | Status::Exhausted(_) => {}
    }
    if tree.node(path.id()).is_some_and(|node| node.frozen_at.is_some()) {
        return Err(Denial::Frozen { node: path.id() });
    }
    let now = tree.now();
    tree.change(path.id(), |node| node.frozen_at = Some(now));
    Ok(())
}

/// Lets a frozen node go on; says whether it was frozen.
pub fn plan_unfreeze(tree: &mut Tree, path: &NodePath) -> Result<bool, Denial> {
    if let Status::Revoked(node) = tree.status(path) {
        return Err(Denial::Revoked { node });
    }
    let was_frozen = tree.node(path.id()).is_some_and(|node| node.frozen_at.is_some());
    tree.change(path.id(), |node| node.frozen_at = None);
    Ok(was_frozen)
}

/// Notes that a node's own life is over: its parent gets the unspent carve back, or one that competes for it less.
pub fn plan_expiry(tree: &mut Tree, path: &NodePath) {
    debug_assert!(
        tree.node(path.id()).is_some_and(|node| node.is_expired(tree.now())),
        "only expired nodes are due"
    );
    tree.return_share(path);
    tree.change(path.id(), |node| node.expiry_noted = true);
}
