//! Months of a tenant's calendar, which finance closes one by one.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A calendar month, in whatever zone; written `2026-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    first_day: Date,
}

/// The text names no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2026-10")]
pub struct NotAMonth;

impl Month {
    /// The first and the last year whose months can be named, so that time zones and neighbours are always within the calendar.
    const YEARS: std::ops::RangeInclusive<i16> = 1..=9998;

    /// The month that contains an instant.
    pub fn containing(at: Timestamp, zone: &TimeZone) -> Self {
        Self { first_day: at.to_zoned(zone.clone()).date().first_of_month() }
    }

    /// The month of a date.
    pub fn of(date: Date) -> Self {
        Self { first_day: date.first_of_month() }
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        self.first_day
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        // The day after the last one.
        let next = self.first_day.last_of_month().tomorrow();
        Self { first_day: next.expect("months end far from the end of the calendar") }
    }

    /// Its first instant in a zone: where a clock change removes midnight, the first one of that day.
    pub fn start(self, zone: &TimeZone) -> Timestamp {
        let start = self.first_day.to_zoned(zone.clone()).and_then(|midnight| midnight.start_of_day());
        start.expect("months begin far from the ends of the calendar").timestamp()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first_day.year(), self.first_day.month())
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = NotAMonth;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.len() == 7 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let (year, month) = text.split_once('-').filter(|_| is_plain).ok_or(NotAMonth)?;
        let (year, month): (i16, i8) =
            (year.parse().map_err(|_| NotAMonth)?, month.parse().map_err(|_| NotAMonth)?);
        if text.as_bytes()[4] != b'-' || !Self::YEARS.contains(&year) {
            return Err(NotAMonth);
        }
        Date::new(year, month, 1).map(|first_day| Self { first_day }).map_err(|_| NotAMonth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_back_from_its_name_and_nothing_else_is_one() {
        for name in ["2026-10", "2026-12", "0001-01", "9998-12"] {
            assert_eq!(name.parse::<Month>().map(|month| month.to_string()), Ok(name.to_owned()));
        }
        for other in [
            "",
            "2026",
            "2026-1",
            "2026-00",
            "2026-13",
            "2026-10-01",
            "26-10",
            "-026-10",
            "2026--1",
            "0000-01",
            "9999-01",
            "2026_10",
            "2026-1a",
            "２０２６-10",
            "20261-0",
            "+026-10",
            " 2026-1",
        ] {
            assert_eq!(other.parse::<Month>(), Err(NotAMonth), "{other:?}");
        }
    }

    #[test]
    fn a_month_begins_and_ends_by_its_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let october: Month = "2026-10".parse().unwrap();
        assert_eq!(october.start(&zone).to_string(), "2026-09-30T22:00:00Z");
        assert_eq!(october.next().start(&zone).to_string(), "2026-10-31T23:00:00Z");
        assert_eq!(Month::containing("2026-09-30T22:00:00Z".parse().unwrap(), &zone), october);
        assert_eq!("2026-12".parse::<Month>().unwrap().next().to_string(), "2027-01");
    }
}
