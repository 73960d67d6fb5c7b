//! Sums of the ledger: written with it, read by reports.
//!
//! `spend_sums` is exact at every instant, because the transaction that writes entries adds them up: the newest sum of each
//! delegation beside its balances, all others in `spend_rollups`. `spend_summaries` holds the same by longer periods up to an
//! instant, which only makes long reports fast.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use subgrant_domain::{AttributeText, DelegationId, Tally};

use crate::{Result, StoreError, TenantTx, delegations::row::text, error::read};

pub mod compare;
pub mod corrections;
pub mod spenders;
pub mod summaries;
pub mod sums;

/// How far the ledger and its sums reach, as of the transaction's instant.
#[derive(Debug, Clone)]
pub struct Horizon {
    /// The newest entry's position; 0 where there is none.
    pub seq: u64,
    /// When the newest entry was recorded; `None` where there is none.
    pub recorded_at: Option<Timestamp>,
    /// The start of the first quarter of an hour with an entry.
    pub first: Option<Timestamp>,
    /// The tenant's time zone, and its name.
    pub zone: (TimeZone, String),
    /// How far the summaries reach.
    pub summarised: Option<Summarised>,
}

/// How far summaries reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summarised {
    /// Every entry that was recorded before this instant is in them, and no other.
    pub through: Timestamp,
    /// The zone in which their hours, days and months were counted.
    pub time_zone: String,
}

/// Reads how far everything reaches.
pub async fn horizon(tx: &mut TenantTx) -> Result<Horizon> {
    let row = sqlx::query!(
        r#"SELECT h.seq, h.newest_at AS "recorded_at: jiff_sqlx::Timestamp", t.time_zone,
               s.through AS "through?: jiff_sqlx::Timestamp", s.time_zone AS "summary_zone?",
               (SELECT min(bucket) FROM spend_sums WHERE tenant_id = $1 AND entries > 0) AS "first: jiff_sqlx::Timestamp"
           FROM tenants t JOIN ledger_heads h ON h.tenant_id = t.tenant_id
           LEFT JOIN spend_summary_heads s ON s.tenant_id = t.tenant_id WHERE t.tenant_id = $1"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    let summarised = row.through.zip(row.summary_zone);
    Ok(Horizon {
        seq: row.seq.cast_unsigned(),
        recorded_at: Some(row.recorded_at.to_jiff()).filter(|_| row.seq > 0),
        first: row.first.map(jiff_sqlx::Timestamp::to_jiff),
        zone: (read(TimeZone::get(&row.time_zone))?, row.time_zone),
        summarised: summarised
            .map(|(through, time_zone)| Summarised { through: through.to_jiff(), time_zone }),
    })
}

/// What a column holds for an attribute that may be missing.
pub(crate) fn attribute(text: Option<&AttributeText>) -> &str {
    text.map_or("", AttributeText::as_str)
}

/// An attribute read from such a column.
fn attributed(column: String) -> Result<Option<AttributeText>> {
    if column.is_empty() { Ok(None) } else { text(column).map(Some) }
}

/// A tally read from sums, as text.
pub(crate) fn tally(gross: &str, refunded: &str, entries: i64) -> Result<Tally> {
    Ok(Tally { gross: whole(gross)?, refunded: whole(refunded)?, entries: entries.cast_unsigned() })
}

fn whole(number: &str) -> Result<u128> {
    number.parse().map_err(|_| StoreError::Malformed(format!("the sum {number}")))
}

/// Labels of delegations, for reports that name them.
pub async fn labels(tx: &mut TenantTx, ids: &[DelegationId]) -> Result<BTreeMap<DelegationId, String>> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT id, label FROM delegations WHERE tenant_id = $1 AND id = ANY($2)",
        tx.tenant().as_uuid(),
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (DelegationId::from_uuid(row.id), row.label)).collect())
}
