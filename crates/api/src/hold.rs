//! Two-phase spending.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Metadata;

/// Credits to be held before the work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount_credits": 100, "expires_in": "5m", "description": "review of #42"}))]
pub struct CreateHold {
    /// How much.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub amount_credits: u64,
    /// How long, as a duration; never longer than the delegation lives.
    pub expires_in: String,
    /// What for: at most 1,024 bytes. Kept for the spend that it becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Anything, at most 2 KiB of JSON as it was sent, which is how it is kept. No key may occur twice. Kept for the spend that it becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// `hold_…`.
    #[schema(example = "hold_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// Whose credits are held.
    pub delegation_id: String,
    /// How much.
    pub amount_credits: u64,
    /// held or released.
    pub status: String,
    /// When it stops counting: RFC 3339, UTC.
    pub expires_at: String,
    /// What remains of the delegation's budget; `null`: unlimited.
    pub remaining_credits: Option<u64>,
    /// The least over the path; `null`: unlimited.
    pub effective_remaining_credits: Option<u64>,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The maker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

/// A hold as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedHold {
    /// `hold_…`.
    #[schema(example = "hold_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// Whose credits are, or were, held.
    pub delegation_id: String,
    /// That delegation's name.
    pub delegation_label: String,
    /// How much.
    pub amount_credits: u64,
    /// What it is now.
    pub status: HoldStatus,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// When it stops counting: RFC 3339, UTC.
    pub expires_at: String,
    /// When it was captured, released or otherwise closed: RFC 3339, UTC.
    pub closed_at: Option<String>,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The maker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

/// A page of holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldList {
    /// Newest first.
    pub data: Vec<ListedHold>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// What has become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldStatus {
    /// It counts.
    Held,
    /// Spent, wholly or in part.
    Captured,
    /// Returned unused.
    Released,
    /// Ended by its time.
    Expired,
    /// Ended by a revocation or a freeze.
    Voided,
}

/// What the work has cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount_credits": 80}))]
pub struct CaptureHold {
    /// At most what is held; the rest returns.
    #[schema(minimum = 1)]
    #[serde(deserialize_with = "crate::number::whole")]
    pub amount_credits: u64,
    /// What for: at most 1,024 bytes. Absent: what the hold says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Anything, at most 2 KiB of JSON as it was sent, which is how it is kept. No key may occur twice. Absent: what the hold says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

/// How long a hold shall last from now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"expires_in": "5m"}))]
pub struct ExtendHold {
    /// A duration.
    pub expires_in: String,
}

/// Nothing has to be said to release a hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseHold {}
