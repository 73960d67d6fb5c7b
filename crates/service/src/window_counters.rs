//! The counters of window limits that do not stand beside the balances, summed up from what was spent.

use std::collections::BTreeSet;

use jiff::Timestamp;
use subgrant_domain::{Credits, NodePath, SpendLimits, Tree, WindowKey, required_windows};
use subgrant_store::{TenantTx, windows};

use crate::ServiceError;

/// Supplies the tree with the given counters. Those of windows that began after `newest_at`, the instant of the tenant's newest
/// entry as far as it is known, are zero.
pub(crate) async fn supply(
    tx: &mut TenantTx,
    tree: &mut Tree,
    required: BTreeSet<WindowKey>,
    newest_at: Option<Timestamp>,
) -> Result<(), ServiceError> {
    let mut leaves = Vec::new();
    for key in required {
        match tree.node(key.delegation) {
            // A node that is yet to be entered has counters from then on.
            None => {}
            Some(_) if tree.window(key).is_some() => {}
            Some(_) if newest_at.is_some_and(|newest_at| key.start > newest_at) => {
                tree.set_window(key, Credits::ZERO);
            }
            Some(node) if node.descendants == 0 => leaves.push(key),
            Some(node) => {
                let path = node.path.clone();
                let spent = windows::spent_by_subtree(tx, &path, &key).await?;
                tree.set_window(key, spent);
            }
        }
    }
    for (key, spent) in windows::spent_by_leaves(tx, &leaves).await? {
        tree.set_window(key, spent);
    }
    Ok(())
}

/// The counters of all limits on a path and of those that the presented token adds.
pub(crate) fn on_path(tree: &Tree, path: &NodePath, limits: &SpendLimits) -> BTreeSet<WindowKey> {
    let windows = required_windows(tree, path, limits);
    windows.map(|(node, period)| tree.window_key(node, period).0).collect()
}
