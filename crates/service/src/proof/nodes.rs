//! The identity of each node: spent is its own entries plus its children's spent.

use subgrant_domain::DelegationId;
use subgrant_store::{
    TenantTx,
    ledger::{self, Checkpoint, NodeSums},
};

use crate::ServiceError;

/// How many nodes are read per round trip.
const PAGE: u64 = 200;

/// A node with more entries than this is summed up on its own.
const MANY: u64 = 200;

/// What was checked of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedNodes {
    /// In this call.
    pub checked: u64,
    /// How many there are.
    pub all: u64,
    /// The first one whose sums differ.
    pub unequal: Option<DelegationId>,
}

/// Checks nodes from where the checkpoint stands on, as many as the measure permits; from the end of the tree it goes
/// on at its beginning.
pub(super) async fn check(
    tx: &mut TenantTx,
    next: &mut Checkpoint,
    measure: u64,
    all: u64,
) -> Result<CheckedNodes, ServiceError> {
    let (mut checked, mut left) = (0, measure.max(1));
    while left > 0 && checked < all {
        let page = PAGE.min(left).min(all - checked);
        let nodes = ledger::nodes_after(tx, next.node.as_ref(), page.cast_signed()).await?;
        if nodes.is_empty() {
            // From the root on again, up to where this call began.
            if next.node.is_none() {
                break;
            }
            (next.node, next.node_seq, next.node_sum) = (None, 0, 0);
            continue;
        }
        let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
        let own = ledger::own_entries(tx, &ids, 0, MANY.cast_signed()).await?;
        for (node, own) in nodes.iter().zip(own) {
            let sum = if own.count < MANY {
                left = left.saturating_sub(1 + own.count);
                Some(own.sum)
            } else {
                sum_on(tx, next, node, &mut left).await?
            };
            let Some(sum) = sum else { return Ok(CheckedNodes { checked, all, unequal: None }) };
            if node.own_spent != sum || node.spent != sum + node.children_spent {
                return Ok(CheckedNodes { checked, all, unequal: Some(node.id) });
            }
            checked += 1;
            (next.node, next.node_seq, next.node_sum) = (Some(node.place.clone()), 0, 0);
            if left == 0 {
                break;
            }
        }
    }
    Ok(CheckedNodes { checked, all, unequal: None })
}

/// Goes on summing up a node's many entries; `None` where the measure did not suffice.
async fn sum_on(
    tx: &mut TenantTx,
    next: &mut Checkpoint,
    node: &NodeSums,
    left: &mut u64,
) -> Result<Option<i64>, ServiceError> {
    let limit = (*left).max(1);
    let own = ledger::own_entries(tx, &[node.id], next.node_seq, limit.cast_signed()).await?;
    let Some(own) = own.first() else { return Ok(None) };
    *left = left.saturating_sub(own.count.max(1));
    let sum = next.node_sum + own.sum;
    if own.count < limit {
        return Ok(Some(sum));
    }
    (next.node_seq, next.node_sum) = (own.last_seq, sum);
    Ok(None)
}
