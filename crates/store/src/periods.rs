//! Months that were closed.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use subgrant_domain::{Currency, EntryHash, Month, Tally};

use crate::{
    LockedTx, Result, StoreError, TenantTx, delegations::row::text, error::read, rollups::tally,
    settings::Settings,
};

/// A month as it was closed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedPeriod {
    /// Which.
    pub month: Month,
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
    /// What the tenant's people had set when it was closed.
    pub settings: Settings,
    /// What the month's entries add up to.
    pub tally: Tally,
    /// The position of the newest entry before its end; 0 where there is none.
    pub through_seq: u64,
    /// That entry's hash.
    pub through_hash: EntryHash,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// Who closed it, as a prefixed id.
    pub closed_by: String,
}

/// Every closed month, oldest first.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<ClosedPeriod>> {
    let rows = sqlx::query!(
        r#"SELECT month AS "month: jiff_sqlx::Date", starts_at AS "starts_at: jiff_sqlx::Timestamp",
               ends_at AS "ends_at: jiff_sqlx::Timestamp", time_zone, organization, currency,
               credit_price::text AS "credit_price!", gross::text AS "gross!", refunded::text AS "refunded!", entries,
               through_seq, through_hash, closed_at AS "closed_at: jiff_sqlx::Timestamp", closed_by
           FROM closed_periods WHERE tenant_id = $1 ORDER BY month"#,
        tx.tenant().as_uuid()
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let unknown = || StoreError::Malformed(format!("the currency {}", row.currency));
            Ok(ClosedPeriod {
                month: Month::of(row.month.to_jiff()),
                starts_at: row.starts_at.to_jiff(),
                ends_at: row.ends_at.to_jiff(),
                settings: Settings {
                    organization: text(row.organization)?,
                    time_zone: read(TimeZone::get(&row.time_zone))?,
                    currency: Currency::from_code(&row.currency).ok_or_else(unknown)?,
                    credit_price: read(row.credit_price.parse())?,
                },
                tally: tally(&row.gross, &row.refunded, row.entries)?,
                through_seq: row.through_seq.cast_unsigned(),
                through_hash: EntryHash(read(row.through_hash.as_slice().try_into())?),
                closed_at: row.closed_at.to_jiff(),
                closed_by: row.closed_by,
            })
        })
        .collect()
}

/// Closes a month, and sees to it that no entry is recorded in it any more: no entry is older than the ledger's newest instant.
pub async fn close(tx: &mut LockedTx, period: &ClosedPeriod) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let Settings { organization, time_zone, currency, credit_price } = &period.settings;
    sqlx::query!(
        "WITH ledger_goes_on AS (
             UPDATE ledger_heads SET newest_at = greatest(newest_at, $4) WHERE tenant_id = $1)
         INSERT INTO closed_periods (tenant_id, month, starts_at, ends_at, time_zone, organization, currency, credit_price,
             gross, refunded, entries, through_seq, through_hash, closed_at, closed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::numeric, $9::text::numeric, $10::text::numeric, $11, $12, $13, $14, $15)",
        tenant,
        day(period.month) as _,
        period.starts_at.to_sqlx() as _,
        period.ends_at.to_sqlx() as _,
        time_zone.iana_name().unwrap_or("UTC"),
        organization.as_str(),
        currency.code(),
        credit_price.to_string(),
        period.tally.gross.to_string(),
        period.tally.refunded.to_string(),
        period.tally.entries.cast_signed(),
        period.through_seq.cast_signed(),
        period.through_hash.0.as_slice(),
        period.closed_at.to_sqlx() as _,
        period.closed_by
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Opens a month again; the ledger's newest instant stays.
pub async fn reopen(tx: &mut LockedTx, month: Month) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!("DELETE FROM closed_periods WHERE tenant_id = $1 AND month = $2", tenant, day(month) as _)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The first closed month at whose end the ledger is not as it was.
pub async fn first_changed(tx: &mut TenantTx) -> Result<Option<(Month, u64)>> {
    let row = sqlx::query!(
        r#"SELECT p.month AS "month: jiff_sqlx::Date", p.through_seq FROM closed_periods p
           LEFT JOIN ledger l ON l.tenant_id = $1 AND l.seq = p.through_seq
           WHERE p.tenant_id = $1 AND p.through_seq > 0 AND (l.hash IS DISTINCT FROM p.through_hash OR l.recorded_at >= p.ends_at)
           ORDER BY p.month LIMIT 1"#,
        tx.tenant().as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| (Month::of(row.month.to_jiff()), row.through_seq.cast_unsigned())))
}

fn day(month: Month) -> jiff_sqlx::Date {
    Date::to_sqlx(month.first_day())
}
