//! What was spent, by cost centre, department and delegation, over time.
//!
//! Every entry counts once, for the delegation that spent and at the instant at which it was recorded; a refund counts
//! against what its debit was attributed to, at the time of the refund. A report reads sums as long as they fit into its
//! range, and the ledger itself for the edges that none fits, so that it is exact for any range.

mod budget;
mod forecast;
mod period;
mod range;
mod read;
mod segments;
mod summarise;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use subgrant_domain::{Action, AttributeText, DelegationId, NodePath, Period, Tally};
use subgrant_store::{
    TenantTx,
    rollups::{
        self, Horizon,
        sums::{Nodes, Query, Sum},
    },
};

use crate::{AccessError, App, Principal, ServiceError, delegation::visible_path};
use read::Reader;

pub use budget::{BudgetGroup, BudgetLine, BudgetOwner, BudgetReport, BudgetReportRequest, BudgetSums};
pub use forecast::{Forecast, ForecastReason, RunOutAt};
pub use range::Bound;
pub use subgrant_store::rollups::sums::GroupBy;
pub use verify::{RollupCheck, RollupDifference};

/// The most intervals that one report may have.
pub const MAX_INTERVALS: usize = 1_200;

/// What to report.
#[derive(Debug, Clone, Default)]
pub struct SpendReportRequest {
    /// Of this node's subtree; absent: of the caller's.
    pub delegation: Option<DelegationId>,
    /// From then on; absent: from the start of the month in which the range ends.
    pub from: Option<Bound>,
    /// Before then; absent: until now.
    pub to: Option<Bound>,
    /// One line for each.
    pub group_by: GroupBy,
    /// One line for each hour, day, week or month of the tenant's time zone; absent: for the whole range.
    pub interval: Option<Period>,
    /// More lines than these are refused.
    pub max_lines: usize,
}

/// What was spent within a range.
#[derive(Debug)]
pub struct SpendReport {
    /// The range's first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// The time zone in which intervals begin, and its name.
    pub time_zone: (TimeZone, String),
    /// The root of the subtree that is reported on.
    pub delegation: DelegationId,
    /// In the order of time, cost centre, department and delegation; without those that nothing belongs to.
    pub lines: Vec<ReportLine>,
    /// What the lines add up to.
    pub total: Tally,
    /// What of it has no cost centre.
    pub unallocated: Tally,
    /// The newest entry of the ledger that the report could know of: its time and position.
    pub through: Option<(Timestamp, u64)>,
}

/// One line of a report.
#[derive(Debug)]
pub struct ReportLine {
    /// Its first instant: of the interval, or of the range where that begins later.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// What the tenant's calendar calls the interval: `2026-10`, `2026-W43`, `2026-10-25`, `2026-10-25T02:00+02:00`.
    pub period: Option<String>,
    /// The cost centre, where the lines are distinguished by it.
    pub cost_center: Option<AttributeText>,
    /// The department, where the lines are distinguished by it.
    pub department: Option<AttributeText>,
    /// The delegation that spent, with its label, where the lines are distinguished by it.
    pub delegation: Option<(DelegationId, String)>,
    /// The sum.
    pub tally: Tally,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The caller may not see it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The range ends before it begins, or where it begins.
    #[error("the range is empty: it begins at {from} and ends before {to}")]
    EmptyRange {
        /// Where it would begin.
        from: Timestamp,
        /// Where it would end.
        to: Timestamp,
    },
    /// The instant is too far away for a calendar.
    #[error("the time is outside the calendar")]
    OutsideCalendar,
    /// The range has too many intervals.
    #[error("the range has more than {MAX_INTERVALS} intervals")]
    TooManyIntervals,
    /// The report has too many lines.
    #[error("the report has more than {most} lines")]
    TooManyLines {
        /// How many are permitted.
        most: usize,
    },
}

impl ReportError {
    /// What failed, for those whose own report nothing can be said against.
    pub(crate) fn unexpected(self) -> ServiceError {
        match self {
            Self::Access(AccessError::Credential(crate::CredentialError::Service(error))) => error,
            other => ServiceError::Inconsistent(format!("a report that cannot be refused: {other}")),
        }
    }
}

impl From<ServiceError> for ReportError {
    fn from(error: ServiceError) -> Self {
        AccessError::from(error).into()
    }
}

impl From<subgrant_store::StoreError> for ReportError {
    fn from(error: subgrant_store::StoreError) -> Self {
        AccessError::from(error).into()
    }
}

impl App {
    /// Reports what a subtree of the caller's has spent, as of one instant.
    pub async fn spend_report(
        &self,
        principal: &Principal,
        request: &SpendReportRequest,
    ) -> Result<SpendReport, ReportError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let within = visible_path(&mut read, principal, request.delegation).await?;
        let now = read.tree.now();
        spend_in(&mut read.tx, now, &within, request).await
    }
}

/// The report on the subtree at `within`, whatever node the request names, as of the transaction's instant `now`.
pub(crate) async fn spend_in(
    tx: &mut TenantTx,
    now: Timestamp,
    within: &NodePath,
    request: &SpendReportRequest,
) -> Result<SpendReport, ReportError> {
    let horizon = rollups::horizon(tx).await?;
    let zone = &horizon.zone.0;
    let (from, to) = range::resolve(request.from, request.to, now, zone)?;
    let mut report = SpendReport {
        from,
        to,
        time_zone: horizon.zone.clone(),
        delegation: within.id(),
        lines: Vec::new(),
        total: Tally::default(),
        unallocated: Tally::default(),
        through: horizon.recorded_at.map(|recorded_at| (recorded_at, horizon.seq)),
    };
    let Some((first, last)) = range::with_entries((from, to), &horizon) else { return Ok(report) };
    let intervals = match request.interval {
        None => vec![(first, last)],
        Some(period) => period::intervals(period, (first, last), zone, MAX_INTERVALS)
            .ok_or(ReportError::TooManyIntervals)?,
    };
    let starts: Vec<_> = intervals.iter().map(|(start, _)| *start).collect();
    let levels = segments::levels(request.interval, request.group_by, within);
    let segments = segments::split((first, last), levels, &horizon);
    let reader = Reader {
        horizon: &horizon,
        query: Query {
            within,
            nodes: Nodes::Within,
            head: horizon.seq,
            from: first,
            to: last,
            intervals: &starts,
            group_by: request.group_by,
            is_by_period: false,
            limit: most_sums(request),
        },
        interval: request.interval,
        max_lines: request.max_lines,
    };
    let sums = reader.read(tx, &segments).await?;
    report.add(sums, request, &intervals, &horizon)?;
    report.name_delegations(tx).await?;
    Ok(report)
}

/// How many sums of a segment are enough to tell that a report has too many lines. Where lines are not distinguished by cost
/// centre, a line has as many as two sums, with a cost centre and without.
fn most_sums(request: &SpendReportRequest) -> i64 {
    let sums_per_line = if request.group_by.cost_center { 1 } else { 2 };
    i64::try_from(sums_per_line * request.max_lines + 1).unwrap_or(i64::MAX)
}

impl SpendReport {
    /// Merges sums into lines.
    fn add(
        &mut self,
        sums: Vec<Sum>,
        request: &SpendReportRequest,
        intervals: &[(Timestamp, Timestamp)],
        horizon: &Horizon,
    ) -> Result<(), ReportError> {
        let mut lines = BTreeMap::<_, Tally>::new();
        for sum in sums {
            self.total.add(sum.tally);
            if sum.is_unallocated {
                self.unallocated.add(sum.tally);
            }
            // What has no value comes after what has one.
            let key = (
                sum.interval,
                (sum.cost_center.is_none(), sum.cost_center),
                (sum.department.is_none(), sum.department),
                sum.delegation,
            );
            lines.entry(key).or_default().add(sum.tally);
        }
        if lines.len() > request.max_lines {
            return Err(ReportError::TooManyLines { most: request.max_lines });
        }
        for ((interval, (_, cost_center), (_, department), delegation), tally) in lines {
            let (start, end) = match request.interval {
                Some(_) => intervals[interval],
                None => (self.from, self.to),
            };
            self.lines.push(ReportLine {
                start: start.max(self.from),
                end: end.min(self.to),
                period: request.interval.map(|period| period::name(period, start, &horizon.zone.0)),
                cost_center,
                department,
                delegation: delegation.map(|id| (id, String::new())),
                tally,
            });
        }
        Ok(())
    }

    async fn name_delegations(&mut self, tx: &mut TenantTx) -> Result<(), ReportError> {
        let ids: BTreeSet<_> =
            self.lines.iter().filter_map(|line| Some(line.delegation.as_ref()?.0)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let labels = rollups::labels(tx, &ids.into_iter().collect::<Vec<_>>()).await?;
        for (id, label) in self.lines.iter_mut().filter_map(|line| line.delegation.as_mut()) {
            if let Some(found) = labels.get(id) {
                label.clone_from(found);
            }
        }
        Ok(())
    }
}
