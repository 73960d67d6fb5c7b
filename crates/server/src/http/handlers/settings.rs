//! What a tenant's people can set.

use axum::{Json, extract::State};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use subgrant_api as api;
use subgrant_domain::{CreditPrice, Currency};
use subgrant_service::{SettingsChange, TenantView};

use crate::http::{
    HttpState,
    body::JsonBody,
    convert::time,
    extract::Authenticated,
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::Problem,
    respond::Answer,
    validate::Validator,
};

/// The organisation and its settings. For its people and its root token.
#[utoipa::path(
    get,
    path = "/tenant",
    tag = "tenant",
    security(("token" = []), ("session" = [])),
    responses((status = 200, description = "The organisation", body = api::TenantSettings), Problems, Refusals)
)]
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
) -> Result<Json<api::TenantSettings>, Problem> {
    Ok(Json(document(state.app.tenant(&principal).await?)))
}

/// Changes the settings. Owners and admins may. Each field is set on its own, so that no condition is needed.
#[utoipa::path(
    patch,
    path = "/tenant",
    tag = "tenant",
    request_body = api::UpdateTenant,
    security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 200, description = "The organisation as it is now", body = api::TenantSettings),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn update(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::UpdateTenant>>,
) -> Result<Answer<api::TenantSettings>, Problem> {
    let outcome = state.app.change_settings(&principal, change(body)?, key).await?;
    Ok(Answer::ok(outcome.map(document)))
}

fn change(body: api::UpdateTenant) -> Result<SettingsChange, Problem> {
    if body == api::UpdateTenant::default() {
        let mut validator = Validator::default();
        validator.refuse("", "nothing_to_change", "name at least one setting to change");
        validator.finish()?;
    }
    let mut validator = Validator::default();
    let organization = body.organization.and_then(|name| validator.name("/organization", &name));
    let time_zone = body.time_zone.and_then(|name| {
        let zone =
            named_zone(&name).ok_or("must be a name of the IANA time zone database, such as Europe/Berlin");
        validator.check("/time_zone", "invalid_time_zone", zone)
    });
    let currency = body.currency.and_then(|code| {
        let currency = Currency::from_code(&code).ok_or("must be an ISO 4217 code, such as EUR");
        validator.check("/currency", "invalid_currency", currency)
    });
    let credit_price = body
        .credit_price
        .and_then(|price| validator.check("/credit_price", "invalid_price", price.parse::<CreditPrice>()));
    validator.finish()?;
    Ok(SettingsChange { organization, time_zone, currency, credit_price })
}

/// A zone by its name, whatever its case. One that the program itself knows, because a machine's own database holds names
/// that mean something else elsewhere, such as `localtime`; and one that the machine knows, because its rules are newer.
fn named_zone(name: &str) -> Option<TimeZone> {
    let known = TimeZoneDatabase::bundled().get(name).ok()?;
    TimeZone::get(known.iana_name()?).ok()
}

fn document(view: TenantView) -> api::TenantSettings {
    let TenantView { id, root, created_at, settings } = view;
    api::TenantSettings {
        tenant: api::Tenant {
            id: id.to_string(),
            organization: settings.organization.to_string(),
            root_delegation_id: root.to_string(),
            created_at: time(created_at),
        },
        time_zone: settings.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        currency: settings.currency.code().to_owned(),
        credit_price: settings.credit_price.to_string(),
    }
}
