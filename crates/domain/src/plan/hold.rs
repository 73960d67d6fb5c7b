//! Two-phase spending: hold before the work, then capture what it cost.

use jiff::Timestamp;

use super::{
    funds::check_live,
    spend::{Denial, SpendLimits, check_spend},
};
use crate::{Credits, NodePath, Status, Tree, tree::Movement};

/// An open hold, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose hold it is.
    pub path: NodePath,
    /// What is held.
    pub amount: Credits,
    /// When it stops counting.
    pub expires_at: Timestamp,
}

/// Holds `amount` until `expires_at`, but never longer than the node or the token lives; returns the hold.
pub fn plan_hold(
    tree: &mut Tree,
    path: &NodePath,
    limits: &SpendLimits,
    amount: Credits,
    expires_at: Timestamp,
) -> Result<Hold, Denial> {
    check_spend(tree, path, limits, amount)?;
    let life_ends = tree.chain(path).into_iter().filter_map(|node| node.terms.expires_at);
    let expires_at = life_ends.chain(limits.expires_at).chain([expires_at]).min().unwrap_or(expires_at);
    tree.move_balances(path, Movement { spent: 0, held: amount.get().cast_signed() });
    Ok(Hold { path: path.clone(), amount, expires_at })
}

/// Spends up to the held amount and returns the rest.
pub fn plan_capture(tree: &mut Tree, hold: &Hold, amount: Credits) -> Result<(), Denial> {
    if let Status::Revoked(_) = tree.status(&hold.path) {
        return Err(Denial::HoldClosed);
    }
    if hold.expires_at <= tree.now() {
        return Err(Denial::HoldExpired);
    }
    check_live(tree, &hold.path)?;
    if amount > hold.amount {
        return Err(Denial::CaptureExceedsHold { held: hold.amount });
    }
    let movement = Movement { spent: amount.get().cast_signed(), held: -hold.amount.get().cast_signed() };
    tree.move_balances(&hold.path, movement);
    tree.count_in_windows(&hold.path, amount);
    Ok(())
}

/// Returns a hold unused.
pub fn plan_release(tree: &mut Tree, hold: &Hold) -> Result<(), Denial> {
    if let Status::Revoked(_) = tree.status(&hold.path) {
        return Err(Denial::HoldClosed);
    }
    if hold.expires_at <= tree.now() {
        return Err(Denial::HoldExpired);
    }
    tree.move_balances(&hold.path, Movement { spent: 0, held: -hold.amount.get().cast_signed() });
    Ok(())
}

/// Stops counting a hold whose time has passed. Below a revoked node there is nothing left to return: the
/// revocation voided it.
pub fn plan_expired_hold(tree: &mut Tree, hold: &Hold) {
    debug_assert!(hold.expires_at <= tree.now(), "only expired holds are due");
    if !matches!(tree.status(&hold.path), Status::Revoked(_)) {
        tree.move_balances(&hold.path, Movement { spent: 0, held: -hold.amount.get().cast_signed() });
    }
}
