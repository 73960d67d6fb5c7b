//! The audit log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Who did what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// `evt_…`, ordered by time.
    pub id: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// Who: a delegation or a user.
    pub actor: String,
    /// The address of a user, of a former one too; `null` for a delegation.
    pub actor_email: Option<String>,
    /// What was done, as `<thing>.<verb>`.
    pub action: String,
    /// To what.
    pub target: String,
    /// Before and after, or a receipt.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// From where.
    pub source_ip: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
}

/// A page of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// In the order asked for.
    pub data: Vec<AuditEntry>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
