//! Alerts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Period;

/// What an alert watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// How much of the delegation's budget is spent or held. Fired once for each budget that is set.
    #[default]
    Budget,
    /// How much of the delegation's own window limit is spent. Fired once per window.
    Limit,
    /// How many credits are spent, within a window or ever. Fired once per window, or once.
    Spend,
}

/// A new alert. `budget` takes `percent`; `limit` takes `percent` and `per`; `spend` takes `credits` and maybe `per`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1", "kind": "budget", "percent": 80}))]
pub struct CreateAlert {
    /// Whose spending, with all below; absent: the root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// What is watched.
    pub kind: AlertKind,
    /// 1–100.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    pub percent: Option<u64>,
    /// At least 1.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::whole_option"
    )]
    pub credits: Option<u64>,
    /// The window, which is one of the tenant's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Period>,
    /// Which members are mailed: `usr_…`, at most 50; absent: whoever makes the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Vec<String>>,
}

/// An alert with how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "alr_01kaq2v0j8e4kbhgdw2n4cmxf1", "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf2", "delegation_label": "ML Team",
    "kind": "budget", "percent": 80, "credits": null, "per": null, "recipients": ["usr_01kaq2v0j8e4kbhgdw2n4cmxf3"],
    "created_by": "usr_01kaq2v0j8e4kbhgdw2n4cmxf3", "created_at": "2026-11-27T09:28:11.204511Z", "current_credits": 4100,
    "of_credits": 5000, "window_start": null, "last_fired_at": "2026-11-27T10:02:00Z", "last_fired_credits": 4050
}))]
pub struct Alert {
    /// `alr_…`.
    pub id: String,
    /// Whose spending.
    pub delegation_id: String,
    /// Its label.
    pub delegation_label: String,
    /// What is watched.
    pub kind: AlertKind,
    /// Of the budget or limit.
    pub percent: Option<u8>,
    /// The amount that is watched for.
    pub credits: Option<u64>,
    /// The window.
    pub per: Option<Period>,
    /// Which members are mailed.
    pub recipients: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// What is consumed now; `null` where what the alert watches is gone, such as a limit that was lifted.
    #[schema(value_type = Option<u64>)]
    pub current_credits: Option<u128>,
    /// Of so much.
    pub of_credits: Option<u64>,
    /// Since when; `null`: ever.
    pub window_start: Option<String>,
    /// When it was fired for the last time.
    pub last_fired_at: Option<String>,
    /// What was consumed then.
    #[schema(value_type = Option<u64>)]
    pub last_fired_credits: Option<u128>,
}

/// A page of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertList {
    /// Oldest first.
    pub data: Vec<Alert>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
