//! Whole numbers as JSON writes them: `10`, `10.0` and `1e1` are one number, and JSON Schema calls all three an `integer`.
//!
//! They are read from their digits and never by way of a binary fraction, which would round.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

/// Reads a whole number, zero or more. One above the largest `u64` becomes that, which no field takes.
pub(crate) fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    read(&Box::<RawValue>::deserialize(deserializer)?)
}

/// The same where the field may be absent or `null`.
pub(crate) fn whole_option<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Box<RawValue>>::deserialize(deserializer)?.map(|raw| read(&raw)).transpose()
}

/// The same where the field may be absent, but not `null`.
pub(crate) fn whole_present<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    whole(deserializer).map(Some)
}

/// The same where the field may be absent (`None`) or `null` (`Some(None)`).
#[expect(clippy::option_option, reason = "absent and null are two different requests")]
pub(crate) fn whole_nullable<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    whole_option(deserializer).map(Some)
}

fn read<T: TryFrom<u64>, E: Error>(raw: &RawValue) -> Result<T, E> {
    let text = raw.get();
    let number = value_of(text).map_err(|what| {
        // A caller's own text is not repeated at length.
        let shown = &text[..text.floor_char_boundary(64)];
        E::custom(format_args!("invalid type: {what} `{shown}`, expected a whole number, zero or more"))
    })?;
    T::try_from(number).map_err(|_| E::custom("the number is too large"))
}

/// The value of JSON's text, or the word for what it is instead.
fn value_of(text: &str) -> Result<u64, &'static str> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.bytes().next() {
        Some(b'0'..=b'9') => {}
        Some(b'"') => return Err("string"),
        Some(b'{') => return Err("object"),
        Some(b'[') => return Err("array"),
        Some(b'n') => return Err("null"),
        _ => return Err("boolean"),
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        // Of an exponent beyond this only the sign matters.
        Some((mantissa, text)) => {
            let most = if text.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
            (mantissa, text.strip_prefix('+').unwrap_or(text).parse().unwrap_or(most))
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let removed = digits.len() - digits.trim_end_matches('0').len();
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX / 4);
    // The number is `significant` times ten to the power of `zeros`.
    let zeros = exponent.saturating_sub(length(fraction)).saturating_add(i64::try_from(removed).unwrap_or(0));
    if zeros < 0 {
        return Err("fraction");
    }
    if text.starts_with('-') {
        return Err("negative number");
    }
    let value = u32::try_from(zeros)
        .ok()
        .filter(|zeros| *zeros < 20)
        .and_then(|zeros| significant.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(zeros)?));
    Ok(value.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_many_spellings() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e99999999999999999999", 0),
            ("10", 10),
            ("10.0", 10),
            ("1e1", 10),
            ("1E+1", 10),
            ("100e-1", 10),
            ("0.001e4", 10),
            ("1.25e2", 125),
            ("9007199254740991", 9_007_199_254_740_991),
            ("9007199254740991.000", 9_007_199_254_740_991),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(value_of(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_stays_too_large() {
        for text in
            ["18446744073709551616", "1e20", "1e400", "1e99999999999999999999", "12345678901234567890123"]
        {
            assert_eq!(value_of(text), Ok(u64::MAX), "{text}");
        }
    }

    #[test]
    fn nothing_is_rounded() {
        for text in [
            "1.5",
            "10.1",
            "0.99999999999999999999",
            "9007199254740990.6",
            "1e-1",
            "1e-99999999999999999999",
            "-0.1",
        ] {
            assert_eq!(value_of(text), Err("fraction"), "{text}");
        }
        assert_eq!(value_of("-1"), Err("negative number"));
        assert_eq!(value_of("-1e3"), Err("negative number"));
        for (text, kind) in
            [("\"1\"", "string"), ("null", "null"), ("true", "boolean"), ("[1]", "array"), ("{}", "object")]
        {
            assert_eq!(value_of(text), Err(kind), "{text}");
        }
    }
}
