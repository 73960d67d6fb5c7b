//! The revocation feed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What has become of a delegation, or of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// It and all below it are over: refuse every token whose chain has its id.
    Revoked,
    /// It and all below it are stopped: the same, until it is `unfrozen`.
    Frozen,
    /// They go on.
    Unfrozen,
    /// Tokens were replaced: see `replaced`.
    Rotated,
    /// Tokens that were issued before `issued_before` are refused, whatever their delegation.
    CutOff,
}

/// A token that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplacedToken {
    /// In hexadecimal digits: SHA-256 of `subgrant/node/v1` and the signature after its last `budget` caveat, in
    /// the chain of the service's own key.
    pub digest: String,
    /// From when on it is refused: RFC 3339, UTC.
    pub valid_until: String,
}

/// Something to refuse, or not to refuse any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "evt_01kaq2v0j8e00004000000g001", "kind": "revoked", "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "at": "2026-11-22T12:00:00Z", "replaced": [], "issued_before": null
}))]
pub struct RevocationEntry {
    /// `evt_…`: from where a stream goes on. `null` where it tells how things stood in the beginning.
    pub id: Option<String>,
    /// What has happened.
    pub kind: RevocationKind,
    /// `dlg_…`: to which delegation. Tokens list the ids of their chain.
    pub delegation_id: String,
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Of `rotated`: every token of the delegation that was replaced so far. A token that ends with such a digest is refused
    /// from its `valid_until` on; of one that goes on below it, Subgrant knows.
    pub replaced: Vec<ReplacedToken>,
    /// Of `cut_off`: RFC 3339, UTC. Delegations have ids that begin with the time of their making; of tokens of older ones,
    /// Subgrant knows.
    pub issued_before: Option<String>,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "data": [{
        "id": null, "kind": "revoked", "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1", "at": "2026-11-22T12:00:00Z",
        "replaced": [], "issued_before": null
    }],
    "next_cursor": "evt_01kaq2v0j8e00004000000g001", "has_more": false
}))]
pub struct RevocationFeed {
    /// In order. May be empty, even where there is more.
    pub data: Vec<RevocationEntry>,
    /// What to send as `since` next.
    pub next_cursor: String,
    /// Whether to ask again at once; else all was told that had happened.
    pub has_more: bool,
}
