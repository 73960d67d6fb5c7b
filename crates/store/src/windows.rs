//! Counters of window limits.

use jiff_sqlx::ToSqlx;
use subgrant_domain::{Credits, WindowKey};

use crate::{
    LockedTx, Result, TenantTx,
    delegations::row::{amount, credits},
};

/// Reads counters; those that do not exist yet are left out.
pub async fn by_keys(tx: &mut TenantTx, keys: &[WindowKey]) -> Result<Vec<(WindowKey, Credits)>> {
    let columns = Columns::of(keys.iter());
    let rows = sqlx::query!(
        r#"SELECT k.position AS "position!", w.spent AS "spent!"
           FROM unnest($2::uuid[], $3::text[], $4::timestamptz[])
               WITH ORDINALITY AS k (delegation_id, period, window_start, position)
           JOIN window_counters w ON w.tenant_id = $1 AND w.delegation_id = k.delegation_id
               AND w.period = k.period AND w.window_start = k.window_start"#,
        tx.tenant().as_uuid(),
        &columns.nodes,
        &columns.periods,
        &columns.starts as _
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let index = usize::try_from(row.position - 1).expect("ordinality counts from 1");
            Ok((keys[index], credits(row.spent)?))
        })
        .collect()
}

/// Writes counters.
pub async fn upsert(tx: &mut LockedTx, counters: &[(WindowKey, Credits)]) -> Result<()> {
    if counters.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let columns = Columns::of(counters.iter().map(|(key, _)| key));
    let spent: Vec<_> = counters.iter().map(|(_, spent)| amount(*spent)).collect();
    sqlx::query!(
        "INSERT INTO window_counters (tenant_id, delegation_id, period, window_start, spent)
         SELECT $1, delegation_id, period, window_start, spent
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[])
             AS new (delegation_id, period, window_start, spent)
         ON CONFLICT (tenant_id, delegation_id, period, window_start) DO UPDATE SET spent = excluded.spent",
        tenant,
        &columns.nodes,
        &columns.periods,
        &columns.starts as _,
        &spent
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

struct Columns {
    nodes: Vec<uuid::Uuid>,
    periods: Vec<String>,
    starts: Vec<jiff_sqlx::Timestamp>,
}

impl Columns {
    fn of<'a>(keys: impl Iterator<Item = &'a WindowKey> + Clone) -> Self {
        Self {
            nodes: keys.clone().map(|key| key.delegation.as_uuid()).collect(),
            periods: keys.clone().map(|key| key.period.to_string()).collect(),
            starts: keys.map(|key| key.start.to_sqlx()).collect(),
        }
    }
}
