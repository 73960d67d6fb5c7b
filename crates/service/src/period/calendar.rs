//! Where months begin and end, and what they came to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use subgrant_domain::{Month, NodePath, Tally};
use subgrant_store::{
    TenantTx,
    periods::{self, ClosedPeriod},
    rollups,
    settings::{self, Settings},
    tenants,
};

use super::{Closing, PeriodView};
use crate::{Bound, ReportError, ServiceError, SpendReportRequest, report};

/// A tenant's months: closed ones as they were closed, all others by what holds now.
pub(crate) struct Calendar {
    /// What holds for months that are not closed.
    pub(crate) settings: Settings,
    closed: BTreeMap<Month, ClosedPeriod>,
}

impl Calendar {
    pub(crate) async fn read(tx: &mut TenantTx) -> Result<Self, ServiceError> {
        let settings = settings::current(tx).await?;
        let closed = periods::all(tx).await?.into_iter().map(|period| (period.month, period)).collect();
        Ok(Self { settings, closed })
    }

    /// How a month was closed.
    pub(crate) fn closed(&self, month: Month) -> Option<&ClosedPeriod> {
        self.closed.get(&month)
    }

    /// Forgets how a month was closed; returns what it forgot.
    pub(super) fn reopen(&mut self, month: Month) -> Option<ClosedPeriod> {
        self.closed.remove(&month)
    }

    /// What holds for a month: what held when it was closed, or what holds now.
    pub(crate) fn settings_of(&self, month: Month) -> &Settings {
        self.closed(month).map_or(&self.settings, |closed| &closed.settings)
    }

    /// The half-open range of a month. An open one begins where a closed one before it ends, and ends where a closed one after it
    /// begins, so that a change of the time zone neither leaves anything between two months nor counts it in both.
    pub(crate) fn bounds(&self, month: Month) -> (Timestamp, Timestamp) {
        if let Some(closed) = self.closed(month) {
            return (closed.starts_at, closed.ends_at);
        }
        let zone = &self.settings.time_zone;
        let before = self.closed.range(..month).next_back().map(|(_, before)| before);
        let before = before.filter(|before| before.month.next() == month);
        let after = self.closed(month.next());
        (
            before.map_or_else(|| month.start(zone), |before| before.ends_at),
            after.map_or_else(|| month.next().start(zone), |after| after.starts_at),
        )
    }

    /// The month in which there was the tenant, or an entry of its ledger, for the first time.
    pub(super) async fn first_month(&self, tx: &mut TenantTx) -> Result<Month, ServiceError> {
        let missing = || ServiceError::Inconsistent("a tenant is missing".to_owned());
        let created_at = tenants::current(tx).await?.ok_or_else(missing)?.created_at;
        let first_entry = rollups::horizon(tx).await?.first;
        let first = first_entry.map_or(created_at, |entry| entry.min(created_at));
        Ok(Month::containing(first, &self.settings.time_zone))
    }

    /// Every month from the first one of the tenant to the current one, after those that were closed before it.
    pub(super) async fn months(&self, tx: &mut TenantTx, now: Timestamp) -> Result<Vec<Month>, ServiceError> {
        let first = self.first_month(tx).await?;
        let last = Month::containing(now, &self.settings.time_zone);
        // One that was closed by another zone may have ended already.
        let is_listed = |month: &Month| *month <= last || self.bounds(*month).0 <= now;
        let months = std::iter::successors(Some(first), |month| Some(month.next()));
        let before = self.closed.range(..first).map(|(month, _)| *month);
        Ok(before.chain(months.take_while(is_listed)).collect())
    }

    /// A month with what was spent at and below `within`, which is the root.
    pub(super) async fn view(
        &self,
        tx: &mut TenantTx,
        within: &NodePath,
        month: Month,
        now: Timestamp,
    ) -> Result<PeriodView, ServiceError> {
        if let Some(closed) = self.closed(month) {
            return Ok(shown(closed));
        }
        let (starts_at, ends_at) = self.bounds(month);
        let tally = spent_within(tx, within, (starts_at, ends_at), now).await?;
        Ok(view(month, (starts_at, ends_at), &self.settings, tally, ends_at <= now))
    }
}

/// What a range came to, as of the transaction's instant `now`.
pub(super) async fn spent_within(
    tx: &mut TenantTx,
    within: &NodePath,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Tally, ServiceError> {
    let request = SpendReportRequest {
        from: Some(Bound::At(from)),
        to: Some(Bound::At(to)),
        max_lines: 1,
        ..SpendReportRequest::default()
    };
    let report = report::spend_in(tx, now, within, &request).await;
    Ok(report.map_err(ReportError::unexpected)?.total)
}

/// A closed month.
pub(super) fn shown(closed: &ClosedPeriod) -> PeriodView {
    let ClosedPeriod { month, starts_at, ends_at, settings, tally, .. } = closed;
    let closing = Closing {
        at: closed.closed_at,
        by: closed.closed_by.clone(),
        through_seq: closed.through_seq,
        through_hash: hex::encode(closed.through_hash.0),
    };
    PeriodView { closing: Some(closing), ..view(*month, (*starts_at, *ends_at), settings, *tally, true) }
}

fn view(
    month: Month,
    (starts_at, ends_at): (Timestamp, Timestamp),
    settings: &Settings,
    tally: Tally,
    is_over: bool,
) -> PeriodView {
    PeriodView {
        month,
        starts_at,
        ends_at,
        time_zone: settings.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        currency: settings.currency.code().to_owned(),
        credit_price: settings.credit_price.to_string(),
        cost: settings.credit_price.cost_of(tally.spent()),
        tally,
        is_over,
        closing: None,
    }
}
