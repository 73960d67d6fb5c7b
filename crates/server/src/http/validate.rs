//! Collects everything that is wrong with a request, so that a caller mends it in one go.

use subgrant_api::{FieldError, Metadata};
use subgrant_domain::{AttributeText, Credits, CreditsError, ProseError, parse_email, prose};

use super::problem::Problem;

const MAX_METADATA_BYTES: usize = 2048;
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

    /// The name of an organisation, which strangers are shown in mails.
    pub(crate) fn name(&mut self, pointer: &str, value: &str) -> Option<AttributeText> {
        self.check(pointer, "invalid_text", AttributeText::name(value))
    }

    /// An e-mail address, in the one spelling that its mailbox has here.
    pub(crate) fn email(&mut self, pointer: &str, value: &str) -> Option<String> {
        self.check(pointer, "invalid_email", parse_email(value))
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

    /// The caller's own object, as it was sent.
    pub(crate) fn metadata(&mut self, value: Option<Metadata>) -> Option<String> {
        let text = value.map(|object| object.as_str().to_owned());
        if text.as_ref().is_some_and(|text| text.len() > MAX_METADATA_BYTES) {
            self.refuse("/metadata", "too_long", "must be at most 2048 bytes of JSON");
        }
        text
    }

    /// Ends the collection: the problem, if anything was noted.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(self.errors)) }
    }
}
