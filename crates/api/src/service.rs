//! Resource servers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new resource server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "reports"}))]
pub struct CreateService {
    /// What people call it: 1–256 bytes.
    pub name: String,
}

/// A resource server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "svc_01kaq2v0j8e4kbhgdw2n4cmxf1", "name": "reports", "created_at": "2026-11-21T17:00:00Z",
    "created_by": "usr_01kaq2v0j8e4kbhgdw2n4cmxf2"
}))]
pub struct Service {
    /// `svc_…`: what `audience` names.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The user, or the root delegation, that registered it.
    pub created_by: String,
}

/// A resource server that was just registered.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "svc_01kaq2v0j8e4kbhgdw2n4cmxf1", "name": "reports", "created_at": "2026-11-21T17:00:00Z",
    "created_by": "usr_01kaq2v0j8e4kbhgdw2n4cmxf2",
    "verification_key": "svk_AQGTQAAAAAAAAAAAAAAAAAMBk0AAAAAAAAAAAAAAAAAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
}))]
pub struct CreatedService {
    /// The resource server.
    #[serde(flatten)]
    pub service: Service,
    /// `svk_…`: with it the service verifies the tokens that are meant for it, without calling home. A secret; shown once.
    pub verification_key: String,
}

/// The tenant's resource servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceList {
    /// Oldest first, at most 100.
    pub data: Vec<Service>,
}
