//! When a delegation's budget runs out.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use subgrant_domain::{Action, Credits, DailyRate, DelegationId, Period, RunOut};
use subgrant_store::rollups;

use super::{Bound, GroupBy, ReportError, SpendReportRequest};
use crate::{App, DelegationView, Principal, ServiceError, delegation::visible_path};

/// How many complete days are looked at.
const MOST_DAYS: i32 = 28;

/// What lies further ahead is not foreseen.
const HORIZON_DAYS: f64 = 36_525.0;

/// Why there is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForecastReason {
    /// The delegation has no budget.
    Unlimited,
    /// It is frozen, revoked or expired.
    NotLive,
    /// Nothing remains.
    Exhausted,
    /// It has not lived for enough complete days.
    TooLittleHistory,
    /// Nothing was spent on the days looked at.
    NoSpend,
    /// It lasts for longer than a century.
    NotForeseeable,
}

/// What is expected of a delegation's budget.
#[derive(Debug)]
pub struct Forecast {
    /// The delegation.
    pub delegation: DelegationId,
    /// When this was said.
    pub as_of: Timestamp,
    /// The zone in which days begin, by name.
    pub time_zone: String,
    /// What remains; `None`: unlimited.
    pub remaining: Option<Credits>,
    /// When its life ends anyway.
    pub expires_at: Option<Timestamp>,
    /// The complete days looked at, oldest first, with what the subtree spent on each.
    pub days: Vec<(Date, i128)>,
    /// What a day consumes.
    pub rate: Option<DailyRate>,
    /// When it runs out.
    pub run_out: Result<RunOutAt, ForecastReason>,
}

/// The instants at which a budget runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOutAt {
    /// With a probability of one in ten, before.
    pub early: Timestamp,
    /// At the mean rate.
    pub expected: Timestamp,
    /// With a probability of one in ten, later; `None`: within a century maybe never.
    pub late: Option<Timestamp>,
}

impl App {
    /// Foresees when the budget of a delegation, the caller's own (`None`) or one below it, runs out.
    pub async fn forecast(
        &self,
        principal: &Principal,
        delegation: Option<DelegationId>,
    ) -> Result<Forecast, ReportError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, delegation).await?;
        read.load(&[&path]).await?;
        let missing = || ServiceError::Inconsistent("a node was not loaded".to_owned());
        let row = read.rows.get(&path.id()).ok_or_else(missing)?;
        let view = DelegationView::new(&read.tree, row, principal);
        let (as_of, zone) = (read.tree.now(), rollups::horizon(&mut read.tx).await?.zone);
        let (first, today) = range(view.created_at, as_of, &zone.0).ok_or(ReportError::OutsideCalendar)?;
        let mut days = Vec::new();
        if first < today {
            let request = SpendReportRequest {
                delegation: None,
                from: Some(Bound::StartOf(first)),
                to: Some(Bound::StartOf(today)),
                group_by: GroupBy::default(),
                interval: Some(Period::Day),
                max_lines: usize::try_from(MOST_DAYS).unwrap_or(usize::MAX),
            };
            let spending = super::spend_in(&mut read.tx, as_of, &path, &request).await?;
            let spent = |day: Date| {
                let line = spending.lines.iter().find(|line| line.period == Some(day.to_string()));
                line.map_or(0, |line| line.tally.spent())
            };
            days =
                first.series(1.day()).take_while(|day| *day < today).map(|day| (day, spent(day))).collect();
        }
        let rate = DailyRate::of(&days.iter().map(|(_, spent)| *spent).collect::<Vec<_>>());
        Ok(Forecast {
            delegation: path.id(),
            as_of,
            time_zone: zone.1,
            remaining: view.remaining,
            expires_at: view.expires_at,
            run_out: run_out(&view, rate, as_of),
            days,
            rate,
        })
    }
}

/// The first complete day to look at, and the day that is not complete yet. The day on which the delegation was made is
/// not complete either.
fn range(created_at: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<(Date, Date)> {
    let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let today = date(now);
    let earliest = today.checked_sub(MOST_DAYS.days()).ok()?;
    Some((date(created_at).tomorrow().ok()?.max(earliest), today))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate, and no amount")]
fn run_out(
    view: &DelegationView,
    rate: Option<DailyRate>,
    now: Timestamp,
) -> Result<RunOutAt, ForecastReason> {
    if !["active", "exhausted"].contains(&view.status.as_str()) {
        return Err(ForecastReason::NotLive);
    }
    let remaining = view.remaining.ok_or(ForecastReason::Unlimited)?;
    if remaining.is_zero() {
        return Err(ForecastReason::Exhausted);
    }
    let rate = rate.ok_or(ForecastReason::TooLittleHistory)?;
    let RunOut { early, expected, late } =
        rate.run_out(remaining.get() as f64).ok_or(ForecastReason::NoSpend)?;
    let at = |days: f64| {
        let ahead =
            (days <= HORIZON_DAYS).then(|| SignedDuration::from_secs_f64((days * 86_400.0).round()))?;
        now.checked_add(ahead).ok()
    };
    let dates = at(early).zip(at(expected));
    let (early, expected) = dates.ok_or(ForecastReason::NotForeseeable)?;
    Ok(RunOutAt { early, expected, late: late.and_then(at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_days_are_looked_at() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let range = |created: &str, now: &str| {
            let (first, today) = range(created.parse().unwrap(), now.parse().unwrap(), &zone).unwrap();
            (first.to_string(), today.to_string())
        };
        let day = |first: &str, today: &str| (first.to_owned(), today.to_owned());
        assert_eq!(
            range("2026-11-20T22:59:59Z", "2026-11-26T23:00:00Z"),
            day("2026-11-21", "2026-11-27"),
            "before midnight in Berlin"
        );
        assert_eq!(range("2026-11-20T23:00:00Z", "2026-11-26T22:59:59Z"), day("2026-11-22", "2026-11-26"));
        assert_eq!(range("2020-01-01T00:00:00Z", "2026-11-27T12:00:00Z"), day("2026-10-30", "2026-11-27"));
        assert_eq!(range("2026-11-27T08:00:00Z", "2026-11-27T12:00:00Z"), day("2026-11-28", "2026-11-27"));
    }
}
