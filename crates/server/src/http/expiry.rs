//! Durations and times as callers write them.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use subgrant_service::ExpiryRequest;

/// What a field `expiry` may be.
const EXPECTED: &str =
    "must be a duration such as 720h, 1h30m or P30D, or a time such as 2026-12-21T17:00:00Z";

/// The end of the year 9998: the latest that a token can say.
const LAST_SECOND: i64 = 253_370_764_799;

/// The first instant of the year 1, where RFC 3339 begins for us: the database's calendar does not go back as far as the
/// parser's.
const FIRST_SECOND: i64 = -62_135_596_800;

/// Reads a time (RFC 3339) of the year 1 or later.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    let instant: Timestamp = text.parse().map_err(|_| "must be a time such as 2026-12-21T17:00:00Z")?;
    if instant.as_second() < FIRST_SECOND { Err("must not be before the year 1") } else { Ok(instant) }
}

/// Reads a duration (Go style or ISO 8601) or a time (RFC 3339).
pub(crate) fn parse_expiry(text: &str) -> Result<ExpiryRequest, &'static str> {
    if text.parse::<Timestamp>().is_ok() {
        let instant = parse_time(text)?;
        let in_range = instant.as_second() <= LAST_SECOND;
        return if in_range { Ok(ExpiryRequest::At(instant)) } else { Err("must be before the year 9999") };
    }
    match parse_duration(text) {
        Ok(duration) if duration.is_positive() => Ok(ExpiryRequest::After(duration)),
        Ok(_) => Err("must be longer than nothing"),
        Err(_) => Err(EXPECTED),
    }
}

/// Reads a non-negative duration: `720h`, `1h30m`, `1.5h`, `30d`, `P30D`, `PT15M`. A day has 24 hours.
pub(crate) fn parse_duration(text: &str) -> Result<SignedDuration, &'static str> {
    const EXPECTED: &str = "must be a duration such as 720h, 1h30m or P30D";
    // The parser below also reads signs, words and spaces, which no caller should come to rely on.
    let is_plain =
        text.len() <= 64 && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    let begins_well = text.starts_with('P') || text.starts_with(|first: char| first.is_ascii_digit());
    if !is_plain || !begins_well {
        return Err(EXPECTED);
    }
    let span: Span = text.parse().map_err(|_| EXPECTED)?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err("must not use months or years, whose lengths differ: use days");
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_style_and_iso_durations_are_read() {
        for (text, seconds) in [
            ("720h", 2_592_000),
            ("30m", 1_800),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            ("30d", 2_592_000),
            ("P30D", 2_592_000),
            ("PT15M", 900),
            ("P1W", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).map(|duration| duration.as_secs()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_positive_duration_is_no_expiry() {
        let hostile = [
            "",
            "soon",
            "-1h",
            "+1h",
            "1h ago",
            "0h",
            "P1M",
            "1y",
            "P",
            "99999999999999999h",
            "1",
            "720 h",
            "-P1D",
            "1e3h",
        ];
        for text in hostile {
            assert!(parse_expiry(text).is_err(), "{text}");
        }
        assert!(parse_expiry("9999-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn times_before_the_year_one_are_refused() {
        assert!(parse_time("0001-01-01T00:00:00Z").is_ok() && parse_time("9999-12-30T00:00:00Z").is_ok());
        for text in ["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00", "-004800-01-01T00:00:00Z"] {
            assert_eq!(parse_time(text), Err("must not be before the year 1"), "{text}");
            assert!(parse_expiry(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_any_offset() {
        let expected = ExpiryRequest::At("2026-12-21T17:00:00Z".parse().unwrap());
        assert_eq!(parse_expiry("2026-12-21T17:00:00Z"), Ok(expected));
        assert_eq!(parse_expiry("2026-12-21T18:00:00+01:00"), Ok(expected));
    }
}
