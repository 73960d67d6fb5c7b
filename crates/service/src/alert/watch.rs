//! Fires alerts, and says what is told of them.

use std::time::Duration;

use serde_json::{Value, json};
use subgrant_domain::{AttributeText, NodePath, TenantId};
use subgrant_store::{
    accounts,
    alerts::{self, Alert, Firing, Threshold},
    delegations,
    outbox::{self, Item},
    people, tenants, webhooks,
};
use uuid::Uuid;

use super::{
    MOST,
    measure::{Figures, Measured, measure},
    terms,
};
use crate::{App, Mail, ServiceError, background::task, locked::ReadTenant, outbox::mail, webhook};

/// How often a tenant's alerts are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How many tenants are looked at by one process before it looks for others.
const TENANTS: i64 = 20;

/// The most mails a day to a member who has not confirmed the own address.
const UNPROVED: i32 = 3;

/// Something that is to be fired.
struct Due {
    alert: Alert,
    label: AttributeText,
    figures: Figures,
}

impl App {
    /// Looks at the alerts of all tenants whose turn it is. Returns how many tenants that were.
    pub async fn watch_alerts(&self) -> Result<usize, ServiceError> {
        let tenants = alerts::claim_tenants(&self.shared().database, TENANTS, INTERVAL).await?;
        for tenant in &tenants {
            // One tenant's trouble is not the others'.
            let (app, of) = (self.clone(), *tenant);
            let checked = self.isolate(task::ALERTS, async move { app.check_alerts(of).await }).await;
            if let Some(Err(error)) = checked {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, %tenant, "alerts were not looked at");
            }
        }
        Ok(tenants.len())
    }

    /// Fires those alerts of a tenant whose threshold is reached, each once per window. Returns how many.
    pub async fn check_alerts(&self, tenant: TenantId) -> Result<usize, ServiceError> {
        let due = self.due_alerts(tenant).await?;
        let mut fired = 0;
        for due in &due {
            fired += usize::from(self.fire(tenant, due).await?);
        }
        if fired > 0 {
            self.wake_senders();
        }
        Ok(fired)
    }

    async fn due_alerts(&self, tenant: TenantId) -> Result<Vec<Due>, ServiceError> {
        let database = &self.shared().database;
        let owner = tenants::current(&mut database.begin_read(tenant).await?).await?;
        let Some(owner) = owner else { return Ok(Vec::new()) };
        let mut read = ReadTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        let mut due = Vec::new();
        for alert in alerts::list(&mut read.tx, None, MOST).await? {
            let Measured { label, figures } = measure(&mut read, &alert).await?;
            let Some(figures) = figures.filter(Figures::is_reached) else { continue };
            if !alerts::was_fired(&mut read.tx, alert.id, &figures.occasion).await? {
                due.push(Due { alert, label, figures });
            }
        }
        Ok(due)
    }

    /// Notes the firing together with all that is to be sent because of it. The firing's key makes it the only one for its
    /// occasion, whoever else looks at the same time.
    async fn fire(&self, tenant: TenantId, due: &Due) -> Result<bool, ServiceError> {
        let mut tx = self.shared().database.begin(tenant).await?;
        let Figures { current, of, window_start, occasion, .. } = &due.figures;
        let at = jiff::Timestamp::now();
        let firing =
            Firing { id: Uuid::now_v7(), at, current: *current, of: *of, window_start: *window_start };
        if !alerts::fire(&mut tx, due.alert.id, occasion, &firing).await? {
            return Ok(false);
        }
        for recipient in &due.alert.recipients {
            if let Some(member) = people::by_id(&mut tx, *recipient).await? {
                outbox::insert(&mut tx, outbox::Kind::Alert, firing.id, Some(&member.email)).await?;
            }
        }
        let data = told(&due.alert, &due.label, &firing);
        for hook in webhooks::all(&mut tx).await? {
            if hook.events.iter().any(|event| event == "alert.fired") {
                webhook::tell(&mut tx, hook.id, "alert.fired", &data, at).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The mail that tells of a firing; `None` once the alert was deleted, or whoever it is for was removed.
    pub(crate) async fn compose_alert(&self, item: &Item) -> Result<Option<Mail>, ServiceError> {
        let (Some(tenant), Some(recipient)) = (item.tenant, &item.recipient) else { return Ok(None) };
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let Some((alert, firing)) = alerts::firing(&mut tx, item.subject).await? else { return Ok(None) };
        let is_member = people::is_member(&mut tx, recipient).await?;
        let found = delegations::by_ids(&mut tx, &[alert.delegation]).await?.pop();
        let Some(row) = found.filter(|_| is_member) else { return Ok(None) };
        // Anybody's address can be made a member's, and the label is whoever's text that was.
        let is_proved = accounts::is_proved_member(&mut tx, recipient).await?;
        drop(tx);
        if !is_proved && !self.may_mail("alert", recipient, UNPROVED).await? {
            return Ok(None);
        }
        let label = if is_proved { row.label.to_string() } else { mail::shown(row.label.as_str()) };
        let (current, of) = (firing.current, firing.of);
        let what = match alert.threshold {
            Threshold::Budget(percent) => {
                format!("{percent} % of the budget of {of} credits are spent or held")
            }
            Threshold::Limit(period, percent) => {
                format!("{percent} % of the limit of {of} credits per {period} are spent")
            }
            Threshold::Spend(Some(period), _) => format!("{of} credits are spent this {period}"),
            Threshold::Spend(None, _) => format!("{of} credits are spent"),
        };
        let page = self.page(&format!("delegations/{}", alert.delegation));
        Ok(Some(Mail {
            to: recipient.clone(),
            subject: format!("{}: {what}", if is_proved { label.as_str() } else { "Subgrant" }),
            body: format!(
                "{label} has reached an alert: {what}. At {} it was {current} credits.\n\n{page}\n",
                firing.at.strftime("%Y-%m-%d %H:%M UTC")
            ),
        }))
    }
}

/// What a webhook is told.
fn told(alert: &Alert, label: &AttributeText, firing: &Firing) -> Value {
    let mut told = terms(alert.threshold);
    let facts = json!({
        "alert_id": alert.id,
        "delegation_id": alert.delegation,
        "delegation_label": label,
        "current_credits": u64::try_from(firing.current).unwrap_or(u64::MAX),
        "of_credits": firing.of,
        "window_start": firing.window_start,
        "fired_at": firing.at,
    });
    if let (Value::Object(told), Value::Object(facts)) = (&mut told, facts) {
        told.extend(facts);
    }
    told
}
