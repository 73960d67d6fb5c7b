//! Alerts, and when they were fired.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AlertId, Credits, DelegationId, Period, TenantId, UserId};
use uuid::Uuid;

use crate::{
    Database, LockedTx, Result, StoreError, TenantTx,
    delegations::row::{amount, credits},
    error::read,
};

/// What an alert watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many percent of the budget.
    Budget(u8),
    /// So many percent of the window limit of this period.
    Limit(Period, u8),
    /// So many credits, within a window or ever.
    Spend(Option<Period>, Credits),
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Whose spending it watches.
    pub delegation: DelegationId,
    /// When it is fired.
    pub threshold: Threshold,
    /// Who is mailed.
    pub recipients: Vec<UserId>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// An alert was fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What had been consumed.
    pub current: u128,
    /// Of so much.
    pub of: Credits,
    /// Since then; `None`: ever.
    pub window_start: Option<Timestamp>,
}

struct Row {
    id: Uuid,
    delegation_id: Uuid,
    kind: String,
    percent: Option<i16>,
    credits: Option<i64>,
    period: Option<String>,
    recipients: Vec<Uuid>,
    created_by: Uuid,
    created_at: jiff_sqlx::Timestamp,
}

impl Row {
    fn into_alert(self) -> Result<Alert> {
        let malformed = || StoreError::Malformed(format!("the alert {}", self.id));
        let period = self.period.as_deref().map(|period| read(period.parse())).transpose()?;
        let percent = self.percent.and_then(|percent| u8::try_from(percent).ok());
        let threshold = match (self.kind.as_str(), percent, period, self.credits) {
            ("budget", Some(percent), None, None) => Threshold::Budget(percent),
            ("limit", Some(percent), Some(period), None) => Threshold::Limit(period, percent),
            ("spend", None, period, Some(amount)) => Threshold::Spend(period, credits(amount)?),
            _ => return Err(malformed()),
        };
        Ok(Alert {
            id: AlertId::from_uuid(self.id),
            delegation: DelegationId::from_uuid(self.delegation_id),
            threshold,
            recipients: self.recipients.into_iter().map(UserId::from_uuid).collect(),
            created_by: UserId::from_uuid(self.created_by),
            created_at: self.created_at.to_jiff(),
        })
    }
}

struct FiringRow {
    alert_id: Uuid,
    id: Uuid,
    at: jiff_sqlx::Timestamp,
    current: String,
    of_credits: i64,
    window_start: Option<jiff_sqlx::Timestamp>,
}

impl FiringRow {
    fn into_firing(self) -> Result<(AlertId, Firing)> {
        let firing = Firing {
            id: self.id,
            at: self.at.to_jiff(),
            current: read(self.current.parse())?,
            of: credits(self.of_credits)?,
            window_start: self.window_start.map(jiff_sqlx::Timestamp::to_jiff),
        };
        Ok((AlertId::from_uuid(self.alert_id), firing))
    }
}

/// Makes an alert; the tenant is looked at from now on.
pub async fn insert(tx: &mut LockedTx, alert: &Alert) -> Result<()> {
    let (kind, percent, period, credits) = match alert.threshold {
        Threshold::Budget(percent) => ("budget", Some(percent), None, None),
        Threshold::Limit(period, percent) => ("limit", Some(percent), Some(period), None),
        Threshold::Spend(period, credits) => ("spend", None, period, Some(credits)),
    };
    let tenant = tx.tenant_uuid();
    let recipients: Vec<_> = alert.recipients.iter().map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "INSERT INTO alerts (tenant_id, id, delegation_id, kind, percent, credits, period, recipients, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        tenant,
        alert.id.as_uuid(),
        alert.delegation.as_uuid(),
        kind,
        percent.map(i16::from),
        credits.map(amount),
        period.map(Period::as_str),
        &recipients,
        alert.created_by.as_uuid(),
        alert.created_at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!("INSERT INTO alert_directory (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING", tenant)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Deletes an alert; says whether there was one. Without any, the tenant is not looked at any more.
pub async fn delete(tx: &mut LockedTx, id: AlertId) -> Result<bool> {
    let tenant = tx.tenant_uuid();
    let deleted = sqlx::query!("DELETE FROM alerts WHERE tenant_id = $1 AND id = $2", tenant, id.as_uuid())
        .execute(tx.connection())
        .await?
        .rows_affected();
    sqlx::query!(
        "DELETE FROM alert_directory WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM alerts WHERE tenant_id = $1)",
        tenant
    )
    .execute(tx.connection())
    .await?;
    Ok(deleted > 0)
}

/// How many alerts the tenant has.
pub async fn count(tx: &mut TenantTx) -> Result<i64> {
    let tenant = tx.tenant().as_uuid();
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM alerts WHERE tenant_id = $1"#, tenant);
    Ok(count.fetch_one(tx.connection()).await?)
}

/// Lists alerts, oldest first, from the one after `after` on; at most `limit`.
pub async fn list(tx: &mut TenantTx, after: Option<AlertId>, limit: i64) -> Result<Vec<Alert>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, delegation_id, kind, percent, credits, period, recipients, created_by,
               created_at AS "created_at: _"
           FROM alerts WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"#,
        tx.tenant().as_uuid(),
        after.map(subgrant_domain::Id::as_uuid),
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_alert).collect()
}

/// The last firing of each of these alerts that was ever fired.
pub async fn last_firings(tx: &mut TenantTx, alerts: &[AlertId]) -> Result<Vec<(AlertId, Firing)>> {
    let ids: Vec<_> = alerts.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        FiringRow,
        r#"SELECT f.alert_id, f.id, f.at AS "at: _", f.current::text AS "current!", f.of_credits,
               f.window_start AS "window_start: _"
           FROM unnest($2::uuid[]) AS a (id) CROSS JOIN LATERAL (
               SELECT * FROM alert_firings WHERE tenant_id = $1 AND alert_id = a.id ORDER BY at DESC LIMIT 1
           ) f"#,
        tx.tenant().as_uuid(),
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(FiringRow::into_firing).collect()
}

/// Whether an alert was fired for an occasion.
pub async fn was_fired(tx: &mut TenantTx, alert: AlertId, occasion: &str) -> Result<bool> {
    let fired = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM alert_firings WHERE tenant_id = $1 AND alert_id = $2 AND occasion = $3) AS "fired!""#,
        tx.tenant().as_uuid(),
        alert.as_uuid(),
        occasion
    );
    Ok(fired.fetch_one(tx.connection()).await?)
}

/// Notes that an alert is fired; says whether it was not yet, for this occasion, and still exists.
pub async fn fire(tx: &mut TenantTx, alert: AlertId, occasion: &str, firing: &Firing) -> Result<bool> {
    let fired = sqlx::query!(
        "INSERT INTO alert_firings (tenant_id, alert_id, occasion, id, at, current, of_credits, window_start)
         SELECT tenant_id, id, $3, $4, $5, $6::text::numeric, $7, $8 FROM alerts WHERE tenant_id = $1 AND id = $2
         ON CONFLICT (tenant_id, alert_id, occasion) DO NOTHING",
        tx.tenant().as_uuid(),
        alert.as_uuid(),
        occasion,
        firing.id,
        firing.at.to_sqlx() as _,
        firing.current.to_string(),
        amount(firing.of),
        firing.window_start.map(ToSqlx::to_sqlx) as _
    )
    .execute(tx.connection())
    .await?;
    Ok(fired.rows_affected() > 0)
}

/// A firing with its alert, unless the alert was deleted.
pub async fn firing(tx: &mut TenantTx, id: Uuid) -> Result<Option<(Alert, Firing)>> {
    let row = sqlx::query_as!(
        FiringRow,
        r#"SELECT alert_id, id, at AS "at: _", current::text AS "current!", of_credits, window_start AS "window_start: _"
           FROM alert_firings WHERE tenant_id = $1 AND id = $2"#,
        tx.tenant().as_uuid(),
        id
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some((alert, firing)) = row.map(FiringRow::into_firing).transpose()? else { return Ok(None) };
    Ok(by_id(tx, alert).await?.map(|alert| (alert, firing)))
}

/// An alert by its id.
pub async fn by_id(tx: &mut TenantTx, id: AlertId) -> Result<Option<Alert>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, delegation_id, kind, percent, credits, period, recipients, created_by,
               created_at AS "created_at: _"
           FROM alerts WHERE tenant_id = $1 AND id = $2"#,
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::into_alert).transpose()
}

/// Tenants that it is time to look at, at most `limit`. Nobody else looks at them before `interval` is over. They are chosen
/// once, as in [`crate::outbox::claim`].
pub async fn claim_tenants(database: &Database, limit: i64, interval: Duration) -> Result<Vec<TenantId>> {
    let ids = sqlx::query_scalar!(
        "WITH due AS MATERIALIZED (
             SELECT tenant_id FROM alert_directory WHERE next_check_at <= now()
             ORDER BY next_check_at LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE alert_directory a SET next_check_at = clock_timestamp() + make_interval(secs => $2)
         FROM due WHERE a.tenant_id = due.tenant_id RETURNING a.tenant_id",
        limit,
        interval.as_secs_f64()
    )
    .fetch_all(database.directory())
    .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}
