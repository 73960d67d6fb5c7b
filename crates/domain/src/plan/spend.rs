//! Direct debits.

use super::{
    denial::{Denial, SpendLimits},
    funds::{check_funds, check_live},
};
use crate::{Credits, DelegationId, NodePath, Period, Tree, tree::Movement};

/// Debits `amount` from the node at `path` and every ancestor, or refuses and changes nothing.
pub fn plan_spend(
    tree: &mut Tree,
    path: &NodePath,
    limits: &SpendLimits,
    amount: Credits,
) -> Result<(), Denial> {
    check_spend(tree, path, limits, amount)?;
    tree.move_balances(path, Movement { spent: amount.get().cast_signed(), held: 0 });
    tree.count_in_windows(path, amount);
    Ok(())
}

/// Whether [`plan_spend`] would debit `amount` now. Also what a hold of the amount must pass.
pub fn check_spend(
    tree: &Tree,
    path: &NodePath,
    limits: &SpendLimits,
    amount: Credits,
) -> Result<(), Denial> {
    check_live(tree, path)?;
    if limits.expires_at.is_some_and(|expiry| expiry <= tree.now()) {
        return Err(Denial::Expired { node: path.id() });
    }
    check_funds(tree, path, limits, amount)
}

/// The counters that must be loaded before anything is planned for the node at `path`.
pub fn required_windows<'a>(
    tree: &'a Tree,
    path: &'a NodePath,
    limits: &'a SpendLimits,
) -> impl Iterator<Item = (DelegationId, Period)> + 'a {
    let stored = tree.chain(path).into_iter().flat_map(|node| {
        let id = node.id();
        node.terms.limits.iter().map(move |limit| (id, limit.period))
    });
    stored.chain(limits.windows.iter().map(|(owner, limit)| (*owner, limit.period)))
}
