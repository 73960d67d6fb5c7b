//! Webhooks. For owners and admins: an address can be a secret.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use serde_json::Value;
use subgrant_api as api;
use subgrant_domain::kind;
use subgrant_service::{
    CreatedWebhook, DeliveryStatus, NewWebhook, WEBHOOK_EVENTS, Webhook, WebhookDelivery as Told,
};

use super::{PageQuery, noted, page_limit, page_start};
use crate::{
    delivery::AddressError,
    http::{
        HttpState,
        body::{JsonBody, NoBody},
        convert::time,
        extract::{Authenticated, PathId, Query},
        idempotency::Keyed,
        openapi::{BodyProblems, Problems, QueryProblems, Refusals},
        problem::Problem,
        respond::{Answer, no_content},
        validate::Validator,
    },
};

/// The webhooks, each with the newest thing that it was told. Owners and admins may look.
#[utoipa::path(
    get,
    path = "/webhook",
    tag = "webhook",
    security(("session" = [])),
    responses((status = 200, description = "All of them", body = api::WebhookList), Problems, Refusals)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
) -> Result<Json<api::WebhookList>, Problem> {
    let webhooks = state.app.webhooks(&principal).await?;
    Ok(Json(api::WebhookList {
        data: webhooks.into_iter().map(|(webhook, newest)| document(webhook, newest)).collect(),
    }))
}

/// Makes a webhook: an address that is told of events by `POST`, signed as Standard Webhooks says
/// (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Owners and admins may.
///
/// The secret is shown once. A call counts as taken with a status from 200 to 299; redirects are not followed. What is not
/// taken is tried again for more than a day, at growing intervals; the header `webhook-id` stays the same. At most 1,000 calls
/// of an organisation wait, for the first time or again: what comes beyond is listed as `dead` without an attempt, and is not
/// called. The address must be `https` on the public internet, unless the operator permits others.
#[utoipa::path(
    post,
    path = "/webhook",
    tag = "webhook",
    request_body = api::CreateWebhook,
    security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The webhook; its secret is shown once", body = api::CreatedWebhook),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateWebhook>>,
) -> Result<Answer<api::CreatedWebhook>, Problem> {
    let outcome = state.app.create_webhook(&principal, request(&state, body)?, key).await?;
    let location = format!("/api/cloud/webhook/{}", outcome.value.webhook.id);
    Ok(Answer::created(location, outcome.map(created)))
}

/// Deletes a webhook with all that it was told. Owners and admins may.
#[utoipa::path(
    delete,
    path = "/webhook/{id}",
    tag = "webhook",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`whk_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Deleted"), Problems, Refusals)
)]
pub(in crate::http) async fn delete(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Webhook>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.delete_webhook(&principal, id, key).await?))
}

/// What a webhook was told, newest first, for thirty days. Owners and admins may look.
#[utoipa::path(
    get,
    path = "/webhook/{id}/delivery",
    tag = "webhook",
    security(("session" = [])),
    params(("id" = String, Path, description = "`whk_…`"), PageQuery),
    responses((status = 200, description = "A page", body = api::WebhookDeliveryList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn deliveries(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Webhook>,
    Query(query): Query<PageQuery>,
) -> Result<Json<api::WebhookDeliveryList>, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let before = page_start(&mut validator, query.cursor.as_deref());
    validator.finish()?;
    let page = state.app.deliveries(&principal, id, before, limit).await?;
    Ok(Json(api::WebhookDeliveryList {
        data: page.deliveries.into_iter().map(told).collect(),
        next_cursor: page.next.map(subgrant_domain::Id::suffix),
    }))
}

/// Tells a webhook `webhook.test`, to see whether it listens. Owners and admins may, 30 times a minute for all webhooks of the
/// organisation together.
#[utoipa::path(
    post,
    path = "/webhook/{id}/test",
    tag = "webhook",
    request_body = api::TestWebhook,
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`whk_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses(
        (status = 202, description = "It is on its way", body = api::WebhookDelivery),
        (status = 429, description = "The organisation tries its webhooks too often (`rate_limited`), or too many calls wait (`backlog_full`): see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn test(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Webhook>,
    Keyed(key, _): Keyed<JsonBody<api::TestWebhook>>,
) -> Result<Answer<api::WebhookDelivery>, Problem> {
    let outcome = state.app.test_webhook(&principal, id, key).await?;
    Ok(Answer { status: StatusCode::ACCEPTED, location: None, etag: None, outcome: outcome.map(told) })
}

fn request(state: &HttpState, body: api::CreateWebhook) -> Result<NewWebhook, Problem> {
    let mut validator = Validator::default();
    let url = state.options.webhook_targets.check(&body.url);
    let code = match url {
        Err(AddressError::NotPublic) => "address_not_allowed",
        _ => "invalid_url",
    };
    let url = validator.check("/url", code, url);
    let description = body.description.and_then(|text| validator.text("/description", &text));
    let events = match body.events {
        None => WEBHOOK_EVENTS.map(str::to_owned).to_vec(),
        Some(events) => {
            let mut names: Vec<String> = Vec::new();
            for api::WebhookEvent::AlertFired in events {
                if !names.contains(&"alert.fired".to_owned()) {
                    names.push("alert.fired".to_owned());
                }
            }
            names
        }
    };
    if events.is_empty() {
        validator.refuse("/events", "missing", "must name at least one event");
    }
    validator.finish()?;
    Ok(NewWebhook {
        url: noted(url)?.to_string(),
        events,
        description: description.map(|text| text.to_string()),
    })
}

fn created(created: CreatedWebhook) -> api::CreatedWebhook {
    api::CreatedWebhook { webhook: document(created.webhook, None), secret: created.secret.to_string() }
}

fn document(webhook: Webhook, newest: Option<(Timestamp, DeliveryStatus)>) -> api::Webhook {
    api::Webhook {
        id: webhook.id.to_string(),
        url: webhook.url,
        events: webhook.events,
        description: webhook.description,
        created_at: time(webhook.created_at),
        created_by: webhook.created_by.to_string(),
        last_delivery: newest.map(|(at, became)| api::LastDelivery { at: time(at), status: status(became) }),
    }
}

fn told(told: Told) -> api::WebhookDelivery {
    api::WebhookDelivery {
        id: told.id.to_string(),
        event: told.event,
        status: status(told.status),
        attempts: told.attempts.unsigned_abs(),
        created_at: time(told.created_at),
        last_attempt_at: told.last_attempt_at.map(time),
        next_attempt_at: told.next_attempt_at.map(time),
        response_status: told.response_status,
        error: told.error,
        payload: serde_json::from_str(&told.payload).unwrap_or(Value::Null),
    }
}

fn status(status: DeliveryStatus) -> api::DeliveryStatus {
    match status {
        DeliveryStatus::Pending => api::DeliveryStatus::Pending,
        DeliveryStatus::Delivered => api::DeliveryStatus::Delivered,
        DeliveryStatus::Dead => api::DeliveryStatus::Dead,
    }
}
