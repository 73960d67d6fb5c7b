//! Webhooks.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a webhook can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum WebhookEvent {
    /// An alert was fired.
    #[serde(rename = "alert.fired")]
    AlertFired,
}

/// A new webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://hooks.acme.example/subgrant", "events": ["alert.fired"], "description": "pager"}))]
pub struct CreateWebhook {
    /// An `https` address on the public internet.
    pub url: String,
    /// Of what; absent: of everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<WebhookEvent>>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `whk_…`.
    #[schema(example = "whk_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// Where to.
    pub url: String,
    /// Of what.
    pub events: Vec<String>,
    /// What people call it.
    pub description: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// The newest thing that it was told.
    pub last_delivery: Option<LastDelivery>,
}

/// A webhook that was just made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `whsec_…`: what calls are signed with. Shown once.
    pub secret: String,
}

/// The newest thing that a webhook was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastDelivery {
    /// When it has happened.
    pub at: String,
    /// What became of it.
    pub status: DeliveryStatus,
}

/// What became of something that a webhook is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// It is to be sent, for the first time or again.
    Pending,
    /// It was answered with a status from 200 to 299.
    Delivered,
    /// It was not, and is given up.
    Dead,
}

/// The tenant's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// Oldest first, at most 20.
    pub data: Vec<Webhook>,
}

/// Something that a webhook is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// `evt_…`: the header `webhook-id`, the same for each attempt.
    #[schema(example = "evt_01kaq2v0j8e4kbhgdw2n4cmxf1")]
    pub id: String,
    /// What has happened.
    #[schema(example = "alert.fired")]
    pub event: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was attempted.
    pub attempts: u32,
    /// When it has happened: RFC 3339, UTC.
    pub created_at: String,
    /// When it was attempted for the last time.
    pub last_attempt_at: Option<String>,
    /// When it is attempted next; `null` once it was taken or given up.
    pub next_attempt_at: Option<String>,
    /// The status of the last answer; `null` where there was none.
    pub response_status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// The body.
    #[schema(value_type = Object)]
    pub payload: Value,
}

/// Tries a webhook. There is nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub struct TestWebhook {}

/// A page of what a webhook was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDeliveryList {
    /// Newest first.
    pub data: Vec<WebhookDelivery>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
