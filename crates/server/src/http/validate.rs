//! Collects everything that is wrong with a request, so that a caller mends it in one go.

use subgrant_api::FieldError;
use subgrant_domain::{AttributeText, Credits, CreditsError, ProseError, prose};

use super::problem::Problem;

const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Validator {
    errors: Vec<FieldError>,
}

impl Validator {
    /// Notes that a field is wrong.
    pub(crate) fn refuse(&mut self, pointer: &str, code: &str, detail: impl Into<String>) {
        self.errors.push(FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        });
    }

    /// Keeps a good value; notes a bad one.
    pub(crate) fn check<T, E: std::fmt::Display>(
        &mut self,
        pointer: &str,
        code: &str,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|error| self.refuse(pointer, code, error.to_string())).ok()
    }

    /// An amount that moves: 1 … 2^53 − 1.
    pub(crate) fn amount(&mut self, pointer: &str, value: u64) -> Option<Credits> {
        let checked = Credits::positive(value).map_err(|error| match error {
            CreditsError::Zero => "must be at least 1 credit",
            CreditsError::TooLarge | CreditsError::NotAnInteger => "must be at most 9007199254740991 credits",
        });
        self.check(pointer, "out_of_range", checked)
    }

    /// A label or an attribution.
    pub(crate) fn text(&mut self, pointer: &str, value: &str) -> Option<AttributeText> {
        self.check(pointer, "invalid_text", AttributeText::new(value))
    }

    /// An e-mail address, in lower case and without spaces around it.
    pub(crate) fn email(&mut self, pointer: &str, value: &str) -> Option<String> {
        let email = value.trim().to_lowercase();
        if is_email(&email) {
            return Some(email);
        }
        self.refuse(pointer, "invalid_email", "must be an e-mail address");
        None
    }

    /// A password that somebody chooses.
    pub(crate) fn password(&mut self, pointer: &str, value: &str) {
        if !PASSWORD_BYTES.contains(&value.len()) {
            self.refuse(pointer, "invalid_length", "must be 8 to 1024 bytes long");
        }
    }

    /// Free text of at most `max_bytes` bytes, normalised.
    pub(crate) fn free_text(
        &mut self,
        pointer: &str,
        value: Option<String>,
        max_bytes: usize,
    ) -> Option<String> {
        let text = prose(&value?, max_bytes);
        let code = if matches!(text, Err(ProseError::TooLong(_))) { "too_long" } else { "invalid_text" };
        self.check(pointer, code, text)
    }

    /// Ends the collection: the problem, if anything was noted.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(self.errors)) }
    }
}

/// Something before and after one `@`, with a dot behind it, and nothing that no address has. Only mail tells more.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_plain = text.chars().all(|letter| !letter.is_whitespace() && !letter.is_control());
    is_plain
        && text.len() <= 254
        && (1..=64).contains(&local.len())
        && !domain.contains('@')
        && domain.split('.').count() >= 2
        && domain.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_cannot_be_one() {
        for text in ["a@b.c", "first.last+tag@sub.example.com"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["", "a", "a@b", "@b.c", "a@", "a@.c", "a@b.", "a@b@c.d", "a b@c.d", "a\n@b.c", "a@b..c"]
        {
            assert!(!is_email(text), "{text}");
        }
    }
}
