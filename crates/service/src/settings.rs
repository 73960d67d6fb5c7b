//! What a tenant's people can set: its name, calendar, currency and price of a credit.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use subgrant_domain::{Action, AttributeText, CreditPrice, Currency, DelegationId, TenantId};
use subgrant_store::{
    audit,
    settings::{self, Settings},
    tenants,
};

use crate::{
    AccessError, App, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError, idempotency,
    locked::Loaded, people::acting,
};

/// A tenant as its people see it.
#[derive(Debug, Clone)]
pub struct TenantView {
    /// The tenant.
    pub id: TenantId,
    /// The root of its tree.
    pub root: DelegationId,
    /// When it was created.
    pub created_at: Timestamp,
    /// What can be set.
    pub settings: Settings,
}

/// What to set; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// The organisation's name.
    pub organization: Option<AttributeText>,
    /// A zone of the time zone database.
    pub time_zone: Option<TimeZone>,
    /// In which credits are priced.
    pub currency: Option<Currency>,
    /// What one credit costs.
    pub credit_price: Option<CreditPrice>,
}

impl App {
    /// The caller's tenant. For people and the root.
    pub async fn tenant(&self, principal: &Principal) -> Result<TenantView, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require_for_tenant(Action::Read)?;
        Ok(view(&mut read).await?)
    }

    /// Changes the settings. Another time zone begins to count at once: what was spent so far in the new calendar's
    /// current windows counts against their limits.
    pub async fn change_settings(
        &self,
        principal: &Principal,
        change: SettingsChange,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<TenantView>, PeopleError> {
        self.check_standing(principal).await?;
        let (_, role, _) = acting(principal)?;
        if !role.may_change_settings() {
            return Err(PeopleError::RoleTooLow);
        }
        let (mut locked, key) = self.lock_people(principal, "PATCH /tenant", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(view(&mut locked).await?));
        }
        let before = settings::current(locked.tx.tx()).await?;
        let after = Settings {
            organization: change.organization.unwrap_or_else(|| before.organization.clone()),
            time_zone: change.time_zone.unwrap_or_else(|| before.time_zone.clone()),
            currency: change.currency.unwrap_or(before.currency),
            credit_price: change.credit_price.unwrap_or(before.credit_price),
        };
        settings::set(&mut locked.tx, &after).await?;
        if after.time_zone != before.time_zone {
            settings::forget_counters(&mut locked.tx).await?;
        }
        let details = json!({ "before": facts(&before), "after": facts(&after) });
        let entry = principal.audit_entry("tenant.change", principal.tenant.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &()).await?;
        let changed = view(&mut locked).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(changed))
    }
}

async fn view(loaded: &mut impl Loaded) -> Result<TenantView, ServiceError> {
    let missing = || ServiceError::Inconsistent("a tenant is missing".to_owned());
    let tenant = tenants::current(loaded.tx()).await?.ok_or_else(missing)?;
    let settings = settings::current(loaded.tx()).await?;
    Ok(TenantView { id: tenant.id, root: tenant.root, created_at: tenant.created_at, settings })
}

/// For the audit log.
fn facts(settings: &Settings) -> Value {
    json!({
        "organization": settings.organization,
        "time_zone": settings.time_zone.iana_name(),
        "currency": settings.currency.code(),
        "credit_price": settings.credit_price.to_string(),
    })
}
