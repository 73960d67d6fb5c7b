//! Which time a report covers.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use subgrant_domain::quarter_of;
use subgrant_store::rollups::Horizon;

use super::ReportError;

/// How a quarter of an hour is counted.
const QUARTER: SignedDuration = SignedDuration::from_mins(15);

/// One end of a range, as a caller says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// An instant.
    At(Timestamp),
    /// The start of a day in the tenant's time zone.
    StartOf(Date),
}

impl Bound {
    fn instant(self, zone: &TimeZone) -> Result<Timestamp, ReportError> {
        match self {
            Self::At(instant) => Ok(instant),
            Self::StartOf(date) => {
                // Where a clock change removes midnight, the first instant of the day.
                let start = date.to_zoned(zone.clone()).and_then(|zoned| zoned.start_of_day());
                start.map(|start| start.timestamp()).map_err(|_| ReportError::OutsideCalendar)
            }
        }
    }
}

/// The half-open range. Without an end it ends after everything that was recorded until now, which is just after `now`,
/// since an entry can bear that very instant. Without a beginning it begins with the month in which it ends.
pub(super) fn resolve(
    from: Option<Bound>,
    to: Option<Bound>,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(Timestamp, Timestamp), ReportError> {
    let just_after = now + SignedDuration::from_micros(1);
    let to = to.map_or(Ok(just_after), |to| to.instant(zone))?;
    let from = match from {
        Some(from) => from.instant(zone)?,
        None => start_of_month_before(to, zone).ok_or(ReportError::OutsideCalendar)?,
    };
    if from < to { Ok((from, to)) } else { Err(ReportError::EmptyRange { from, to }) }
}

/// The start of the month that contains the last instant before `to`, also at the ends of the calendar.
fn start_of_month_before(to: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let last = to.checked_sub(SignedDuration::from_nanos(1)).ok()?.to_zoned(zone.clone());
    Some(last.first_of_month().ok()?.start_of_day().ok()?.timestamp())
}

/// The part of a range in which there can be entries, in whole microseconds, as the ledger counts; `None` where there
/// is no such part. Where the range goes on after the newest entry, it ends with that entry's quarter of an hour, so that
/// no edge is left for which the ledger itself must be read.
pub(super) fn with_entries(
    (from, to): (Timestamp, Timestamp),
    horizon: &Horizon,
) -> Option<(Timestamp, Timestamp)> {
    let (first, newest) = (horizon.first?, horizon.recorded_at?);
    let from = up_to_microsecond(from.max(first));
    let to = if to > newest { quarter_of(newest) + QUARTER } else { up_to_microsecond(to) };
    (from < to).then_some((from, to))
}

/// The first whole microsecond not before an instant.
fn up_to_microsecond(at: Timestamp) -> Timestamp {
    let microseconds =
        at.as_nanosecond().div_euclid(1_000) + i128::from(at.as_nanosecond().rem_euclid(1_000) > 0);
    let rounded = i64::try_from(microseconds).ok().and_then(|count| Timestamp::from_microsecond(count).ok());
    rounded.unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn without_bounds_it_is_the_current_month_of_the_tenants_calendar() {
        let kathmandu = TimeZone::get("Asia/Kathmandu").unwrap();
        let now = at("2026-11-30T18:20:00Z");
        let december = (at("2026-11-30T18:15:00Z"), at("2026-11-30T18:20:00.000001Z"));
        assert_eq!(resolve(None, None, now, &kathmandu).unwrap(), december);
        let december = Bound::StartOf("2026-12-01".parse().unwrap());
        let november = (at("2026-10-31T18:15:00Z"), at("2026-11-30T18:15:00Z"));
        assert_eq!(resolve(None, Some(december), now, &kathmandu).unwrap(), november);
    }

    #[test]
    fn a_range_has_at_least_one_instant() {
        let now = at("2026-11-22T00:00:00Z");
        for from in [now + SignedDuration::from_micros(1), at("2026-11-23T00:00:00Z")] {
            assert!(matches!(
                resolve(Some(Bound::At(from)), None, now, &TimeZone::UTC),
                Err(ReportError::EmptyRange { .. })
            ));
        }
    }

    #[test]
    fn the_ends_of_the_calendar_are_refused_or_taken_but_never_a_panic() {
        let zone = TimeZone::get("Pacific/Kiritimati").unwrap();
        let (first, last) = (Bound::At(Timestamp::MIN), Bound::At(Timestamp::MAX));
        assert!(resolve(Some(first), Some(last), Timestamp::UNIX_EPOCH, &zone).is_ok());
        assert!(resolve(None, Some(last), Timestamp::UNIX_EPOCH, &zone).is_ok());
        assert!(resolve(None, Some(first), Timestamp::UNIX_EPOCH, &zone).is_err());
        for date in [Date::MIN, Date::MAX] {
            let _ = resolve(Some(Bound::StartOf(date)), Some(last), Timestamp::UNIX_EPOCH, &zone);
        }
    }

    #[test]
    fn what_lies_between_microseconds_is_rounded_up() {
        assert_eq!(up_to_microsecond(at("2026-11-22T10:00:00.0000001Z")), at("2026-11-22T10:00:00.000001Z"));
        assert_eq!(up_to_microsecond(at("1960-01-01T00:00:00.0000019Z")), at("1960-01-01T00:00:00.000002Z"));
        assert_eq!(up_to_microsecond(at("2026-11-22T10:00:00Z")), at("2026-11-22T10:00:00Z"));
    }
}
