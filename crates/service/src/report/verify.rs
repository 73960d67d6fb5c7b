//! Comparing every sum with the ledger, and making sums anew.

use jiff::{SignedDuration, Timestamp};
use subgrant_domain::{Period, RollupKey, Tally, TenantId, quarter_of};
use subgrant_store::{
    delegations,
    rollups::{
        self,
        compare::{self, Difference},
        summaries,
        sums::Level,
    },
    tenants,
};

use super::{period, summarise::starts};
use crate::{App, ServiceError};

const QUARTER: SignedDuration = SignedDuration::from_mins(15);

/// How much time is compared in one statement, and made anew under one lock.
const STRETCH: SignedDuration = SignedDuration::from_hours(24);

/// What was compared, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupCheck {
    /// How many entries of the ledger were added up.
    pub entries: u64,
    /// When the newest of them was recorded.
    pub through: Option<Timestamp>,
    /// How far the summaries reach that were compared as well.
    pub summarised_through: Option<Timestamp>,
    /// The first sum that is not what it must be.
    pub first_difference: Option<RollupDifference>,
}

/// A sum that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupDifference {
    /// The length of its period: `quarter`, `hour`, `day` or `month`.
    pub level: &'static str,
    /// What is summed up; the bucket begins the period.
    pub key: RollupKey,
    /// What the ledger, or for summaries the quarters, add up to.
    pub expected: Tally,
    /// What is stored.
    pub stored: Tally,
}

impl RollupDifference {
    fn new(level: &'static str, Difference { key, expected, stored }: Difference) -> Self {
        Self { level, key, expected, stored }
    }
}

impl App {
    /// Adds the tenant's ledger up again and compares it with every rollup, and those with every summary. Others may
    /// spend meanwhile: each stretch of time is compared at one instant.
    pub async fn verify_rollups(&self, tenant: TenantId) -> Result<RollupCheck, ServiceError> {
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let through = rollups::horizon(&mut tx).await?.recorded_at;
        drop(tx);
        let mut check = RollupCheck { entries: 0, through, summarised_through: None, first_difference: None };
        for stretch in self.stretches(tenant).await? {
            let mut tx = self.shared().database.begin_read(tenant).await?;
            check.entries += compare::count_entries(&mut tx, stretch).await?;
            if let Some(difference) = compare::rollups(&mut tx, stretch).await? {
                check.first_difference = Some(RollupDifference::new("quarter", difference));
                return Ok(check);
            }
        }
        (check.summarised_through, check.first_difference) = self.compare_summaries(tenant).await?;
        Ok(check)
    }

    /// Makes the sums that are wrong anew, a stretch of time at a time, and then checks them all again.
    pub async fn rebuild_rollups(&self, tenant: TenantId) -> Result<RollupCheck, ServiceError> {
        let database = &self.shared().database;
        let mut was_changed = false;
        for stretch in self.stretches(tenant).await? {
            let mut tx = database.begin_read(tenant).await?;
            if compare::rollups(&mut tx, stretch).await?.is_none() {
                continue;
            }
            drop(tx);
            let mut tx = database.begin(tenant).await?;
            if tenants::current(&mut tx).await?.is_none() {
                continue;
            }
            // Nothing is spent meanwhile, and what was is in the ledger.
            let (mut tx, _) = delegations::lock(tx).await?;
            summaries::rebuild_rollups(&mut tx, stretch).await?;
            tx.commit().await?;
            was_changed = true;
        }
        if was_changed || self.compare_summaries(tenant).await?.1.is_some() {
            let mut tx = database.begin(tenant).await?;
            summaries::lock(&mut tx).await?;
            summaries::reset(&mut tx).await?;
            tx.commit().await?;
        }
        self.summarise_spend(tenant).await?;
        self.verify_rollups(tenant).await
    }

    /// The time in which there are entries or rollups, in pieces.
    async fn stretches(&self, tenant: TenantId) -> Result<Vec<(Timestamp, Timestamp)>, ServiceError> {
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let (first, last) = (compare::beginning(&mut tx).await?, compare::end(&mut tx).await?);
        let newest = rollups::horizon(&mut tx).await?.recorded_at.map(|newest| quarter_of(newest) + QUARTER);
        let (Some(first), Some(end)) = (first.map(quarter_of), last.max(newest)) else {
            return Ok(Vec::new());
        };
        let mut pieces = Vec::new();
        let mut from = first;
        while from < end {
            pieces.push((from, from + STRETCH));
            from += STRETCH;
        }
        Ok(pieces)
    }

    /// Compares the summaries with the rollups, at one instant: how far they reach, and the first difference.
    async fn compare_summaries(
        &self,
        tenant: TenantId,
    ) -> Result<(Option<Timestamp>, Option<RollupDifference>), ServiceError> {
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let horizon = rollups::horizon(&mut tx).await?;
        let (Some(head), Some(first)) = (horizon.summarised, horizon.first) else { return Ok((None, None)) };
        let (zone, time_zone) = horizon.zone;
        if head.time_zone != time_zone {
            // Reports do not read them, and they are about to be made anew.
            return Ok((None, None));
        }
        let months = period::intervals(Period::Month, (first, head.through + QUARTER), &zone, usize::MAX);
        for month in months.unwrap_or_default() {
            for level in Level::ALL {
                let mut periods = starts(level, month, &zone);
                periods.push(month.1);
                if let Some(found) = compare::summaries(&mut tx, level, &periods, head.through).await? {
                    let difference = RollupDifference::new(level.as_str(), found);
                    return Ok((Some(head.through), Some(difference)));
                }
            }
        }
        Ok((Some(head.through), None))
    }
}
