//! Giving a debit back.

use super::denial::Denial;
use crate::{Credits, NodePath, Tree, tree::Movement};

/// Gives `amount` of an entry of `spent` credits back, of which `refunded` were given back before: to the node at `path`
/// and to every ancestor, whatever their state is now.
///
/// Window limits do not get it back: they bound what leaves within a window, not what stays away.
pub fn plan_refund(
    tree: &mut Tree,
    path: &NodePath,
    spent: Credits,
    refunded: Credits,
    amount: Credits,
) -> Result<(), Denial> {
    let refundable = spent.saturating_sub(refunded);
    if amount > refundable {
        return Err(Denial::RefundExceedsSpend { refundable });
    }
    tree.move_balances(path, Movement { spent: -amount.get().cast_signed(), held: 0 });
    Ok(())
}
