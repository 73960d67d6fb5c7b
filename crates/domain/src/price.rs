//! What a credit costs.

use std::{fmt, str::FromStr};

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use rust_decimal::Decimal;

/// The price of one credit: more than nothing, at most a million, exact to twelve decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditPrice(Decimal);

/// Why a text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal number such as \"0.01\", above 0 and up to 1000000, with up to 12 decimals")]
pub struct NotAPrice;

impl CreditPrice {
    const MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);
    const MAX_DECIMALS: u32 = 12;
    /// The longest text that can be within the bounds, but for zeros that say nothing.
    const MAX_BYTES: usize = 20;

    /// What so many credits cost, exactly: digits with a point where one is needed, and a sign where credits were given back.
    pub fn cost_of(self, credits: i128) -> String {
        let price = BigDecimal::new(BigInt::from(self.0.mantissa()), i64::from(self.0.scale()));
        (BigDecimal::from(credits) * price).normalized().to_plain_string()
    }
}

/// Written without zeros at the end.
impl fmt::Display for CreditPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Digits and at most one point: neither signs nor exponents nor separators, which the decimal's own reader takes.
impl FromStr for CreditPrice {
    type Err = NotAPrice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins_and_ends_with_digits =
            text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if text.len() > Self::MAX_BYTES || !begins_and_ends_with_digits || !is_plain {
            return Err(NotAPrice);
        }
        let price = Decimal::from_str_exact(text).map_err(|_| NotAPrice)?.normalize();
        let is_within = price > Decimal::ZERO && price <= Self::MAX && price.scale() <= Self::MAX_DECIMALS;
        if is_within { Ok(Self(price)) } else { Err(NotAPrice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly_and_written_in_one_way() {
        for (text, written) in [
            ("0.01", "0.01"),
            ("0.010", "0.01"),
            ("1", "1"),
            ("1000000", "1000000"),
            ("1000000.00", "1000000"),
            ("0.000000000001", "0.000000000001"),
            ("999999.999999999999", "999999.999999999999"),
            ("007", "7"),
        ] {
            assert_eq!(text.parse::<CreditPrice>().map(|price| price.to_string()), Ok(written.to_owned()));
        }
    }

    #[test]
    fn costs_are_exact_however_large() {
        let cost = |price: &str, credits| price.parse::<CreditPrice>().unwrap().cost_of(credits);
        assert_eq!(cost("0.01", 0), "0");
        assert_eq!(cost("0.01", 100), "1");
        assert_eq!(cost("0.01", 12_345), "123.45");
        assert_eq!(cost("0.015", -3), "-0.045");
        assert_eq!(cost("2", 1_500), "3000");
        assert_eq!(cost("0.000000000001", 1), "0.000000000001");
        assert_eq!(
            cost("999999.999999999999", 1 << 100),
            "1267650600228229400229052605147770598.503296794624"
        );
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "0",
            "0.0",
            "-1",
            "+1",
            "1e3",
            "1_000",
            "1,5",
            ".5",
            "5.",
            "1.2.3",
            "1000000.000000000001",
            "0.0000000000001",
            "NaN",
            "Infinity",
            " 1",
            "1 ",
            "١",
            "0x1",
            "1000001",
            "99999999999999999999999",
        ] {
            assert_eq!(text.parse::<CreditPrice>(), Err(NotAPrice), "{text:?}");
        }
    }
}
