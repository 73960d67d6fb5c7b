//! Two-phase spending: hold before the work, then capture what it cost.

use jiff::Timestamp;

use super::{
    denial::{Denial, SpendLimits},
    funds::check_token,
    spend::check_spend,
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
    let expires_at = within_life(tree, path, limits.expires_at, expires_at);
    tree.move_balances(path, Movement { spent: 0, held: amount.get().cast_signed() });
    Ok(Hold { path: path.clone(), amount, expires_at })
}

/// Spends up to the held amount and returns the rest. What the presented token says by itself binds the capture too: it may
/// be narrower than the one that asked for the hold.
pub fn plan_capture(
    tree: &mut Tree,
    hold: &Hold,
    limits: &SpendLimits,
    amount: Credits,
) -> Result<(), Denial> {
    check_open(tree, hold)?;
    if amount > hold.amount {
        return Err(Denial::CaptureExceedsHold { held: hold.amount });
    }
    check_token(tree, &hold.path, limits, hold.amount, amount)?;
    let movement = Movement { spent: amount.get().cast_signed(), held: -hold.amount.get().cast_signed() };
    tree.move_balances(&hold.path, movement);
    tree.count_in_windows(&hold.path, amount);
    Ok(())
}

/// Returns a hold unused.
pub fn plan_release(tree: &mut Tree, hold: &Hold) -> Result<(), Denial> {
    check_open(tree, hold)?;
    tree.move_balances(&hold.path, Movement { spent: 0, held: -hold.amount.get().cast_signed() });
    Ok(())
}

/// Lets a hold end at `expires_at` instead, but never later than its node; returns the instant.
pub fn plan_extend(tree: &Tree, hold: &Hold, expires_at: Timestamp) -> Result<Timestamp, Denial> {
    check_open(tree, hold)?;
    Ok(within_life(tree, &hold.path, None, expires_at))
}

/// An open hold is one whose path is live and whose time has not come.
fn check_open(tree: &Tree, hold: &Hold) -> Result<(), Denial> {
    match tree.status(&hold.path) {
        Status::Active | Status::Exhausted(_) => {}
        // Whatever revoked or froze the path has voided its holds.
        Status::Revoked(_) | Status::Frozen(_) => return Err(Denial::HoldClosed),
        Status::Expired(_) => return Err(Denial::HoldExpired),
    }
    if hold.expires_at <= tree.now() { Err(Denial::HoldExpired) } else { Ok(()) }
}

/// The earliest of what is asked for and what the path and the token live.
fn within_life(tree: &Tree, path: &NodePath, token: Option<Timestamp>, asked: Timestamp) -> Timestamp {
    let life_ends = tree.chain(path).into_iter().filter_map(|node| node.terms.expires_at);
    life_ends.chain(token).fold(asked, Timestamp::min)
}

/// Stops counting a hold whose time has passed. Below a revoked node there is nothing left to return: the
/// revocation voided it.
pub fn plan_expired_hold(tree: &mut Tree, hold: &Hold) {
    debug_assert!(hold.expires_at <= tree.now(), "only expired holds are due");
    if !matches!(tree.status(&hold.path), Status::Revoked(_)) {
        tree.move_balances(&hold.path, Movement { spent: 0, held: -hold.amount.get().cast_signed() });
    }
}

/// Ends an open hold whose path is being frozen.
pub fn plan_void_hold(tree: &mut Tree, hold: &Hold) {
    tree.move_balances(&hold.path, Movement { spent: 0, held: -hold.amount.get().cast_signed() });
}
