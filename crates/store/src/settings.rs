//! What a tenant's people can set.

use jiff::tz::TimeZone;
use subgrant_domain::{AttributeText, CreditPrice, Currency};

use crate::{LockedTx, Result, StoreError, TenantTx, delegations::row::text, error::read};

/// What a tenant's people can set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The organisation's name.
    pub organization: AttributeText,
    /// In which days, weeks and months begin.
    pub time_zone: TimeZone,
    /// In which credits are priced.
    pub currency: Currency,
    /// What one credit costs.
    pub credit_price: CreditPrice,
}

/// The settings of the transaction's tenant.
pub async fn current(tx: &mut TenantTx) -> Result<Settings> {
    let row = sqlx::query!(
        r#"SELECT name, time_zone, currency, credit_price::text AS "credit_price!" FROM tenants WHERE tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    let unknown = || StoreError::Malformed(format!("the currency {}", row.currency));
    Ok(Settings {
        organization: text(row.name)?,
        time_zone: read(TimeZone::get(&row.time_zone))?,
        currency: Currency::from_code(&row.currency).ok_or_else(unknown)?,
        credit_price: read(row.credit_price.parse())?,
    })
}

/// Replaces the settings. Changes nothing about counters: see [`forget_counters`].
pub async fn set(tx: &mut LockedTx, settings: &Settings) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "UPDATE tenants SET name = $2, time_zone = $3, currency = $4, credit_price = $5::text::numeric WHERE tenant_id = $1",
        tenant,
        settings.organization.as_str(),
        settings.time_zone.iana_name().unwrap_or("UTC"),
        settings.currency.code(),
        settings.credit_price.to_string()
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets what was counted against window limits, for it was counted by another calendar: a counter that stayed would miss
/// what is spent until its calendar comes back. It is summed up again when it is needed. Counters of windows that are over
/// are never looked at again, whatever the calendar.
pub async fn forget_counters(tx: &mut LockedTx) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "UPDATE balances SET hour_start = NULL, hour_spent = NULL, day_start = NULL, day_spent = NULL,
             week_start = NULL, week_spent = NULL, month_start = NULL, month_spent = NULL
         FROM ledger_heads h
         WHERE balances.tenant_id = $1 AND h.tenant_id = $1
             AND greatest(hour_start, day_start, week_start, month_start)
                 > greatest(h.newest_at, clock_timestamp()) - interval '33 days'",
        tenant
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
