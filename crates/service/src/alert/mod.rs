//! Alerts: somebody is told when a threshold is reached, once per threshold and window.

mod measure;
mod watch;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subgrant_domain::{AlertId, AttributeText, Credits, DelegationId, UserId};
use subgrant_store::{
    StoreError,
    alerts::{self, Alert, Firing, Threshold},
    audit, people,
};

use crate::{
    AccessError, App, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError, app::fresh_id,
    delegation::visible_path, idempotency, locked::ReadTenant, people::acting,
};
use measure::{Measured, measure};

/// The most alerts of a tenant: all of them are looked at every few seconds.
const MOST: i64 = 200;

/// Which alert to make.
#[derive(Debug, Clone)]
pub struct NewAlert {
    /// Whose spending it watches; absent: the root's, which is everybody's.
    pub delegation: Option<DelegationId>,
    /// When it is fired.
    pub threshold: Threshold,
    /// Who is mailed; nobody: whoever makes it.
    pub recipients: Vec<UserId>,
}

/// An alert with how far it is.
#[derive(Debug)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// The delegation's label.
    pub label: AttributeText,
    /// How far it is; `None` where what it watches is gone.
    pub measured: Option<(u128, Credits, Option<jiff::Timestamp>)>,
    /// When it was fired for the last time.
    pub last: Option<Firing>,
}

/// A page of alerts.
#[derive(Debug)]
pub struct AlertPage {
    /// Oldest first.
    pub alerts: Vec<AlertView>,
    /// Where the next page begins.
    pub next: Option<AlertId>,
}

/// Why nothing was done about alerts.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The caller may not.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The delegation is unlimited.
    #[error("the delegation has no budget")]
    NoBudget,
    /// The delegation has no window limit of that period.
    #[error("the delegation has no such limit")]
    NoSuchLimit,
    /// The recipient at this place is no member.
    #[error("a recipient is no member")]
    UnknownRecipient(usize),
    /// The tenant has as many as it may have.
    #[error("there are {MOST} alerts already")]
    TooMany,
}

impl From<AccessError> for AlertError {
    fn from(error: AccessError) -> Self {
        Self::People(error.into())
    }
}

impl From<ServiceError> for AlertError {
    fn from(error: ServiceError) -> Self {
        Self::People(error.into())
    }
}

impl From<StoreError> for AlertError {
    fn from(error: StoreError) -> Self {
        Self::People(error.into())
    }
}

/// What is recorded to answer a repeated request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: AlertId,
}

impl App {
    /// Lists alerts, oldest first. Every member may see them.
    pub async fn alerts(
        &self,
        principal: &Principal,
        after: Option<AlertId>,
        limit: u8,
    ) -> Result<AlertPage, AlertError> {
        let mut read = self.read(principal).await?;
        acting(principal)?;
        let mut found = alerts::list(&mut read.tx, after, i64::from(limit) + 1).await?;
        let has_more = found.len() > usize::from(limit);
        found.truncate(usize::from(limit));
        let next = found.last().map(|alert| alert.id).filter(|_| has_more);
        Ok(AlertPage { alerts: views(&mut read, found).await?, next })
    }

    /// Makes an alert.
    pub async fn create_alert(
        &self,
        principal: &Principal,
        new: NewAlert,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<AlertView>, AlertError> {
        let user = may_manage(principal)?;
        let mut read = self.read(principal).await?;
        let path = visible_path(&mut read, principal, new.delegation).await?;
        drop(read);
        let recipients = if new.recipients.is_empty() { vec![user] } else { new.recipients };
        let (mut locked, key) = self.lock_people(principal, "POST /alert", key).await?;
        if let Some(key) = &key
            && let Some(Answer { id }) = key.find(&mut locked).await?
        {
            drop(locked);
            return Ok(Outcome::replayed(self.alert(principal, id).await?));
        }
        if alerts::count(locked.tx.tx()).await? >= MOST {
            return Err(AlertError::TooMany);
        }
        let created_at = locked.head.now;
        let alert = Alert {
            id: fresh_id(),
            delegation: path.id(),
            threshold: new.threshold,
            recipients,
            created_by: user,
            created_at,
        };
        locked.load_nodes(&[&path]).await?;
        let node = locked.tree.node(path.id()).ok_or(AccessError::NotFound)?;
        check(alert.threshold, node)?;
        for (place, recipient) in alert.recipients.iter().enumerate() {
            if people::by_id(locked.tx.tx(), *recipient).await?.is_none() {
                return Err(AlertError::UnknownRecipient(place));
            }
        }
        alerts::insert(&mut locked.tx, &alert).await?;
        let details = json!({ "before": null, "after": facts(&alert) });
        let entry = principal.audit_entry("alert.create", alert.id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 201, &Answer { id: alert.id }).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(self.alert(principal, alert.id).await?))
    }

    /// Deletes an alert with what is known of its past.
    pub async fn delete_alert(
        &self,
        principal: &Principal,
        id: AlertId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, AlertError> {
        self.check_standing(principal).await?;
        may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "DELETE /alert/{id}", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let alert = alerts::by_id(locked.tx.tx(), id).await?.ok_or(AccessError::NotFound)?;
        alerts::delete(&mut locked.tx, id).await?;
        let details = json!({ "before": facts(&alert), "after": null });
        let entry = principal.audit_entry("alert.delete", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    async fn alert(&self, principal: &Principal, id: AlertId) -> Result<AlertView, AlertError> {
        let mut read = self.read(principal).await?;
        let alert = alerts::by_id(&mut read.tx, id).await?.ok_or(AccessError::NotFound)?;
        let view = views(&mut read, vec![alert]).await?.pop();
        Ok(view.ok_or(AccessError::NotFound)?)
    }
}

async fn views(read: &mut ReadTenant, alerts: Vec<Alert>) -> Result<Vec<AlertView>, ServiceError> {
    let ids: Vec<_> = alerts.iter().map(|alert| alert.id).collect();
    let mut last: HashMap<_, _> = alerts::last_firings(&mut read.tx, &ids).await?.into_iter().collect();
    let mut views = Vec::new();
    for alert in alerts {
        let Measured { label, figures, .. } = measure(read, &alert).await?;
        let measured = figures.map(|figures| (figures.current, figures.of, figures.window_start));
        views.push(AlertView { label, measured, last: last.remove(&alert.id), alert });
    }
    Ok(views)
}

/// Refuses a threshold of something that the delegation does not have.
fn check(threshold: Threshold, node: &subgrant_domain::Node) -> Result<(), AlertError> {
    match threshold {
        Threshold::Budget(_) if node.budget.is_none() => Err(AlertError::NoBudget),
        Threshold::Limit(period, _) if !node.terms.limits.iter().any(|limit| limit.period == period) => {
            Err(AlertError::NoSuchLimit)
        }
        _ => Ok(()),
    }
}

fn may_manage(principal: &Principal) -> Result<UserId, PeopleError> {
    let (user, role, _) = acting(principal)?;
    if role.may_manage_alerts() { Ok(user) } else { Err(PeopleError::RoleTooLow) }
}

/// For the audit log.
fn facts(alert: &Alert) -> Value {
    let mut facts = terms(alert.threshold);
    facts["delegation_id"] = json!(alert.delegation);
    facts["recipients"] = json!(alert.recipients);
    facts
}

/// A threshold as JSON tells it.
fn terms(threshold: Threshold) -> Value {
    match threshold {
        Threshold::Budget(percent) => {
            json!({ "kind": "budget", "percent": percent, "credits": null, "per": null })
        }
        Threshold::Limit(period, percent) => {
            json!({ "kind": "limit", "percent": percent, "credits": null, "per": period.as_str() })
        }
        Threshold::Spend(period, credits) => {
            let per = period.map(subgrant_domain::Period::as_str);
            json!({ "kind": "spend", "percent": null, "credits": credits, "per": per })
        }
    }
}
