//! Periods of a tenant's calendar.

use jiff::{Timestamp, tz::TimeZone};
use subgrant_domain::Period;

/// The periods that a range touches, whole, in order; `None` where there are more than `most`.
pub(super) fn intervals(
    period: Period,
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    most: usize,
) -> Option<Vec<(Timestamp, Timestamp)>> {
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        if found.len() == most {
            return None;
        }
        let window = period.window(at, zone);
        found.push(window);
        at = window.1;
    }
    Some(found)
}

/// The first instant from `at` on at which a period begins.
pub(super) fn next_start(period: Period, at: Timestamp, zone: &TimeZone) -> Timestamp {
    let (start, next) = period.window(at, zone);
    if start == at { at } else { next }
}

/// What the calendar calls the period that begins at `start`. An hour has its offset, because autumn has one twice.
pub(super) fn name(period: Period, start: Timestamp, zone: &TimeZone) -> String {
    let format = match period {
        Period::Hour => "%Y-%m-%dT%H:%M%:z",
        Period::Day => "%Y-%m-%d",
        Period::Week => "%G-W%V",
        Period::Month => "%Y-%m",
    };
    start.to_zoned(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_clock_change_has_its_hours_and_each_a_name_of_its_own() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let range = |from: &str, to: &str| (from.parse().unwrap(), to.parse().unwrap());
        let names = |range| -> Vec<_> {
            let hours = intervals(Period::Hour, range, &zone, 100).unwrap();
            hours.iter().map(|(start, _)| name(Period::Hour, *start, &zone)).collect()
        };
        let spring = names(range("2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"));
        assert_eq!((spring.len(), spring[2].as_str()), (23, "2027-03-28T03:00+02:00"));
        let autumn = names(range("2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z"));
        assert_eq!(autumn.len(), 25);
        assert_eq!(&autumn[2..4], ["2027-10-31T02:00+02:00", "2027-10-31T02:00+01:00"]);
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        let zone = TimeZone::UTC;
        let start = next_start(Period::Week, "2026-12-27T00:00:00Z".parse().unwrap(), &zone);
        assert_eq!(
            (start.to_string().as_str(), name(Period::Week, start, &zone).as_str()),
            ("2026-12-28T00:00:00Z", "2026-W53")
        );
    }

    #[test]
    fn more_intervals_than_permitted_are_not_listed() {
        let range = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-03T00:00:01Z".parse().unwrap());
        assert_eq!(intervals(Period::Day, range, &TimeZone::UTC, 2), None);
        assert_eq!(intervals(Period::Day, range, &TimeZone::UTC, 3).unwrap().len(), 3);
    }
}
