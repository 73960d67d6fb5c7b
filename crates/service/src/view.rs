//! A delegation as a caller may see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subgrant_domain::{
    Action, Allocation, AttributeText, Credits, DelegationId, NodePath, Status, Tree, WindowLimit,
};
use subgrant_store::delegations::Delegation;

use crate::{
    BlockedAt, Principal, ServiceError, chain,
    credential::{Credential, NO_LIMITS},
    locked::Loaded,
    window_counters,
};

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
    /// The least over the path, and under what the caller's own token says. Window limits count where the node is looked at
    /// alone.
    pub effective_remaining: Option<Credits>,
    /// carve or cap.
    pub allocation: String,
    /// The window limits of this node.
    pub limits: Vec<String>,
    /// How far each of them is used, in the same order, where the node was looked at alone.
    #[serde(default)]
    pub limit_use: Vec<Option<LimitUse>>,
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

/// How far a window limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// What was spent in the window so far.
    pub used: Credits,
    /// When the next window begins.
    pub resets_at: Timestamp,
}

impl DelegationView {
    /// The view of a node, looked at alone, whose whole path was read: with how far its window limits are used, and with what
    /// the presented token says where the node is the token's own.
    pub(crate) async fn of_one(
        loaded: &mut impl Loaded,
        row: &Delegation,
        principal: &Principal,
    ) -> Result<Self, ServiceError> {
        let path = &row.node.path;
        let own = principal.credential().filter(|credential| credential.path == *path);
        let limits = own.map_or(&NO_LIMITS, |credential| &credential.limits);
        let required = window_counters::on_path(loaded.tree(), path, limits);
        let (tx, tree) = loaded.parts();
        window_counters::supply(tx, tree, required, None).await?;
        let mut view = Self::new(tree, row, principal);
        if let Some(credential) = own {
            view.narrow_to(tree, credential);
        }
        if !matches!(tree.status(path), Status::Revoked(_)) {
            view.effective_remaining = tree.effective_remaining_now(path, limits);
        }
        view.limit_use = view.limits.iter().map(|text| limit_use(tree, path.id(), text)).collect();
        Ok(view)
    }

    /// What binds the holder of a token of the node itself.
    fn narrow_to(&mut self, tree: &Tree, credential: &Credential) {
        let (path, scope) = (&credential.path, credential.scope());
        let ceiling = credential.ceiling_at(path);
        let least = |own: Option<Credits>| own.into_iter().chain(ceiling).min();
        let chain = tree.chain(path);
        if let Some(node) = chain.last() {
            self.budget = least(self.budget);
            let is_dead = matches!(tree.status(path), Status::Revoked(_));
            if !is_dead {
                self.remaining = node.remaining_within(ceiling);
                self.available = node.available_within(ceiling);
            }
            let actions = credential.actions.intersection(node.terms.actions);
            self.actions = actions.iter().map(Action::as_str).map(str::to_owned).collect();
        }
        let above = chain.iter().filter_map(|node| node.terms.max_per_spend);
        self.max_per_spend = above.chain(scope.max_per_spend).min();
        let above = chain.iter().filter_map(|node| node.terms.expires_at);
        self.expires_at = above.chain(scope.expires()).min();
        self.max_depth = self.max_depth.into_iter().chain(scope.remaining_depth).min();
        self.cost_center = self.cost_center.take().or_else(|| scope.cost_center.clone());
        self.department = self.department.take().or_else(|| scope.department.clone());
        for limit in credential.limits.windows_of(path.id()).map(WindowLimit::to_string) {
            if !self.limits.contains(&limit) {
                self.limits.push(limit);
            }
        }
        self.caveats = credential.token.caveats().iter().map(chain::public_text).collect();
    }

    /// The view of a node whose whole path is in `tree`, as lists show it.
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
            limit_use: Vec::new(),
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

fn limit_use(tree: &Tree, node: DelegationId, limit: &str) -> Option<LimitUse> {
    let limit: WindowLimit = limit.parse().ok()?;
    let (key, resets_at) = tree.window_key(node, limit.period);
    Some(LimitUse { used: tree.window(key)?, resets_at })
}

fn deactivated_by(status: Status, path: &NodePath, principal: &Principal) -> Option<String> {
    let cause = status.cause().filter(|cause| *cause != path.id())?;
    Some(match principal.locate(cause) {
        BlockedAt::Node(id) => id.to_string(),
        BlockedAt::Ancestor => "ancestor".to_owned(),
    })
}
