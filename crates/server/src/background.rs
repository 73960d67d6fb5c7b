//! Work that nobody waits for: housekeeping. No rule depends on it.

use std::time::{Duration, Instant};

use subgrant_domain::TenantId;
use subgrant_service::{App, COMPLETED, FAILED, ServiceError, background::task};
use subgrant_store::{StoreError, attempts, events, maintenance, resets, sessions, tenants, webhooks};

const INTERVAL: Duration = Duration::from_hours(1);

/// How long nobody looks whether it is a tenant's turn.
const ALERTS: Duration = Duration::from_secs(1);

/// How many times as long as it has worked housekeeping rests: who serves should not notice it, however many tenants there
/// are and however large they are.
const REST: u32 = 3;

/// How many months of ledger partitions exist ahead of time.
pub(crate) const MONTHS_AHEAD: i32 = 12;

/// How many proofs of a tenant's books are made at a time, each of some ten thousand entries.
const PROOFS: usize = 20;

/// Keeps house every hour until the process ends. A failure is logged and tried again an hour later.
pub(crate) async fn keep_house(app: App) {
    loop {
        let metrics = app.metrics();
        match once(&app).await {
            Ok(true) => {
                metrics.housekeeping.count(COMPLETED);
                metrics.housekeeping_completed.set();
            }
            Ok(false) => metrics.housekeeping.count(FAILED),
            Err(error) => {
                metrics.housekeeping.count(FAILED);
                tracing::warn!(error = &error as &dyn std::error::Error, "housekeeping failed");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks at the tenants' alerts until the process ends.
pub(crate) async fn watch_alerts(app: App) {
    loop {
        match app.watch_alerts().await {
            // There may be more whose turn it is.
            Ok(looked_at) if looked_at > 0 => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "alerts were not looked at");
            }
        }
        tokio::time::sleep(ALERTS).await;
    }
}

/// Rests after work that began then.
async fn rest_from(began: Instant) {
    tokio::time::sleep(began.elapsed() * REST).await;
}

/// Goes on proving a tenant's books, so that what is rewritten comes to light though nobody asks.
async fn prove(app: &App, tenant: TenantId) -> Result<(), ServiceError> {
    for _ in 0..PROOFS {
        let began = Instant::now();
        let proof = app.proof_of(tenant).await?;
        rest_from(began).await;
        if let Some(fault) = proof.first_fault {
            tracing::error!(%tenant, ?fault, "the ledger is not intact");
            break;
        }
        if proof.is_complete() {
            break;
        }
    }
    Ok(())
}

/// Keeps house once; says whether it worked for every tenant.
async fn once(app: &App) -> Result<bool, StoreError> {
    let database = app.database();
    let mut failed = 0;
    let created = maintenance::ensure_ledger_partitions(database, MONTHS_AHEAD).await?;
    let mut forgotten = attempts::forget_old(database).await?;
    forgotten += maintenance::forget_old_idempotency_records(database).await?;
    for tenant in tenants::all_ids(database).await? {
        if !tenants::claim_housekeeping(database, tenant).await? {
            continue;
        }
        // One tenant's trouble is not the others'.
        let own = app.clone();
        match app.isolate(task::HOUSEKEEPING, async move { of_tenant(&own, tenant).await }).await {
            Some(Ok(of_tenant)) => forgotten += of_tenant,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "housekeeping failed for a tenant");
                failed += 1;
            }
            None => failed += 1,
        }
    }
    tracing::debug!(created, forgotten, failed, "kept house");
    Ok(failed == 0)
}

/// Keeps house for one tenant; returns how much was forgotten.
async fn of_tenant(app: &App, tenant: TenantId) -> Result<u64, StoreError> {
    let database = app.database();
    let began = Instant::now();
    let mut forgotten = events::forget_old(database, tenant).await?;
    forgotten += sessions::forget_expired(database, tenant).await?;
    forgotten += resets::forget_old(database, tenant).await?;
    forgotten += webhooks::forget_old(database, tenant).await?;
    if let Err(error) = app.summarise_spend(tenant).await {
        tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "spending was not summarised");
    }
    rest_from(began).await;
    if let Err(error) = prove(app, tenant).await {
        tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "the books were not proved");
    }
    Ok(forgotten)
}
