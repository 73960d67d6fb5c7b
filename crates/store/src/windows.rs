//! Counters of window limits.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{Credits, DelegationId, Period, WindowKey};

use crate::{
    LockedTx, Result, TenantTx,
    delegations::row::{amount, credits},
};

/// Reads the counters of `nodes` for the windows that begin at `starts`; those that do not exist yet are left out.
pub async fn current(
    tx: &mut TenantTx,
    nodes: &[DelegationId],
    starts: &[(Period, Timestamp)],
) -> Result<Vec<(WindowKey, Credits)>> {
    let nodes: Vec<_> = nodes.iter().map(|id| id.as_uuid()).collect();
    let periods: Vec<_> = starts.iter().map(|(period, _)| period.to_string()).collect();
    let times: Vec<_> = starts.iter().map(|(_, start)| start.to_sqlx()).collect();
    let rows = sqlx::query!(
        r#"SELECT w.delegation_id, k.position AS "position!", w.spent
           FROM window_counters w
           JOIN unnest($3::text[], $4::timestamptz[]) WITH ORDINALITY AS k (period, window_start, position)
               ON w.period = k.period AND w.window_start = k.window_start
           WHERE w.tenant_id = $1 AND w.delegation_id = ANY($2)"#,
        tx.tenant().as_uuid(),
        &nodes,
        &periods,
        &times as _
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let index = usize::try_from(row.position - 1).expect("ordinality counts from 1");
            let (period, start) = starts[index];
            let key = WindowKey { delegation: DelegationId::from_uuid(row.delegation_id), period, start };
            Ok((key, credits(row.spent)?))
        })
        .collect()
}

/// Writes counters.
pub async fn upsert(tx: &mut LockedTx, counters: &[(WindowKey, Credits)]) -> Result<()> {
    if counters.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let nodes: Vec<_> = counters.iter().map(|(key, _)| key.delegation.as_uuid()).collect();
    let periods: Vec<_> = counters.iter().map(|(key, _)| key.period.to_string()).collect();
    let starts: Vec<_> = counters.iter().map(|(key, _)| key.start.to_sqlx()).collect();
    let spent: Vec<_> = counters.iter().map(|(_, spent)| amount(*spent)).collect();
    sqlx::query!(
        "INSERT INTO window_counters (tenant_id, delegation_id, period, window_start, spent)
         SELECT $1, delegation_id, period, window_start, spent
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[])
             AS new (delegation_id, period, window_start, spent)
         ON CONFLICT (tenant_id, delegation_id, period, window_start) DO UPDATE SET spent = excluded.spent",
        tenant,
        &nodes,
        &periods,
        &starts as _,
        &spent
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
