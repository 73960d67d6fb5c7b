//! What a page must know before anybody has signed in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What this server offers to people whom it does not know yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"open_signup": true, "sends_mail": true}))]
pub struct Configuration {
    /// Whether anybody may create a tenant.
    pub open_signup: bool,
    /// Whether mail goes anywhere: to a mail server, or to the screen of whoever runs the server.
    pub sends_mail: bool,
}
