//! Bringing summaries up to date, in the background. No report waits for it, and none changes by it.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use subgrant_domain::{TenantId, quarter_of};
use subgrant_store::rollups::{
    self, Horizon, Summarised,
    summaries::{self, next_quarter},
    sums::Level,
};

use super::{period, segments::period_of};
use crate::{App, ServiceError};

/// How much time is summarised in one transaction at most; usually it is the hour since the last time.
const PIECE: SignedDuration = SignedDuration::from_hours(24);

/// What a transaction left to do.
#[derive(PartialEq, Eq)]
enum Rest {
    Some,
    Nothing,
}

impl App {
    /// Summarises what a tenant has spent, up to the quarter of an hour that its newest entry belongs to. What came
    /// before does not change any more, because entries are recorded in the order of time; so nobody is locked out.
    pub async fn summarise_spend(&self, tenant: TenantId) -> Result<(), ServiceError> {
        while self.summarise_piece(tenant).await? == Rest::Some {}
        Ok(())
    }

    async fn summarise_piece(&self, tenant: TenantId) -> Result<Rest, ServiceError> {
        let mut tx = self.shared().database.begin(tenant).await?;
        let locked = summaries::lock(&mut tx).await?;
        // Read after the lock was taken, so that the head is not older than the summaries.
        let horizon = rollups::horizon(&mut tx).await?;
        let Horizon { recorded_at: Some(newest), first: Some(first), zone: (zone, time_zone), .. } = horizon
        else {
            return Ok(Rest::Nothing);
        };
        let head = match locked {
            Some(head) if head.time_zone == time_zone => head,
            Some(_) => {
                // Counted by another calendar.
                summaries::reset(&mut tx).await?;
                tx.commit().await?;
                return Ok(Rest::Some);
            }
            None => {
                let head = Summarised { through: first, time_zone };
                if !summaries::begin(&mut tx, &head).await? {
                    return Ok(Rest::Nothing);
                }
                head
            }
        };
        let end = quarter_of(newest);
        let Some(from) = next_quarter(&mut tx, head.through).await?.filter(|from| *from < end) else {
            return Ok(Rest::Nothing);
        };
        let to = end.min(from + PIECE);
        for level in Level::ALL {
            summaries::add(&mut tx, level, (from, to), &starts(level, (from, to), &zone)).await?;
        }
        summaries::advance(&mut tx, to).await?;
        tx.commit().await?;
        Ok(if to < end { Rest::Some } else { Rest::Nothing })
    }
}

/// Where the periods of a level begin that a range touches.
pub(super) fn starts(level: Level, range: (Timestamp, Timestamp), zone: &TimeZone) -> Vec<Timestamp> {
    let periods = period::intervals(period_of(level), range, zone, usize::MAX).unwrap_or_default();
    periods.into_iter().map(|(start, _)| start).collect()
}
