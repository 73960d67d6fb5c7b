//! Errors, as RFC 9457 problem documents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem document (RFC 9457). Denials add facts that help to decide what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:subgrant:problem:budget_exhausted",
    "title": "Budget exhausted",
    "status": 402,
    "code": "budget_exhausted",
    "detail": "The delegation can afford 50 credits, but 100 were requested.",
    "request_id": "req_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "delegation_id": "dlg_01kaq2v0j8e4kbhgdw2n4cmxf1",
    "requested_credits": 100,
    "max_affordable_credits": 50
}))]
pub struct Problem {
    /// `urn:subgrant:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What programs decide by.
    pub code: String,
    /// What happened here, in a sentence.
    pub detail: String,
    /// The request, for support.
    pub request_id: String,
    /// Which fields are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The node that refuses: an id at or below the caller, or `ancestor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_credits: Option<u64>,
    /// What every level could afford now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_affordable_credits: Option<u64>,
    /// When the same request may succeed, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
}

/// One field of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"pointer": "/budget_credits", "code": "out_of_range", "detail": "must be at least 1"}))]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong, for programs.
    pub code: String,
    /// What is wrong, in words.
    pub detail: String,
}
