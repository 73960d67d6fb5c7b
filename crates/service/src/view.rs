//! A delegation as a caller may see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subgrant_domain::{
    Action, Allocation, AttributeText, Credits, DelegationId, NodePath, Status, Tree, WindowLimit,
};
use subgrant_store::delegations::Delegation;

use crate::{BlockedAt, Principal, chain};

/// Settings, balances and state at one instant. Also what is recorded to answer a repeated request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DelegationView {
    /// The node's id.
    pub id: DelegationId,
    /// Its parent; `None` for the root.
    pub parent_id: Option<DelegationId>,
    /// Its name.
    pub label: AttributeText,
    /// active, exhausted, frozen, expired or revoked.
    pub status: String,
    /// The ancestor that caused the state: its id, or `ancestor` where the caller may not know it.
    pub deactivated_by: Option<String>,
    /// `None`: unlimited.
    pub budget: Option<Credits>,
    /// Spent by the node and its subtree.
    pub spent: Credits,
    /// Spent by the node itself.
    #[serde(default)]
    pub own_spent: Credits,
    /// Held by the node and its subtree.
    pub held: Credits,
    /// Set aside for live carve children; the largest amount where it is more.
    pub reserved_for_children: u64,
    /// What live cap children have not consumed; the largest amount where it is more.
    #[serde(default)]
    pub capped_for_children: u64,
    /// What the children may still consume, as a multiple of what remains.
    #[serde(default)]
    pub overcommit_ratio: Option<f64>,
    /// What it can itself spend or carve.
    pub available: Option<Credits>,
    /// `budget − spent − held`.
    pub remaining: Option<Credits>,
    /// The least over the path, and under what the caller's own token says.
    pub effective_remaining: Option<Credits>,
    /// carve or cap.
    pub allocation: String,
    /// The window limits of this node.
    pub limits: Vec<String>,
    /// The largest single spend of this node.
    pub max_per_spend: Option<Credits>,
    /// What a holder may do.
    pub actions: Vec<String>,
    /// Levels that may still be created below.
    pub max_depth: Option<u32>,
    /// Attribution.
    pub cost_center: Option<AttributeText>,
    /// Attribution.
    pub department: Option<AttributeText>,
    /// When its life ends.
    pub expires_at: Option<Timestamp>,
    /// Every caveat, in order.
    pub caveats: Vec<String>,
    /// Levels below the root.
    pub depth: usize,
    /// Nodes ever created below.
    pub descendants: u64,
    /// Counts changes of settings.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl DelegationView {
    /// The view of a node whose whole path is in `tree`.
    pub(crate) fn new(tree: &Tree, row: &Delegation, principal: &Principal) -> Self {
        let path = &row.node.path;
        let status = tree.status(path);
        let is_dead = matches!(status, Status::Revoked(_));
        // Balances come from the tree, which may have moved since the row was read.
        let mut node = tree.node(path.id()).unwrap_or(&row.node).clone();
        if is_dead {
            // A revocation voids what the whole subtree holds and sets aside, without touching its rows.
            (node.held, node.reserved, node.capped) = (Credits::ZERO, 0, 0);
        }
        Self {
            id: path.id(),
            // No secret: every token names the nodes above its own in its caveats.
            parent_id: path.parent_id(),
            label: row.label.clone(),
            status: status.as_str().to_owned(),
            deactivated_by: deactivated_by(status, path, principal),
            budget: node.budget,
            spent: node.spent,
            own_spent: node.own_spent,
            held: node.held,
            reserved_for_children: node.reserved.min(Credits::MAX.get()),
            capped_for_children: u64::try_from(node.capped)
                .map_or(Credits::MAX.get(), |capped| capped.min(Credits::MAX.get())),
            overcommit_ratio: node.overcommit_ratio(),
            available: node.available(),
            remaining: node.remaining(),
            effective_remaining: if is_dead {
                node.remaining()
            } else {
                tree.effective_remaining(path, principal.ceiling_at(path))
            },
            allocation: node.allocation.to_string(),
            limits: node.terms.limits.iter().map(WindowLimit::to_string).collect(),
            max_per_spend: node.terms.max_per_spend,
            actions: node.terms.actions.iter().map(Action::as_str).map(str::to_owned).collect(),
            max_depth: node.terms.max_depth,
            cost_center: node.terms.cost_center.clone(),
            department: node.terms.department.clone(),
            expires_at: node.terms.expires_at,
            caveats: row.caveats.iter().map(|text| chain::listed(text)).collect(),
            depth: path.depth(),
            descendants: node.descendants,
            version: row.version,
            created_at: row.created_at,
        }
    }

    /// Whether the parent sets the budget aside.
    pub fn is_carve(&self) -> bool {
        self.allocation == Allocation::Carve.as_str()
    }
}

fn deactivated_by(status: Status, path: &NodePath, principal: &Principal) -> Option<String> {
    let cause = status.cause().filter(|cause| *cause != path.id())?;
    Some(match principal.locate(cause) {
        BlockedAt::Node(id) => id.to_string(),
        BlockedAt::Ancestor => "ancestor".to_owned(),
    })
}
