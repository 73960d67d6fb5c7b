//! Webhooks, and what they are told.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{EventId, UserId, WebhookId};

use crate::{LockedTx, Result, StoreError, TenantTx};

/// Somewhere to tell of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// Of what.
    pub events: Vec<String>,
    /// What people call it.
    pub description: Option<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// What became of something that a webhook is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It is to be sent, for the first time or again.
    Pending,
    /// It was taken.
    Delivered,
    /// It was not, and is given up.
    Dead,
}

impl DeliveryStatus {
    const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn read(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or_else(|| StoreError::Malformed(format!("the status {word}")))
    }
}

/// Something that a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, the same for each attempt.
    pub id: EventId,
    /// Which webhook.
    pub webhook: WebhookId,
    /// What has happened.
    pub event: String,
    /// The body, byte for byte as it is sent.
    pub payload: String,
    /// When it has happened.
    pub created_at: Timestamp,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was attempted.
    pub attempts: i32,
    /// When the last time.
    pub last_attempt_at: Option<Timestamp>,
    /// When the next time.
    pub next_attempt_at: Option<Timestamp>,
    /// What the last answer's status was.
    pub response_status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Makes a webhook.
pub async fn insert(tx: &mut LockedTx, webhook: &Webhook) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO webhooks (tenant_id, id, url, events, description, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant,
        webhook.id.as_uuid(),
        webhook.url,
        &webhook.events,
        webhook.description,
        webhook.created_by.as_uuid(),
        webhook.created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes a webhook with all it was told; says whether there was one.
pub async fn delete(tx: &mut LockedTx, id: WebhookId) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let deleted = sqlx::query!("DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2", tenant, id.as_uuid());
    Ok(deleted.execute(tx.connection()).await?.rows_affected() > 0)
}

/// The tenant's webhooks, oldest first. They are few.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<Webhook>> {
    let rows = sqlx::query!(
        r#"SELECT id, url, events, description, created_by, created_at AS "created_at: jiff_sqlx::Timestamp"
           FROM webhooks WHERE tenant_id = $1 ORDER BY id"#,
        tx.tenant().as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    let webhook = |id, url, events, description, created_by, created_at: jiff_sqlx::Timestamp| Webhook {
        id: WebhookId::from_uuid(id),
        url,
        events,
        description,
        created_by: UserId::from_uuid(created_by),
        created_at: created_at.to_jiff(),
    };
    Ok(rows
        .into_iter()
        .map(|row| webhook(row.id, row.url, row.events, row.description, row.created_by, row.created_at))
        .collect())
}

/// When each webhook was last told something, and what became of it; those that were told nothing are left out.
pub async fn newest(tx: &mut TenantTx) -> Result<HashMap<WebhookId, (Timestamp, DeliveryStatus)>> {
    let rows = sqlx::query!(
        r#"SELECT w.id, d.created_at AS "created_at: jiff_sqlx::Timestamp", d.status FROM webhooks w
           CROSS JOIN LATERAL (
               SELECT created_at, status FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = w.id
               ORDER BY id DESC LIMIT 1
           ) d WHERE w.tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    let newest = rows.into_iter().map(|row| {
        let status = DeliveryStatus::read(&row.status)?;
        Ok((WebhookId::from_uuid(row.id), (row.created_at.to_jiff(), status)))
    });
    newest.collect()
}

/// Notes what a webhook is to be told, or is not told for the reason given.
pub async fn insert_delivery(tx: &mut TenantTx, delivery: &Delivery) -> Result<()> {
    sqlx::query!(
        "INSERT INTO webhook_deliveries
             (tenant_id, id, webhook_id, event, payload, created_at, status, next_attempt_at, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.tenant().as_uuid(),
        delivery.id.as_uuid(),
        delivery.webhook.as_uuid(),
        delivery.event,
        delivery.payload,
        delivery.created_at.to_sqlx() as _,
        delivery.status.as_str(),
        delivery.next_attempt_at.map(ToSqlx::to_sqlx) as _,
        delivery.error
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

struct Row {
    id: uuid::Uuid,
    webhook_id: uuid::Uuid,
    event: String,
    payload: String,
    created_at: jiff_sqlx::Timestamp,
    status: String,
    attempts: i32,
    last_attempt_at: Option<jiff_sqlx::Timestamp>,
    next_attempt_at: Option<jiff_sqlx::Timestamp>,
    response_status: Option<i16>,
    error: Option<String>,
}

impl Row {
    fn into_delivery(self) -> Result<Delivery> {
        Ok(Delivery {
            id: EventId::from_uuid(self.id),
            webhook: WebhookId::from_uuid(self.webhook_id),
            event: self.event,
            payload: self.payload,
            created_at: self.created_at.to_jiff(),
            status: DeliveryStatus::read(&self.status)?,
            attempts: self.attempts,
            last_attempt_at: self.last_attempt_at.map(jiff_sqlx::Timestamp::to_jiff),
            next_attempt_at: self.next_attempt_at.map(jiff_sqlx::Timestamp::to_jiff),
            response_status: self.response_status.and_then(|status| u16::try_from(status).ok()),
            error: self.error,
        })
    }
}

/// Lists what a webhook is told, newest first, from the one before `before` on; at most `limit`.
pub async fn deliveries(
    tx: &mut TenantTx,
    webhook: WebhookId,
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, webhook_id, event, payload, created_at AS "created_at: _", status, attempts,
               last_attempt_at AS "last_attempt_at: _", next_attempt_at AS "next_attempt_at: _", response_status, error
           FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND ($3::uuid IS NULL OR id < $3)
           ORDER BY id DESC LIMIT $4"#,
        tx.tenant().as_uuid(),
        webhook.as_uuid(),
        before.map(subgrant_domain::Id::as_uuid),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_delivery).collect()
}

/// What is to be sent, with where to; `None` once its webhook was deleted.
pub async fn delivery(tx: &mut TenantTx, id: EventId) -> Result<Option<(String, Delivery)>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, webhook_id, event, payload, created_at AS "created_at: _", status, attempts,
               last_attempt_at AS "last_attempt_at: _", next_attempt_at AS "next_attempt_at: _", response_status, error
           FROM webhook_deliveries WHERE tenant_id = $1 AND id = $2"#,
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(delivery) = row.map(Row::into_delivery).transpose()? else { return Ok(None) };
    let url = sqlx::query_scalar!(
        "SELECT url FROM webhooks WHERE tenant_id = $1 AND id = $2",
        tx.tenant().as_uuid(),
        delivery.webhook.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(url.map(|url| (url, delivery)))
}

/// Notes what an attempt came to.
pub async fn note_attempt(tx: &mut TenantTx, delivery: &Delivery) -> Result<()> {
    sqlx::query!(
        "UPDATE webhook_deliveries SET status = $3, attempts = $4, last_attempt_at = $5, next_attempt_at = $6,
             response_status = $7, error = $8
         WHERE tenant_id = $1 AND id = $2",
        tx.tenant().as_uuid(),
        delivery.id.as_uuid(),
        delivery.status.as_str(),
        delivery.attempts,
        delivery.last_attempt_at.map(ToSqlx::to_sqlx) as _,
        delivery.next_attempt_at.map(ToSqlx::to_sqlx) as _,
        delivery.response_status.map(u16::cast_signed),
        delivery.error
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets what a tenant's webhooks were told more than a month ago; returns how many.
pub async fn forget_old(database: &crate::Database, tenant: subgrant_domain::TenantId) -> Result<u64> {
    let mut tx = database.begin(tenant).await?;
    let forgotten = sqlx::query!(
        "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND created_at < clock_timestamp() - interval '30 days'",
        tenant.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
