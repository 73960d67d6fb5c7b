//! Instants in caveats: a subset of RFC 3339 that every implementation reads to the same instant.

use std::fmt;

use jiff::{Timestamp, Unit};

use crate::CaveatError;

/// 1970-01-01T00:00:00Z up to, and without, 9999-01-01T00:00:00Z: what every platform's date type can hold.
const SUPPORTED_SECONDS: std::ops::Range<i64> = 0..253_370_764_800;

/// Reads `YYYY-MM-DDTHH:MM:SS[.f]Z` with upper-case `T` and `Z` and one to six digits of fraction (microseconds are what
/// PostgreSQL keeps). No offset, no leap second, years 1970–9998.
pub(super) fn parse(text: &str) -> Result<Timestamp, CaveatError> {
    const SHAPE: &[u8; 19] = b"dddd-dd-ddTdd:dd:dd";
    let without_zone = text.strip_suffix('Z').ok_or(CaveatError::Malformed)?;
    let (seconds, fraction) =
        without_zone.as_bytes().split_first_chunk::<19>().ok_or(CaveatError::Malformed)?;
    let has_shape = seconds.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        _ => byte == shape,
    });
    let has_valid_fraction = match fraction {
        [] => true,
        [b'.', digits @ ..] => (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    // The library would read second 60 as second 59.
    let is_leap_second = seconds.ends_with(b"60");
    if !has_shape || !has_valid_fraction || is_leap_second {
        return Err(CaveatError::Malformed);
    }
    let at: Timestamp = text.parse().map_err(|_| CaveatError::Malformed)?;
    supported(at)
}

/// Reads unix seconds in their one spelling, within the same years.
pub(super) fn parse_unix_seconds(text: &str) -> Result<Timestamp, CaveatError> {
    let is_one_spelling =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if !is_one_spelling {
        return Err(CaveatError::Malformed);
    }
    let seconds = text.parse().map_err(|_| CaveatError::Malformed)?;
    supported(Timestamp::from_second(seconds).map_err(|_| CaveatError::Malformed)?)
}

fn supported(at: Timestamp) -> Result<Timestamp, CaveatError> {
    if SUPPORTED_SECONDS.contains(&at.as_second()) { Ok(at) } else { Err(CaveatError::Malformed) }
}

/// An instant as caveats write it: `Z`, and no more digits than needed, finer than microseconds cut off.
pub(super) struct Written(pub(super) Timestamp);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds =
            jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Floor);
        // Rounding down fails only at the lowest instant of all, which no caveat can hold anyway.
        let at = self.0.round(microseconds).unwrap_or(self.0);
        write!(f, "{at}")
    }
}
