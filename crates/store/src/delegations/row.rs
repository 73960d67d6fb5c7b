//! Between rows and domain types.

use std::fmt::Write as _;

use jiff_sqlx::Timestamp;
use subgrant_domain::{
    AttributeText, Counter, Credits, DelegationId, Newest, Node, NodePath, RootKeyId, ServiceId, Tally, Terms,
};
use uuid::Uuid;

use super::{Delegation, Place};
use crate::{Result, StoreError, error::read};

/// A row of `delegations`, as selected.
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) ancestor_ids: Vec<Uuid>,
    pub(super) label: String,
    pub(super) cost_center: Option<String>,
    pub(super) department: Option<String>,
    pub(super) allocation: String,
    pub(super) budget: Option<i64>,
    pub(super) spent: i64,
    pub(super) held: i64,
    pub(super) reserved: i64,
    pub(super) own_spent: i64,
    pub(super) capped: String,
    pub(super) hour_start: Option<Timestamp>,
    pub(super) hour_spent: Option<i64>,
    pub(super) day_start: Option<Timestamp>,
    pub(super) day_spent: Option<i64>,
    pub(super) week_start: Option<Timestamp>,
    pub(super) week_spent: Option<i64>,
    pub(super) month_start: Option<Timestamp>,
    pub(super) month_spent: Option<i64>,
    pub(super) newest_at: Option<Timestamp>,
    pub(super) quarter_gross: i64,
    pub(super) quarter_refunded: i64,
    pub(super) quarter_entries: i64,
    pub(super) descendants: i64,
    pub(super) carve_returned: bool,
    pub(super) expiry_noted: bool,
    pub(super) actions: String,
    pub(super) max_per_spend: Option<i64>,
    pub(super) limits: Vec<String>,
    pub(super) max_depth: Option<i32>,
    pub(super) caveats: Vec<String>,
    pub(super) token_generation: i32,
    pub(super) made_offline: bool,
    pub(super) first_block_unknown: bool,
    pub(super) root_key_id: Uuid,
    pub(super) audience_service_id: Option<Uuid>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) frozen_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) tokens_valid_from: Option<Timestamp>,
    pub(super) version: i64,
    pub(super) created_at: Timestamp,
}

impl Row {
    pub(super) fn into_delegation(self) -> Result<Delegation> {
        let ids: Vec<_> = self.ancestor_ids.into_iter().chain([self.id]).collect();
        let terms = Terms {
            actions: read(self.actions.parse())?,
            max_per_spend: self.max_per_spend.map(credits).transpose()?,
            limits: self.limits.iter().map(|limit| read(limit.parse())).collect::<Result<_>>()?,
            max_depth: self.max_depth.map(i32::cast_unsigned),
            expires_at: self.expires_at.map(Timestamp::to_jiff),
            cost_center: self.cost_center.map(text).transpose()?,
            department: self.department.map(text).transpose()?,
        };
        if self.budget.is_none() && ids.len() > 1 {
            return Err(StoreError::Malformed(format!("{} has no budget", self.id)));
        }
        Ok(Delegation {
            node: Node {
                path: path(&ids)?,
                allocation: read(self.allocation.parse())?,
                budget: self.budget.map(credits).transpose()?,
                spent: credits(self.spent)?,
                own_spent: credits(self.own_spent)?,
                held: credits(self.held)?,
                reserved: self.reserved.cast_unsigned(),
                capped: read(self.capped.parse())?,
                counters: [
                    counter(self.hour_start, self.hour_spent)?,
                    counter(self.day_start, self.day_spent)?,
                    counter(self.week_start, self.week_spent)?,
                    counter(self.month_start, self.month_spent)?,
                ],
                newest: self.newest_at.map(|at| Newest {
                    at: at.to_jiff(),
                    tally: Tally {
                        gross: self.quarter_gross.cast_unsigned().into(),
                        refunded: self.quarter_refunded.cast_unsigned().into(),
                        entries: self.quarter_entries.cast_unsigned(),
                    },
                }),
                descendants: self.descendants.cast_unsigned(),
                terms,
                frozen_at: self.frozen_at.map(Timestamp::to_jiff),
                revoked_at: self.revoked_at.map(Timestamp::to_jiff),
                carve_returned: self.carve_returned,
                expiry_noted: self.expiry_noted,
            },
            label: text(self.label)?,
            caveats: self.caveats,
            token_generation: self.token_generation.cast_unsigned(),
            made_offline: self.made_offline,
            first_block_unknown: self.first_block_unknown,
            root_key: RootKeyId::from_uuid(self.root_key_id),
            audience: self.audience_service_id.map(ServiceId::from_uuid),
            tokens_valid_from: self.tokens_valid_from.map(Timestamp::to_jiff),
            version: self.version,
            created_at: self.created_at.to_jiff(),
        })
    }
}

/// A new node as a row of JSON.
pub(super) fn to_json(delegation: &Delegation) -> serde_json::Value {
    let Node { path, terms, .. } = &delegation.node;
    let place = Place::of(path).as_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    });
    serde_json::json!({
        "id": path.id().as_uuid().to_string(),
        "parent_id": path.parent_id().map(|id| id.as_uuid().to_string()),
        "path": path.to_string(),
        "ancestor_ids": path.ancestors().iter().map(|id| id.as_uuid().to_string()).collect::<Vec<_>>(),
        "depth": depth(path),
        "label": delegation.label.as_str(),
        "cost_center": terms.cost_center.as_ref().map(AttributeText::as_str),
        "department": terms.department.as_ref().map(AttributeText::as_str),
        "allocation": delegation.node.allocation.as_str(),
        "budget": delegation.node.budget.map(amount),
        "carve_returned": delegation.node.carve_returned,
        "actions": terms.actions.to_string(),
        "max_per_spend": terms.max_per_spend.map(amount),
        "limits": terms.limits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "max_depth": terms.max_depth.map(u32::cast_signed),
        "caveats": delegation.caveats,
        "root_key_id": delegation.root_key.as_uuid().to_string(),
        "expires_at": terms.expires_at.map(|at| at.to_string()),
        "created_at": delegation.created_at.to_string(),
        "made_offline": delegation.made_offline,
        "place": place,
        "audience_service_id": delegation.audience.map(|id| id.as_uuid().to_string()),
    })
}

fn counter(start: Option<Timestamp>, spent: Option<i64>) -> Result<Option<Counter>> {
    let Some((start, spent)) = start.zip(spent) else { return Ok(None) };
    Ok(Some(Counter { start: start.to_jiff(), spent: credits(spent)? }))
}

/// A path from the ids of its nodes, root first.
pub(crate) fn path(ids: &[Uuid]) -> Result<NodePath> {
    let mut ids = ids.iter().map(|&id| DelegationId::from_uuid(id));
    let root = ids.next().ok_or_else(|| StoreError::Malformed("an empty path".to_owned()))?;
    ids.try_fold(NodePath::root(root), |path, id| read(path.child(id)))
}

/// An amount as a column holds it.
pub(crate) fn amount(credits: Credits) -> i64 {
    credits.get().cast_signed()
}

/// An amount read from a column.
pub(crate) fn credits(value: i64) -> Result<Credits> {
    read(Credits::new(value.cast_unsigned()))
}

/// A text read from a column.
pub(crate) fn text(value: String) -> Result<AttributeText> {
    read(AttributeText::as_written(value))
}

pub(super) fn depth(path: &NodePath) -> i16 {
    i16::try_from(path.depth()).expect("a path is at most 32 levels deep")
}

/// Fails unless a statement touched exactly the rows that it was meant for.
pub(crate) fn expect_rows(touched: u64, expected: usize) -> Result<()> {
    if usize::try_from(touched) == Ok(expected) {
        Ok(())
    } else {
        Err(StoreError::Malformed(format!("{touched} rows were touched instead of {expected}")))
    }
}
