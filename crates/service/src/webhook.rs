//! Webhooks: addresses that are told of events, each call signed (Standard Webhooks, <https://www.standardwebhooks.com>).

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subgrant_domain::{EventId, TenantId, UserId, WebhookId};
use subgrant_store::{
    StoreError, TenantTx,
    attempts::{self, Bucket, Subject},
    audit, outbox,
    outbox::Item,
    webhooks::{self, Delivery, DeliveryStatus, Webhook},
};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError,
    app::fresh_id,
    idempotency::{self, bound::record_bound},
    locked::{Loaded, ReadTenant},
    outbox::next_wait,
    people::acting,
};

/// What a webhook can be told of.
pub const WEBHOOK_EVENTS: [&str; 1] = ["alert.fired"];

/// What a webhook is told when somebody tries it.
const TEST: &str = "webhook.test";

/// The most webhooks of a tenant.
const MOST: usize = 20;

/// How many calls of a tenant's webhooks may wait to be made, for the first time or again. What comes beyond is not called.
const MOST_WAITING: i64 = 1_000;

/// How often a tenant may try its webhooks, and within which time.
const MOST_TESTS: i32 = 30;
const TESTS_WINDOW: Duration = Duration::from_mins(1);

/// How long to wait before trying a webhook again while as many calls wait as may: receivers that fail are called at growing
/// intervals.
const WAIT_FOR_BACKLOG: Duration = Duration::from_mins(5);

/// What marks a secret's text.
const PREFIX: &str = "whsec_";

/// Which webhook to make. Validated by the caller: an address that may be called, known events.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Where to.
    pub url: String,
    /// Of what.
    pub events: Vec<String>,
    /// What people call it.
    pub description: Option<String>,
}

/// A webhook that was just made.
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What calls are signed with. Shown once, and again only to the same request.
    pub secret: Zeroizing<String>,
}

/// A call that is to be made.
#[derive(Debug)]
pub struct Call {
    /// Where to.
    pub url: String,
    /// The same for each attempt: header `webhook-id`.
    pub id: EventId,
    /// In seconds: header `webhook-timestamp`.
    pub timestamp: i64,
    /// Header `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: String,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// Why the call failed; `None`: it did not.
    pub error: Option<String>,
    /// Whether another attempt may succeed.
    pub is_final: bool,
}

/// A page of what a webhook was told.
#[derive(Debug)]
pub struct DeliveryPage {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// Where the next page begins.
    pub next: Option<EventId>,
}

/// Why nothing was done about webhooks.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The caller may not.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The tenant has as many as it may have.
    #[error("there are {MOST} webhooks already")]
    TooMany,
    /// The tenant tries its webhooks too often; how long to wait.
    #[error("webhooks are tried too often")]
    TooManyTests(Duration),
    /// As many calls wait as may; how long to wait before looking again.
    #[error("{MOST_WAITING} calls wait already")]
    BacklogFull(Duration),
}

impl From<AccessError> for WebhookError {
    fn from(error: AccessError) -> Self {
        Self::People(error.into())
    }
}

impl From<ServiceError> for WebhookError {
    fn from(error: ServiceError) -> Self {
        Self::People(error.into())
    }
}

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::People(error.into())
    }
}

/// What is recorded to answer a repeated request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: WebhookId,
}

impl App {
    /// The tenant's webhooks, each with when it was last told something and what became of it. An address can be a secret, so that only those
    /// who may change them see them.
    pub async fn webhooks(
        &self,
        principal: &Principal,
    ) -> Result<Vec<(Webhook, Option<(Timestamp, DeliveryStatus)>)>, WebhookError> {
        let mut read = self.read(principal).await?;
        may_manage(principal)?;
        let all = webhooks::all(&mut read.tx).await?;
        let mut newest = webhooks::newest(&mut read.tx).await?;
        let with_newest = |webhook: Webhook| {
            let newest = newest.remove(&webhook.id);
            (webhook, newest)
        };
        Ok(all.into_iter().map(with_newest).collect())
    }

    /// Makes a webhook.
    pub async fn create_webhook(
        &self,
        principal: &Principal,
        new: NewWebhook,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<CreatedWebhook>, WebhookError> {
        self.check_standing(principal).await?;
        let user = may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "POST /webhook", key).await?;
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound(principal, &mut locked).await?
        {
            let Answer { id } = repeated.secret()?;
            let all = webhooks::all(locked.tx.tx()).await?;
            let webhook = all.into_iter().find(|webhook| webhook.id == id).ok_or(AccessError::NotFound)?;
            let secret = self.webhook_secret_text(&mut locked, id).await?;
            return Ok(Outcome::replayed(CreatedWebhook { webhook, secret }));
        }
        if webhooks::all(locked.tx.tx()).await?.len() >= MOST {
            return Err(WebhookError::TooMany);
        }
        let NewWebhook { url, events, description } = new;
        let (id, created_at) = (fresh_id(), locked.head.now);
        let webhook = Webhook { id, url, events, description, created_by: user, created_at };
        webhooks::insert(&mut locked.tx, &webhook).await?;
        let details = json!({ "before": null, "after": facts(&webhook) });
        let entry = principal.audit_entry("webhook.create", webhook.id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        let secret = self.webhook_secret_text(&mut locked, webhook.id).await?;
        record_bound(&mut locked, key.as_ref(), principal, 201, &Answer { id: webhook.id }).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(CreatedWebhook { webhook, secret }))
    }

    /// Deletes a webhook with all that it was told.
    pub async fn delete_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, WebhookError> {
        self.check_standing(principal).await?;
        may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "DELETE /webhook/{id}", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        if !webhooks::delete(&mut locked.tx, id).await? {
            return Err(AccessError::NotFound.into());
        }
        let entry = principal.audit_entry("webhook.delete", id.to_string(), &json!({}));
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    /// What a webhook was told, newest first.
    pub async fn deliveries(
        &self,
        principal: &Principal,
        id: WebhookId,
        before: Option<EventId>,
        limit: u8,
    ) -> Result<DeliveryPage, WebhookError> {
        let mut read = self.read(principal).await?;
        may_manage(principal)?;
        exists(&mut read.tx, id).await?;
        let mut deliveries = webhooks::deliveries(&mut read.tx, id, before, i64::from(limit) + 1).await?;
        let has_more = deliveries.len() > usize::from(limit);
        deliveries.truncate(usize::from(limit));
        let next = deliveries.last().map(|delivery| delivery.id).filter(|_| has_more);
        Ok(DeliveryPage { deliveries, next })
    }

    /// Tells a webhook of nothing, to see whether it listens.
    pub async fn test_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Delivery>, WebhookError> {
        self.check_standing(principal).await?;
        may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "POST /webhook/{id}/test", key).await?;
        if let Some(key) = &key
            && let Some(event) = key.find::<EventId>(&mut locked).await?
        {
            let (_, delivery) =
                webhooks::delivery(locked.tx.tx(), event).await?.ok_or(AccessError::NotFound)?;
            return Ok(Outcome::replayed(delivery));
        }
        exists(locked.tx.tx(), id).await?;
        check_tests(locked.tx.tx()).await?;
        let now = locked.head.now;
        let delivery = tell(locked.tx.tx(), id, TEST, &json!({ "webhook_id": id }), now).await?;
        idempotency::record(&mut locked, key.as_ref(), 202, &delivery.id).await?;
        locked.commit(self).await?;
        self.wake_senders();
        Ok(Outcome::fresh(delivery))
    }

    /// The call that is to be made; `None` once its webhook was deleted, or it was made.
    pub(crate) async fn compose_call(&self, item: &Item) -> Result<Option<Call>, ServiceError> {
        let Some(tenant) = item.tenant else { return Ok(None) };
        let mut read = ReadTenant::open(&self.shared().database, tenant, &[]).await?;
        let found = webhooks::delivery(&mut read.tx, EventId::from_uuid(item.subject)).await?;
        let Some((url, delivery)) = found else { return Ok(None) };
        if delivery.status != DeliveryStatus::Pending {
            return Ok(None);
        }
        let secret = self.webhook_secret(&mut read, delivery.webhook).await?;
        let timestamp = Timestamp::now().as_second();
        let signature = sign(&*secret, delivery.id, timestamp, &delivery.payload);
        Ok(Some(Call { url, id: delivery.id, timestamp, signature, body: delivery.payload }))
    }

    /// Notes what a call came to. Says whether it will be made again.
    pub async fn note_call(&self, item: &Item, outcome: CallOutcome) -> Result<bool, ServiceError> {
        let Some(tenant) = item.tenant else { return self.finish(item).await.map(|()| false) };
        let is_over = outcome.error.is_none() || outcome.is_final;
        let wait = if is_over { None } else { next_wait(item) };
        let mut tx = self.shared().database.begin(tenant).await?;
        if let Some((_, delivery)) = webhooks::delivery(&mut tx, EventId::from_uuid(item.subject)).await? {
            let now = Timestamp::now();
            let status = match (&outcome.error, wait) {
                (None, _) => DeliveryStatus::Delivered,
                (Some(_), None) => DeliveryStatus::Dead,
                (Some(_), Some(_)) => DeliveryStatus::Pending,
            };
            let wait = wait.map(|wait| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX));
            let noted = Delivery {
                status,
                attempts: item.attempts,
                last_attempt_at: Some(now),
                next_attempt_at: wait.and_then(|wait| now.checked_add(wait).ok()),
                response_status: outcome.status,
                error: outcome.error,
                ..delivery
            };
            webhooks::note_attempt(&mut tx, &noted).await?;
            tx.commit().await?;
        }
        match wait {
            None => self.finish(item).await.map(|()| false),
            Some(wait) => self.put_off(item, wait).await.map(|()| true),
        }
    }

    /// Derived from the webhook's id, so that it can be shown again without being stored.
    async fn webhook_secret(
        &self,
        loaded: &mut impl Loaded,
        id: WebhookId,
    ) -> Result<Zeroizing<[u8; 32]>, ServiceError> {
        Ok(Zeroizing::new(self.people_secret(loaded, "webhook", id.as_uuid().as_bytes()).await?))
    }

    async fn webhook_secret_text(
        &self,
        loaded: &mut impl Loaded,
        id: WebhookId,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let secret = self.webhook_secret(loaded, id).await?;
        Ok(Zeroizing::new(format!("{PREFIX}{}", BASE64_STANDARD.encode(*secret))))
    }
}

/// Counts a test, and refuses it where there were too many lately, or too many calls wait.
async fn check_tests(tx: &mut TenantTx) -> Result<(), WebhookError> {
    let tests = Bucket { size: MOST_TESTS, drains_in: TESTS_WINDOW };
    if let Some(wait) = attempts::count_in(tx, &tests_of(tx.tenant()), tests).await? {
        return Err(WebhookError::TooManyTests(wait));
    }
    if outbox::has_calls_waiting(tx, MOST_WAITING).await? {
        return Err(WebhookError::BacklogFull(WAIT_FOR_BACKLOG));
    }
    Ok(())
}

/// What tests are counted by, over all servers.
fn tests_of(tenant: TenantId) -> Subject {
    Sha256::new().chain_update("webhook test\0").chain_update(tenant.as_uuid()).finalize().into()
}

/// Writes down that a webhook is to be told of something, which whoever sends does once the transaction has committed. Where
/// too many calls wait already, it is written down as not to be made, so that whoever owns the webhook finds it in the list.
pub(crate) async fn tell(
    tx: &mut TenantTx,
    webhook: WebhookId,
    event: &str,
    data: &Value,
    at: Timestamp,
) -> Result<Delivery, StoreError> {
    let payload = json!({ "type": event, "timestamp": at, "data": data }).to_string();
    let is_full = outbox::has_calls_waiting(tx, MOST_WAITING).await?;
    let delivery = Delivery {
        id: fresh_id(),
        webhook,
        event: event.to_owned(),
        payload,
        created_at: at,
        status: if is_full { DeliveryStatus::Dead } else { DeliveryStatus::Pending },
        attempts: 0,
        last_attempt_at: None,
        next_attempt_at: (!is_full).then_some(at),
        response_status: None,
        error: is_full
            .then(|| format!("not called, because {MOST_WAITING} calls of the tenant's webhooks wait")),
    };
    webhooks::insert_delivery(tx, &delivery).await?;
    if !is_full {
        outbox::insert(tx, outbox::Kind::Webhook, delivery.id.as_uuid(), None).await?;
    }
    Ok(delivery)
}

/// `v1,` and HMAC-SHA-256 of id, timestamp and body, separated by dots, in base64.
fn sign(secret: &[u8], id: EventId, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

async fn exists(tx: &mut TenantTx, id: WebhookId) -> Result<(), WebhookError> {
    let is_there = webhooks::all(tx).await?.iter().any(|webhook| webhook.id == id);
    if is_there { Ok(()) } else { Err(AccessError::NotFound.into()) }
}

fn may_manage(principal: &Principal) -> Result<UserId, PeopleError> {
    let (user, role, _) = acting(principal)?;
    if role.may_change_settings() { Ok(user) } else { Err(PeopleError::RoleTooLow) }
}

/// For the audit log. The path of an address may be a secret.
fn facts(webhook: &Webhook) -> Value {
    let host = webhook.url.split('/').take(3).collect::<Vec<_>>().join("/");
    json!({ "url": host, "events": webhook.events })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries, with an id of ours in its place: computed with `openssl`.
    #[test]
    fn a_signature_covers_id_timestamp_and_body() {
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id: EventId = "evt_01kaq2v0j8e4kbhgdw2n4cmxf1".parse().unwrap();
        let signature = sign(&secret, id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,klNLIeVA8ITumohYcHpwat7Y9sQNmLke64WmZQqeECs=");
    }
}
