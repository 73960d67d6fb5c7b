//! Window limits: at most so many credits per calendar hour, day, week or month of the tenant's time zone.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};

use crate::Credits;

/// The length of a window. Windows are calendar units of a time zone, so a day can last 23 or 25 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight to the next Monday's (ISO 8601).
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word used in caveats, JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The window that contains `at`: its start, and the start of the next one.
    ///
    /// Where a daylight-saving change removes midnight, the window starts at the first instant of that day.
    pub fn window(self, at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let local = at.to_zoned(zone.clone());
        let (start, length) = match self {
            Self::Hour => return hour(at, zone),
            Self::Day => (start_of_day(&local), 1.day()),
            Self::Week => {
                let days_since_monday = local.weekday().since(Weekday::Monday);
                (start_of_day(&in_range(local.checked_sub(i64::from(days_since_monday).days()))), 1.week())
            }
            Self::Month => (start_of_day(&in_range(local.first_of_month())), 1.month()),
        };
        let next = start_of_day(&in_range(start.checked_add(length)));
        (start.timestamp(), next.timestamp())
    }
}

/// The full hour of the clock that contains `at`. A window ends where the clock is changed, so that the repeated hour of
/// autumn is two windows, and half an hour one where the clock is changed by that much (Lord Howe Island).
fn hour(at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
    const HOUR: i64 = 3_600;
    let offset = zone.to_offset(at);
    let into_hour = (at.as_second() + i64::from(offset.seconds())).rem_euclid(HOUR);
    let full = at.as_second() - into_hour;
    let is_change = |change: &jiff::tz::TimeZoneTransition<'_>| {
        zone.to_offset(change.timestamp())
            != zone.to_offset(change.timestamp() - SignedDuration::from_secs(1))
    };
    let last = zone.preceding(at + SignedDuration::from_nanos(1)).find(is_change);
    let next = zone.following(at).find(is_change);
    let second = |second| Timestamp::from_second(second).expect("an hour around today");
    let start = last.map_or(second(full), |change| change.timestamp().max(second(full)));
    let end = next.map_or(second(full + HOUR), |change| change.timestamp().min(second(full + HOUR)));
    (start, end)
}

fn start_of_day(local: &Zoned) -> Zoned {
    in_range(local.start_of_day())
}

/// Every instant comes from a database clock and is moved by a month at most, far from the ends of year ±9999.
fn in_range(result: Result<Zoned, jiff::Error>) -> Zoned {
    result.expect("window arithmetic stays within the supported years")
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Period {
    type Err = WindowLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|period| period.as_str() == text).ok_or(WindowLimitError::UnknownPeriod)
    }
}

/// What a node's subtree has spent within one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The window's first instant. No counter is ever reset: another window has another one.
    pub start: Timestamp,
    /// What was spent; refunds do not count.
    pub spent: Credits,
}

/// At most `credits` per `period`; written `100/day` in a caveat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLimit {
    /// The window's length.
    pub period: Period,
    /// What may be spent within one window.
    pub credits: Credits,
}

/// Why a text is not a window limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowLimitError {
    /// The period is not one of the four.
    #[error("a period is one of hour, day, week, month")]
    UnknownPeriod,
    /// The text is not `<credits>/<period>` with a positive amount.
    #[error("a limit is written <credits>/<period>, for example 100/day")]
    BadFormat,
}

impl fmt::Display for WindowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.credits, self.period)
    }
}

impl FromStr for WindowLimit {
    type Err = WindowLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (credits, period) = text.split_once('/').ok_or(WindowLimitError::BadFormat)?;
        let credits: Credits = credits.parse().map_err(|_| WindowLimitError::BadFormat)?;
        if credits.is_zero() {
            return Err(WindowLimitError::BadFormat);
        }
        Ok(Self { period: period.parse()?, credits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(period: Period, at: &str, zone: &str) -> (String, String) {
        let zone = TimeZone::get(zone).unwrap();
        let (start, next) = period.window(at.parse().unwrap(), &zone);
        (start.to_string(), next.to_string())
    }

    #[test]
    fn windows_follow_the_calendar_of_the_zone() {
        let expected = ("2026-11-20T23:00:00Z".into(), "2026-11-21T23:00:00Z".into());
        assert_eq!(window(Period::Day, "2026-11-21T12:00:00Z", "Europe/Berlin"), expected);
        let expected = ("2026-11-16T00:00:00Z".into(), "2026-11-23T00:00:00Z".into());
        assert_eq!(window(Period::Week, "2026-11-22T23:59:59Z", "UTC"), expected);
        let expected = ("2026-02-01T00:00:00Z".into(), "2026-03-01T00:00:00Z".into());
        assert_eq!(window(Period::Month, "2026-02-28T23:59:59.999Z", "UTC"), expected);
    }

    #[test]
    fn daylight_saving_makes_days_of_23_and_25_hours() {
        let spring = ("2026-03-28T23:00:00Z".into(), "2026-03-29T22:00:00Z".into());
        assert_eq!(window(Period::Day, "2026-03-29T12:00:00Z", "Europe/Berlin"), spring);
        let autumn = ("2026-10-24T22:00:00Z".into(), "2026-10-25T23:00:00Z".into());
        assert_eq!(window(Period::Day, "2026-10-25T12:00:00Z", "Europe/Berlin"), autumn);
    }

    #[test]
    fn the_repeated_hour_is_two_windows() {
        let first = window(Period::Hour, "2026-10-25T00:30:00Z", "Europe/Berlin");
        let second = window(Period::Hour, "2026-10-25T01:30:00Z", "Europe/Berlin");
        assert_eq!(first, ("2026-10-25T00:00:00Z".into(), "2026-10-25T01:00:00Z".into()));
        assert_eq!(second, ("2026-10-25T01:00:00Z".into(), "2026-10-25T02:00:00Z".into()));
    }

    #[test]
    fn a_window_ends_after_every_instant_in_it_where_the_clock_is_changed_by_half_an_hour() {
        // 2026-04-05 02:00 (+11:00) became 01:30 (+10:30), 2026-10-04 02:00 (+10:30) became 02:30 (+11:00).
        for (at, start, next) in [
            ("2026-04-04T14:45:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"),
            ("2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"),
            ("2026-04-04T15:30:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"),
            ("2026-10-03T15:29:00Z", "2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z"),
            ("2026-10-03T15:40:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
            ("2026-10-03T16:00:00Z", "2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z"),
        ] {
            assert_eq!(window(Period::Hour, at, "Australia/Lord_Howe"), (start.into(), next.into()), "{at}");
        }
    }

    #[test]
    fn every_instant_is_in_its_window_and_the_next_window_begins_where_it_ends() {
        for zone in [
            "Australia/Lord_Howe",
            "Europe/Berlin",
            "Africa/Cairo",
            "America/Havana",
            "Asia/Kathmandu",
            "UTC",
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let mut at: Timestamp = "2026-01-01T00:07:00Z".parse().unwrap();
            while at < "2027-01-02T00:00:00Z".parse().unwrap() {
                for period in Period::ALL {
                    let (start, next) = period.window(at, &zone);
                    assert!((start..next).contains(&at), "{period} {at}");
                    assert_eq!(period.window(next, &zone).0, next, "{period} {at}");
                    assert_eq!(period.window(start, &zone), (start, next), "{period} {at}");
                }
                at += SignedDuration::from_mins(23);
            }
        }
    }

    #[test]
    fn a_day_without_midnight_starts_at_its_first_instant() {
        // Cairo skipped from 00:00 to 01:00 on 2026-04-24.
        let expected = ("2026-04-23T22:00:00Z".into(), "2026-04-24T21:00:00Z".into());
        assert_eq!(window(Period::Day, "2026-04-24T12:00:00Z", "Africa/Cairo"), expected);
    }

    #[test]
    fn limits_have_one_spelling() {
        assert_eq!("100/day".parse::<WindowLimit>().unwrap().to_string(), "100/day");
        for text in ["100", "0/day", "-1/day", "1.5/day", "100/ day", "100/fortnight", "/day"] {
            assert!(text.parse::<WindowLimit>().is_err(), "{text}");
        }
    }
}
