//! The order of a list of what happened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// What happened first.
    #[default]
    Oldest,
    /// What happened last.
    Newest,
}
