//! Direct debits.

use jiff::Timestamp;

use super::funds::{check_funds, check_live};
use crate::{Credits, DelegationId, NodePath, Period, Tree, WindowLimit, tree::Movement};

/// What the presented token adds to the limits stored with the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendLimits {
    /// The least `max_per_spend` of the whole chain.
    pub max_per_spend: Option<Credits>,
    /// Window limits of the chain, each with the node whose counter it uses.
    pub windows: Vec<(DelegationId, WindowLimit)>,
    /// The earliest `expires` of the whole chain.
    pub expires_at: Option<Timestamp>,
}

/// Why money may not move. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// A node of the path was revoked.
    Revoked {
        /// The revoked node nearest to the root.
        node: DelegationId,
    },
    /// A node of the path, or the presented token, has expired.
    Expired {
        /// The expired node nearest to the root.
        node: DelegationId,
    },
    /// A node of the path is frozen.
    Frozen {
        /// The frozen node nearest to the root.
        node: DelegationId,
    },
    /// The budget of a node does not suffice.
    BudgetExhausted {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// What would pass every level.
        max_affordable: Credits,
    },
    /// The amount exceeds what one spend or hold may be.
    MaxPerSpend {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// What would pass every level.
        max_affordable: Credits,
    },
    /// A window limit does not permit the amount now.
    WindowLimit {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// The limit.
        limit: WindowLimit,
        /// What would pass every level.
        max_affordable: Credits,
        /// When the window ends, where the amount fits an empty window.
        retry_at: Option<Timestamp>,
    },
    /// The hold was captured, released or voided before.
    HoldClosed,
    /// The hold expired before.
    HoldExpired,
    /// More was to be given back than is left of the debit.
    RefundExceedsSpend {
        /// What is left of it.
        refundable: Credits,
    },
    /// More was to be captured than is held.
    CaptureExceedsHold {
        /// What is held.
        held: Credits,
    },
}

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
