//! Nodes and entries as callers are shown them.

use serde_json::{Value, json};

use super::{
    call::Caller,
    token::{action_words, least},
    world::{MOST, Node, Status, World},
};

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exhausted(_) => "exhausted",
            Self::Frozen(_) => "frozen",
            Self::Expired(_) => "expired",
            Self::Revoked(_) => "revoked",
        }
    }

    const fn cause(self) -> Option<usize> {
        match self {
            Self::Active => None,
            Self::Exhausted(cause) | Self::Frozen(cause) | Self::Expired(cause) | Self::Revoked(cause) => {
                Some(cause)
            }
        }
    }
}

impl World {
    /// A node that is looked at alone: with how far its limits are used, and with what the caller's token says where it is its
    /// own.
    pub(crate) fn view_alone(&self, number: usize, seen_by: Caller) -> Value {
        let mut view = self.view(number, seen_by);
        let node = &self.nodes[number];
        let mut limits = node.limits.clone();
        if let (Caller::Token(token), true) = (seen_by, self.node_of(seen_by) == Some(number)) {
            let (scope, ceiling) = (self.tokens[token].scope(), self.ceiling(seen_by));
            let path = self.path(number);
            let above =
                |find: fn(&Node) -> Option<u64>| path.iter().filter_map(|at| find(&self.nodes[*at])).min();
            let ends = path.iter().filter_map(|at| self.nodes[*at].expires).min();
            let own = scope.limits.iter().filter(|(level, _)| *level == self.depth(number));
            for (_, limit) in own {
                if !limits.contains(limit) {
                    limits.push(*limit);
                }
            }
            view["budget_credits"] = json!(least(node.budget, ceiling));
            view["remaining_credits"] = json!(self.remaining_within(number, ceiling));
            view["available_credits"] = json!(self.available_within(number, ceiling));
            view["max_per_spend"] = json!(least(above(|node| node.max_per_spend), scope.max_per_spend));
            view["actions"] = json!(action_words(node.actions & scope.actions));
            view["max_depth"] = json!(least(node.max_depth, scope.levels_left));
            view["cost_center"] = json!(node.cost_center.clone().or(scope.cost_center));
            view["department"] = json!(node.department.clone().or(scope.department));
            view["expires_at"] = json!(least(ends, scope.expires).map(|at| at.to_string()));
            view["caveats"] = json!(self.texts(&self.tokens[token].caveats));
        }
        let limits = limits.into_iter().map(|limit| {
            let mut told = limit.json();
            told["used_credits"] = json!(self.spent_in_window(number, limit.per).min(MOST));
            told["resets_at"] = json!(limit.per.window(self.now, &self.zone).1.to_string());
            told
        });
        view["limits"] = limits.collect();
        view["effective_remaining_credits"] = json!(self.effective_now(seen_by, number));
        view
    }

    pub(crate) fn view(&self, number: usize, seen_by: Caller) -> Value {
        let (node, status) = (&self.nodes[number], self.status(number));
        let cause = status.cause().filter(|cause| *cause != number);
        let limits: Vec<_> = node.limits.iter().map(|limit| limit.json()).collect();
        json!({
            "id": node.id,
            "parent_id": node.parent.map(|parent| &self.nodes[parent].id),
            "label": node.label,
            "status": status.word(),
            "deactivated_by": cause.map(|cause| self.place(seen_by, cause)),
            "budget_credits": node.budget,
            "spent_credits": self.spent(number),
            "own_spent_credits": self.own(number),
            "held_credits": self.held(number),
            "reserved_for_children_credits": self.reserved(number).min(MOST),
            "available_credits": self.available(number),
            "remaining_credits": self.remaining(number),
            "effective_remaining_credits": self.effective_remaining(number, self.ceiling_at(seen_by, number)),
            "allocation": if node.carve { "carve" } else { "cap" },
            "limits": limits,
            "max_per_spend": node.max_per_spend,
            "actions": action_words(node.actions),
            "max_depth": node.max_depth,
            "cost_center": node.cost_center,
            "department": node.department,
            "expires_at": node.expires.map(|at| at.to_string()),
            "caveats": self.texts(&node.canonical.caveats),
            "depth": self.depth(number),
            "descendants": self.descendants(number).count(),
            "version": node.version,
        })
    }

    /// The node with what is below it, oldest first.
    pub(crate) fn tree(&self, top: usize, seen_by: Caller) -> Value {
        let mut children: Vec<_> = self.children(top).collect();
        children.sort_by(|left, right| self.nodes[*left].id.cmp(&self.nodes[*right].id));
        let mut view = self.view(top, seen_by);
        view["children"] = children.into_iter().map(|child| self.tree(child, seen_by)).collect();
        view
    }

    /// The first hundred entries of a subtree.
    pub(crate) fn ledger(&self, top: usize) -> Value {
        let numbered = self.entries.iter().enumerate();
        let entries = numbered.filter(|(_, entry)| self.is_within(entry.node, top)).take(100);
        let entries: Vec<_> = entries
            .map(|(index, entry)| {
                json!({
                    "seq": index + 1,
                    "id": entry.id,
                    "kind": if entry.reverses.is_some() { "refund" } else { "spend" },
                    "delegation_id": self.nodes[entry.node].id,
                    "amount_credits": entry.amount,
                    "cost_center": entry.cost_center,
                    "department": entry.department,
                    "idempotency_key": entry.key,
                    "reverses": entry.reverses.map(|debit| &self.entries[debit].id),
                })
            })
            .collect();
        json!({ "data": entries })
    }
}
