//! Lists in caveat values: separated by commas, with optional spaces around an item, never empty.

use std::fmt;

use crate::CaveatError;

pub(super) fn parse<T>(
    text: &str,
    item: impl Fn(&str) -> Result<T, CaveatError>,
) -> Result<Vec<T>, CaveatError> {
    text.split(',').map(|word| item(word.trim_matches(' '))).collect()
}

pub(super) fn write<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
