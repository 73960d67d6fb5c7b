//! Checking tokens for resource servers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Delegation;

/// A token that a resource server was shown.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "sgt_AgE…", "request": {"method": "GET", "path": "/v1/items"}}))]
pub struct VerifyToken {
    /// The token's text.
    pub token: String,
    /// The request that it came with. A caveat about something that is missing here is not met.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::object::option")]
    pub request: Option<RequestToVerify>,
}

/// A request at a resource server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestToVerify {
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, with or without a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// `svc_…`: the resource server itself. A token that is for one service alone is good nowhere else, nor where this is
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// Whether the token is good. Nothing is debited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether the token may be used for the request.
    pub valid: bool,
    /// Why not: malformed, forged, expired, revoked, frozen or `caveat_not_met`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The token's delegation, as its holder may see it; only of a valid token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
    /// Every caveat of the token, in order; only of a valid token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveats: Option<Vec<String>>,
    /// The least over the path; `null`: unlimited, or not valid.
    pub effective_remaining_credits: Option<u64>,
}
