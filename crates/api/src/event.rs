//! Live changes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Delegation, LedgerEntry};

/// Something that happened, in the field `data` of a server-sent event. `kind` is also its `event`, and `id` its `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "evt_01kaq2v0j8e00004000000g001", "at": "2026-11-22T12:00:00Z",
    "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1", "path": ["dlg_01kaq2v0j8e4kbhgdw2n4cmxf1"],
    "kind": "hold.released", "data": {"hold_id": "hold_01kaq2v0j8e4kbhgdw2n4cmxf1", "amount_credits": 50},
    "delegations": []
}))]
pub struct Event {
    /// `evt_…`, ordered by time within a tenant. Sent back as `Last-Event-ID`, it continues the stream after this event.
    pub id: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// The delegation that it is about; `null` where that is a person, several delegations or the stream itself.
    pub delegation_id: Option<String>,
    /// That delegation and those above it, as far as the caller may see them, the highest first.
    pub path: Vec<String>,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
    /// The delegations whose balances or settings it changed, as they are now: replace what you have. Where several
    /// events come at once, a delegation stands in the last one that changed it.
    pub delegations: Vec<Delegation>,
}

/// What happened, with further facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "data")]
pub enum EventBody {
    /// The first event of every stream: it is open, and whatever happens after this `id` follows.
    #[serde(rename = "stream.ready")]
    StreamReady(NoFacts),
    /// The first event where the resume point is too old, unknown or too far back: load everything anew. What happens
    /// after this `id` follows.
    #[serde(rename = "stream.reset")]
    StreamReset(NoFacts),
    /// The last event of a stream whose credential has ended. One that ends without it can be resumed.
    #[serde(rename = "stream.closed")]
    StreamClosed(ClosedFacts),
    /// A delegation was minted.
    #[serde(rename = "delegation.created")]
    DelegationCreated(CreatedFacts),
    /// A delegation that was made offline was used for the first time.
    #[serde(rename = "delegation.adopted")]
    DelegationAdopted(AdoptedFacts),
    /// Settings of a delegation were changed.
    #[serde(rename = "delegation.changed")]
    DelegationChanged(serde_json::Map<String, serde_json::Value>),
    /// A delegation was frozen, with everything below it.
    #[serde(rename = "delegation.frozen")]
    DelegationFrozen(FrozenFacts),
    /// A delegation goes on.
    #[serde(rename = "delegation.unfrozen")]
    DelegationUnfrozen(FrozenFacts),
    /// A delegation was revoked, with everything below it.
    #[serde(rename = "delegation.revoked")]
    DelegationRevoked(RevokedFacts),
    /// A delegation has a new token.
    #[serde(rename = "delegation.rotated")]
    DelegationRotated(RotatedFacts),
    /// A delegation's life is over, and what it had not spent has gone back to its parent. Told with the first change
    /// of the tenant after that instant.
    #[serde(rename = "delegation.expired")]
    DelegationExpired(NoFacts),
    /// The root token was replaced.
    #[serde(rename = "root.rotated")]
    RootRotated(RotatedFacts),
    /// A debit.
    #[serde(rename = "spend.recorded")]
    SpendRecorded(Box<LedgerEntry>),
    /// A debit was given back, wholly or in part.
    #[serde(rename = "spend.refunded")]
    SpendRefunded(Box<LedgerEntry>),
    /// A correction.
    #[serde(rename = "spend.adjusted")]
    SpendAdjusted(Box<LedgerEntry>),
    /// Many entries of the ledger at once: under load they come summed up. Each entry is told exactly once, either by
    /// itself or in one of these.
    #[serde(rename = "spend.summary")]
    SpendSummary(SummaryFacts),
    /// Credits were held.
    #[serde(rename = "hold.created")]
    HoldCreated(HoldFacts),
    /// A hold lasts longer.
    #[serde(rename = "hold.extended")]
    HoldExtended(HoldFacts),
    /// A hold was spent, wholly or in part. Its debit is told just before.
    #[serde(rename = "hold.captured")]
    HoldCaptured(HoldFacts),
    /// A hold was given up.
    #[serde(rename = "hold.released")]
    HoldReleased(HoldFacts),
    /// A hold's time was over. Told with the first change of the tenant after that instant.
    #[serde(rename = "hold.expired")]
    HoldExpired(HoldFacts),
    /// A person became a member. Events about people are for sessions only.
    #[serde(rename = "user.created")]
    UserCreated(UserFacts),
    /// A member has another role.
    #[serde(rename = "user.changed")]
    UserChanged(UserFacts),
    /// A member is one no more.
    #[serde(rename = "user.removed")]
    UserRemoved(UserFacts),
    /// A person was invited.
    #[serde(rename = "user.invited")]
    UserInvited(UserFacts),
}

/// Nothing further.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoFacts {}

/// Why the stream ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedFacts {
    /// The `code` with which the same credential is refused now.
    pub code: String,
    /// The same in words.
    pub detail: String,
}

/// A new delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedFacts {
    /// Its name.
    pub label: String,
    /// Its budget.
    pub budget_credits: u64,
    /// `carve` or `cap`.
    pub allocation: String,
}

/// A delegation that was made offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedFacts {
    /// Its name.
    pub label: String,
    /// Its budget.
    pub budget_credits: u64,
}

/// A freeze, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrozenFacts {
    /// Open holds of the subtree that ended.
    pub holds_voided: u64,
    /// The delegation's version.
    pub version: i64,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedFacts {
    /// Delegations below that ended with it: they are not listed, mark them yourself.
    pub descendants: u64,
    /// Open holds of the subtree that ended.
    pub holds_voided: u64,
    /// What the parent can use again.
    pub credits_freed: u64,
    /// Why.
    pub reason: Option<String>,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedFacts {
    /// Until when older tokens are good.
    pub previous_valid_until: String,
    /// Root only: tokens issued before this time are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_issued_before: Option<String>,
}

/// Many entries of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummaryFacts {
    /// By delegation.
    pub by_delegation: Vec<SpentBy>,
}

/// What the entries of one delegation come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpentBy {
    /// `dlg_…`.
    pub delegation_id: String,
    /// How many entries.
    pub entries: u64,
    /// The sum of the debits.
    pub spent_credits: u64,
    /// The sum of the refunds.
    pub refunded_credits: u64,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldFacts {
    /// `hold_…`.
    pub hold_id: String,
    /// How much was held.
    pub amount_credits: u64,
    /// When it stops counting, where that was set just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// How much of it was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_credits: Option<u64>,
    /// The debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_id: Option<String>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserFacts {
    /// `usr_…`.
    pub user_id: String,
    /// The address.
    pub email: String,
    /// The role: the new one, or the last one.
    pub role: String,
}
