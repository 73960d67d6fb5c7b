//! How a repeated caveat combines with the earlier ones: it can only narrow.

use subgrant_domain::{ActionSet, AttributeText};

use crate::CaveatError;

/// Keeps the smaller of both: budgets, amounts, depths and instants.
pub(crate) fn to_minimum<T: Ord + Copy>(current: &mut Option<T>, value: T) {
    *current = Some(current.map_or(value, |earlier| earlier.min(value)));
}

/// Keeps what both permit.
pub(crate) fn to_intersection(current: &mut Option<ActionSet>, value: ActionSet) {
    *current = Some(current.map_or(value, |earlier| earlier.intersection(value)));
}

/// Accepts only what was said before, if anything was.
pub(crate) fn to_equal<T: PartialEq + Clone>(current: &mut Option<T>, value: &T) -> Result<(), CaveatError> {
    match current {
        Some(earlier) if earlier != value => Err(CaveatError::Conflict),
        Some(_) => Ok(()),
        None => {
            *current = Some(value.clone());
            Ok(())
        }
    }
}

/// The same for a text, of which the normal form is kept: one text has several spellings in bytes. One that shows nothing
/// is no better than an empty one.
pub(crate) fn to_equal_text(
    current: &mut Option<AttributeText>,
    value: &AttributeText,
) -> Result<(), CaveatError> {
    if !value.is_visible() {
        return Err(CaveatError::Malformed);
    }
    if current.is_none() {
        *current = Some(value.clone().normalized());
        return Ok(());
    }
    to_equal(current, value)
}

/// Keeps each value once, in the order of first appearance.
pub(crate) fn to_all<T: PartialEq>(current: &mut Vec<T>, value: T) {
    if !current.contains(&value) {
        current.push(value);
    }
}
