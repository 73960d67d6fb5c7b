//! From use cases' answers to wire types.

use jiff::Timestamp;
use subgrant_api as api;
use subgrant_domain::{Credits, LedgerEntry, Period, WindowLimit};
use subgrant_service::{
    Branch, DelegationView, HoldEntry, HoldReceipt, HoldStatus, IssuedToken, LimitUse, Order, RevokeReceipt,
    SpendReceipt,
};

use crate::ledger_export::wire_kind;

/// RFC 3339, UTC.
pub(crate) fn time(instant: Timestamp) -> String {
    instant.to_string()
}

pub(crate) fn order(order: api::Order) -> Order {
    match order {
        api::Order::Oldest => Order::OldestFirst,
        api::Order::Newest => Order::NewestFirst,
    }
}

pub(crate) fn delegation(view: DelegationView) -> api::Delegation {
    let allocation = if view.is_carve() { api::Allocation::Carve } else { api::Allocation::Cap };
    api::Delegation {
        id: view.id.to_string(),
        parent_id: view.parent_id.map(|id| id.to_string()),
        label: view.label.to_string(),
        status: status(&view.status),
        deactivated_by: view.deactivated_by,
        budget_credits: view.budget.map(Credits::get),
        spent_credits: view.spent.get(),
        own_spent_credits: view.own_spent.get(),
        held_credits: view.held.get(),
        reserved_for_children_credits: view.reserved_for_children,
        capped_for_children_credits: view.capped_for_children,
        overcommit_ratio: view.overcommit_ratio,
        available_credits: view.available.map(Credits::get),
        remaining_credits: view.remaining.map(Credits::get),
        effective_remaining_credits: view.effective_remaining.map(Credits::get),
        allocation,
        limits: limits(&view.limits, &view.limit_use),
        max_per_spend: view.max_per_spend.map(Credits::get),
        actions: view.actions.iter().filter_map(|word| action(word)).collect(),
        max_depth: view.max_depth,
        cost_center: view.cost_center.map(|text| text.to_string()),
        department: view.department.map(|text| text.to_string()),
        expires_at: view.expires_at.map(time),
        caveats: view.caveats,
        depth: view.depth,
        descendants: view.descendants,
        version: view.version,
        created_at: time(view.created_at),
    }
}

pub(crate) fn tree(branch: Branch) -> api::DelegationTree {
    api::DelegationTree {
        delegation: delegation(branch.delegation),
        children: branch.children.map(|children| children.into_iter().map(tree).collect()),
        children_next_cursor: branch.more_after.map(subgrant_domain::Id::suffix),
    }
}

fn status(word: &str) -> api::Status {
    match word {
        "revoked" => api::Status::Revoked,
        "expired" => api::Status::Expired,
        "frozen" => api::Status::Frozen,
        "exhausted" => api::Status::Exhausted,
        _ => api::Status::Active,
    }
}

fn limits(limits: &[String], used: &[Option<LimitUse>]) -> Vec<api::LimitState> {
    let limits = limits.iter().filter_map(|text| text.parse::<WindowLimit>().ok());
    let used = used.iter().copied().chain(std::iter::repeat(None));
    let states = limits.zip(used).map(|(limit, used)| api::LimitState {
        per: period(limit.period),
        credits: limit.credits.get(),
        used_credits: used.map(|used| used.used.get()),
        resets_at: used.map(|used| time(used.resets_at)),
    });
    states.collect()
}

pub(crate) fn period(period: Period) -> api::Period {
    match period {
        Period::Hour => api::Period::Hour,
        Period::Day => api::Period::Day,
        Period::Week => api::Period::Week,
        Period::Month => api::Period::Month,
    }
}

fn action(word: &str) -> Option<api::Action> {
    match word {
        "spend" => Some(api::Action::Spend),
        "delegate" => Some(api::Action::Delegate),
        "read" => Some(api::Action::Read),
        _ => None,
    }
}

pub(crate) fn spend(receipt: &SpendReceipt) -> api::Spend {
    api::Spend {
        id: receipt.id.map(|id| id.to_string()),
        delegation_id: receipt.delegation.to_string(),
        amount_credits: receipt.amount.get(),
        remaining_credits: receipt.remaining.map(Credits::get),
        effective_remaining_credits: receipt.effective_remaining.map(Credits::get),
        recorded_at: time(receipt.recorded_at),
        reverses: receipt.reverses.map(|id| id.to_string()),
        dry_run: receipt.id.is_none(),
    }
}

pub(crate) fn hold(receipt: &HoldReceipt) -> api::Hold {
    api::Hold {
        id: receipt.id.to_string(),
        delegation_id: receipt.delegation.to_string(),
        amount_credits: receipt.amount.get(),
        status: receipt.status.clone(),
        expires_at: time(receipt.expires_at),
        remaining_credits: receipt.remaining.map(Credits::get),
        effective_remaining_credits: receipt.effective_remaining.map(Credits::get),
        description: receipt.description.clone(),
        metadata: receipt.metadata.clone().and_then(api::Metadata::stored),
    }
}

pub(crate) fn listed_hold(hold: HoldEntry) -> api::ListedHold {
    api::ListedHold {
        id: hold.id.to_string(),
        delegation_id: hold.delegation.to_string(),
        delegation_label: hold.label,
        amount_credits: hold.amount.get(),
        status: match hold.status {
            HoldStatus::Held => api::HoldStatus::Held,
            HoldStatus::Captured => api::HoldStatus::Captured,
            HoldStatus::Released => api::HoldStatus::Released,
            HoldStatus::Expired => api::HoldStatus::Expired,
            HoldStatus::Voided => api::HoldStatus::Voided,
        },
        created_at: time(hold.created_at),
        expires_at: time(hold.expires_at),
        closed_at: hold.closed_at.map(time),
        description: hold.note.description,
        metadata: hold.note.metadata.and_then(api::Metadata::stored),
    }
}

pub(crate) fn issued_token(token: &IssuedToken) -> api::IssuedToken {
    api::IssuedToken {
        issued_at: time(token.issued_at),
        valid_until: token.valid_until.map(time),
        is_valid: !token.is_replaced,
    }
}

pub(crate) fn revocation(receipt: &RevokeReceipt) -> api::Revocation {
    api::Revocation {
        id: receipt.id.to_string(),
        dry_run: receipt.revoked_at.is_none(),
        descendants: receipt.descendants,
        holds_voided: receipt.holds_voided,
        held_credits_voided: receipt.held_voided.get(),
        credits_freed: receipt.credits_freed.get(),
        active_last_hour: receipt.active_last_hour,
        version: receipt.version,
        revoked_at: receipt.revoked_at.map(time),
    }
}

pub(crate) fn ledger_entry(entry: LedgerEntry) -> api::LedgerEntry {
    api::LedgerEntry {
        seq: entry.seq,
        id: entry.id.to_string(),
        kind: wire_kind(entry.kind),
        delegation_id: entry.delegation.to_string(),
        amount_credits: entry.amount.get(),
        cost_center: entry.cost_center.map(|text| text.to_string()),
        department: entry.department.map(|text| text.to_string()),
        recorded_at: time(entry.recorded_at),
        idempotency_key: entry.idempotency_key,
        description: entry.description,
        metadata: entry.metadata.and_then(api::Metadata::stored),
        reverses: entry.reverses.map(|id| id.to_string()),
    }
}
