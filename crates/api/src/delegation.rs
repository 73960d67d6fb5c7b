//! Delegations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A child to be minted. `label` and `budget_credits` are required; what is absent is inherited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "budget_credits": 1000, "cost_center": "Engineering", "department": "ML Team", "label": "code-reviewer",
    "expiry": "720h"
}))]
pub struct CreateDelegation {
    /// The child's budget, in whole credits.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub budget_credits: u64,
    /// The child's name: 1–256 bytes of text.
    pub label: String,
    /// The cost centre; where the path carries one already, it must be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<String>,
    /// The department; where the path carries one already, it must be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// A Go-style (`720h`) or ISO 8601 (`P30D`) duration, or an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// The caller's own node or a descendant; absent: the caller's own (for a session: the root).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Whether the budget is set aside out of the parent's; absent: `carve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<Allocation>,
    /// The most credits in one spend or hold.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    #[schema(minimum = 1)]
    pub max_per_spend: Option<u64>,
    /// Window limits; each counts the child's whole subtree.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::object::list_or_empty"
    )]
    #[schema(nullable)]
    pub limits: Vec<Limit>,
    /// What the holder may do; absent: all that the parent may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    /// Levels that may be created below the child.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    pub max_depth: Option<u32>,
    /// `svc_…`: the one registered service at which the token may be used. The token has a second signature, by
    /// which that service verifies it, and so has every one below it. At Subgrant it spends, and does nothing else. Absent: the parent's, if it has one; another one than the parent's is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Further caveats, as `name = value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::object::or_default")]
    #[schema(nullable)]
    pub caveats: Vec<String>,
}

/// Where a child's budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Allocation {
    /// Set aside out of the parent's available credits.
    Carve,
    /// A ceiling; siblings compete.
    Cap,
}

/// What a holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Debit.
    Spend,
    /// Create and revoke below.
    Delegate,
    /// Look.
    Read,
}

/// A window limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"per": "day", "credits": 200}))]
pub struct Limit {
    /// The window, in the tenant's time zone.
    pub per: Period,
    /// The most credits within one window.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub credits: u64,
}

/// A window limit, and how far it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"per": "day", "credits": 200, "used_credits": 70, "resets_at": "2026-11-23T00:00:00Z"}))]
pub struct LimitState {
    /// The window, in the tenant's time zone.
    pub per: Period,
    /// The most credits within one window.
    pub credits: u64,
    /// What was spent in the window so far; what is held counts as well. A refund gives none of it back: a limit bounds what
    /// leaves within a window, and who wants to grant more of it raises the limit. Absent in lists and trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_credits: Option<u64>,
    /// When the next window begins: RFC 3339, UTC. Absent in lists and trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}

/// The length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

/// A delegation at one instant. Amounts are whole credits; `null` stands for the unlimited root.
///
/// Looked at alone with a token of its own, it shows what binds that token: budget, remaining and available credits, limits,
/// `max_per_spend`, actions, depth, expiry and caveats are then the token's wherever it says less than the delegation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delegation {
    /// `dlg_…`.
    #[schema(example = "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// Its parent; `null` for the root.
    pub parent_id: Option<String>,
    /// Its name.
    pub label: String,
    /// What it is now.
    pub status: Status,
    /// The ancestor that caused the status: its id, or `ancestor` where the caller may not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivated_by: Option<String>,
    /// The most that may ever be spent.
    pub budget_credits: Option<u64>,
    /// Spent by the node and its whole subtree.
    pub spent_credits: u64,
    /// What it has spent itself, without the delegations below it.
    pub own_spent_credits: u64,
    /// Held by the node and its whole subtree.
    pub held_credits: u64,
    /// Set aside for live carve children; at most 9007199254740991 credits, below the unlimited root as well.
    pub reserved_for_children_credits: u64,
    /// What live cap children have not consumed. Nothing is set aside for it: they compete for what is available.
    /// Said as 9007199254740991 where it is more.
    pub capped_for_children_credits: u64,
    /// What all children may still consume, set aside or not, as a multiple of what remains: above 1 they cannot all have
    /// it. `null` where there is no live child, where nothing remains, and for the unlimited root.
    #[schema(example = 1.5)]
    pub overcommit_ratio: Option<f64>,
    /// What the node can itself spend or carve: remaining less what is reserved.
    pub available_credits: Option<u64>,
    /// Budget less spent less held.
    pub remaining_credits: Option<u64>,
    /// The least of what all budgets and window limits on the path leave, and of what the presented token says, where it is the
    /// delegation's own. In lists and trees window limits do not count.
    pub effective_remaining_credits: Option<u64>,
    /// Whether the budget was set aside.
    pub allocation: Allocation,
    /// Window limits of this node.
    pub limits: Vec<LimitState>,
    /// The most credits in one spend, set at this node.
    pub max_per_spend: Option<u64>,
    /// What a holder may do.
    pub actions: Vec<Action>,
    /// Levels that may still be created below.
    pub max_depth: Option<u32>,
    /// The cost centre that every ledger entry is stamped with.
    pub cost_center: Option<String>,
    /// The department that every ledger entry is stamped with.
    pub department: Option<String>,
    /// RFC 3339, UTC.
    pub expires_at: Option<String>,
    /// Every caveat, in order.
    pub caveats: Vec<String>,
    /// Levels below the root.
    pub depth: usize,
    /// Nodes ever created below.
    pub descendants: u64,
    /// Counts changes of settings, not of balances.
    pub version: i64,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// What a delegation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Usable.
    Active,
    /// Usable, but nothing is left.
    Exhausted,
    /// Stopped until unfrozen.
    Frozen,
    /// Past its end.
    Expired,
    /// Ended for good.
    Revoked,
}

/// A delegation that was just minted. The token is shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedDelegation {
    /// The bearer token: `sgt_…`.
    pub token: String,
    /// The delegation.
    #[serde(flatten)]
    pub delegation: Delegation,
}

/// New settings of a delegation. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"budget_credits": 2000}))]
pub struct UpdateDelegation {
    /// The new name: 1–256 bytes of text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::object::present")]
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// The new budget. Raised: out of what the parent has available. Lowered: not below what is spent, held and set
    /// aside for children.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_present"
    )]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, nullable = false)]
    pub budget_credits: Option<u64>,
    /// The most credits in one spend or hold; `null`: no such limit any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_nullable"
    )]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub max_per_spend: Option<Option<u64>>,
    /// All window limits that the delegation shall have; `[]`: none any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::object::present_list"
    )]
    #[schema(nullable = false)]
    pub limits: Option<Vec<Limit>>,
    /// The new end of its life: a duration or a time, no later than the parent's; `null`: that of the delegations above. What
    /// is below keeps its own end, and ends with the delegation at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::object::nullable")]
    #[schema(value_type = Option<String>, example = "720h")]
    pub expiry: Option<Option<String>>,
    /// Only say what would happen.
    #[serde(
        default,
        skip_serializing_if = "std::ops::Not::not",
        deserialize_with = "crate::object::or_default"
    )]
    #[schema(nullable)]
    pub dry_run: bool,
}

/// What an earlier end of a delegation's life does to what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeEffects {
    /// Delegations below that lived longer, and end with it now. 250 stands for that many or more.
    pub descendants_ending: u64,
    /// Open holds of the delegation and of what is below it that end with it now.
    pub holds_ending: u64,
}

/// A changed delegation.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct UpdatedDelegation {
    /// Where the change widened anything: a token that may do what older ones may not. Shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where its end was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<ChangeEffects>,
    /// Whether nothing was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The delegation as it is now, or would be.
    #[serde(flatten)]
    pub delegation: Delegation,
}

/// A page of delegations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DelegationList {
    /// A parent, then what is below it; siblings oldest first.
    pub data: Vec<Delegation>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
    /// Only `with=ancestors`: what is above those of the page, from the caller's own down; without those of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ancestors: Option<Vec<Delegation>>,
    /// Only `with=last_used`: when each delegation, by id, was last debited or refunded itself. Without those that never
    /// were. Ancestors are among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!({"dlg_01kaq2v0j8e4kbhgdw2n4cmxf1": "2026-11-22T00:55:02.68261Z"}))]
    pub last_used: Option<BTreeMap<String, String>>,
}

/// A token that was issued for a delegation. The token itself is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// When it was issued, or first used where it was made offline: RFC 3339, UTC.
    pub issued_at: String,
    /// From when on it is refused although the delegation may live on, where it is replaced: RFC 3339, UTC.
    pub valid_until: Option<String>,
    /// Whether it has not been replaced for good. What it is worth depends on the delegation's status, too.
    pub is_valid: bool,
}

/// The tokens of a delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedTokenList {
    /// Newest first; at most 100.
    pub data: Vec<IssuedToken>,
}

/// How to revoke.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"dry_run": true}))]
pub struct RevokeDelegation {
    /// Only say what would happen.
    #[serde(default, deserialize_with = "crate::object::or_default")]
    #[schema(nullable)]
    pub dry_run: bool,
    /// Only if the delegation still has this version.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    pub if_version: Option<i64>,
    /// Only if there are still as many delegations below it as a preview said. With `if_version`, nothing is revoked that
    /// the preview did not show.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    pub if_descendants: Option<u64>,
    /// Why; kept in the audit log. At most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a revocation ends (receipt), or would end (preview).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revocation {
    /// The delegation.
    pub id: String,
    /// Whether this is only a preview.
    pub dry_run: bool,
    /// Nodes below it.
    pub descendants: u64,
    /// Open holds of the subtree that end.
    pub holds_voided: u64,
    /// Credits that were held in the subtree.
    pub held_credits_voided: u64,
    /// Credits that the parent can use again.
    pub credits_freed: u64,
    /// Nodes of the subtree that spent within the last hour. 250 stands for that many or more: a revocation takes no longer
    /// where more were active.
    pub active_last_hour: u64,
    /// The delegation's version.
    pub version: i64,
    /// RFC 3339, UTC; `null` in a preview.
    pub revoked_at: Option<String>,
}

/// Nothing has to be said to freeze or unfreeze.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeDelegation {}

/// How to replace a delegation's token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"grace": "1h"}))]
pub struct RotateDelegation {
    /// How long its older tokens stay good, as a duration; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

/// A new token of the same delegation, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RotatedDelegation {
    /// The delegation.
    pub id: String,
    /// Its new token.
    pub token: String,
    /// Until when its older tokens are good: RFC 3339, UTC.
    pub previous_valid_until: String,
}

/// Caveats to append to the caller's token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"caveats": ["max_per_spend = 5", "route = /v1/*"]}))]
pub struct RestrictDelegation {
    /// As `name = value`.
    pub caveats: Vec<String>,
}

/// A narrower copy of the caller's token. The original stays as it is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RestrictedDelegation {
    /// The delegation.
    pub id: String,
    /// The narrower token.
    pub token: String,
    /// Every caveat of it, in order.
    pub caveats: Vec<String>,
}

/// A delegation with what is below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DelegationTree {
    /// The delegation.
    #[serde(flatten)]
    pub delegation: Delegation,
    /// The first delegations below it, oldest first; absent where the picture ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub children: Option<Vec<DelegationTree>>,
    /// Where `GET /delegation?parent_id=…&cursor=…` goes on, where there are more; `null` otherwise.
    pub children_next_cursor: Option<String>,
}
