//! What requests at a service cost.

use subgrant_domain::{Credits, ServiceId};

use crate::{LockedTx, Result, TenantTx, delegations::row};

/// The price of some routes of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedRoute {
    /// Paths, as in a caveat of the same name.
    pub route: String,
    /// Methods, likewise; `None`: all.
    pub method: Option<String>,
    /// What a request costs.
    pub price: Credits,
    /// The same for whoever pays in sats; `None`: nobody can.
    pub price_sats: Option<u64>,
}

/// A service's prices, in the order in which they are tried.
pub async fn of_service(tx: &mut TenantTx, service: ServiceId) -> Result<Vec<PricedRoute>> {
    let rows = sqlx::query!(
        "SELECT route, method, price_credits, price_sats FROM service_routes
         WHERE tenant_id = $1 AND service_id = $2 ORDER BY position",
        tx.tenant().as_uuid(),
        service.as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|stored| {
            Ok(PricedRoute {
                route: stored.route,
                method: stored.method,
                price: row::credits(stored.price_credits)?,
                price_sats: stored.price_sats.map(i64::cast_unsigned),
            })
        })
        .collect()
}

/// Puts these prices in the place of a service's.
pub async fn replace(tx: &mut LockedTx, service: ServiceId, routes: &[PricedRoute]) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "DELETE FROM service_routes WHERE tenant_id = $1 AND service_id = $2",
        tenant,
        service.as_uuid()
    )
    .execute(tx.connection())
    .await?;
    let texts: Vec<_> = routes.iter().map(|priced| priced.route.clone()).collect();
    let methods: Vec<_> = routes.iter().map(|priced| priced.method.clone()).collect();
    let prices: Vec<_> = routes.iter().map(|priced| row::amount(priced.price)).collect();
    let sats: Vec<_> = routes.iter().map(|priced| priced.price_sats.map(u64::cast_signed)).collect();
    sqlx::query!(
        "INSERT INTO service_routes (tenant_id, service_id, position, route, method, price_credits, price_sats)
         SELECT $1, $2, new.position - 1, new.route, new.method, new.price_credits, new.price_sats
         FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
             AS new (route, method, price_credits, price_sats, position)",
        tenant,
        service.as_uuid(),
        &texts,
        &methods as _,
        &prices,
        &sats as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
