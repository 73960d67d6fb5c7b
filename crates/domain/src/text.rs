//! Text that ends up in caveats, ledger entries and reports.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_general_category::{GeneralCategory, get_general_category};

/// 1–256 bytes of UTF-8 without control characters, line separators or bidirectional overrides, and without
/// surrounding white space. Labels, cost centres, departments and caveat values are such texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AttributeText(String);

/// Why a text cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// More than 256 bytes of UTF-8.
    #[error("must be at most 256 bytes of UTF-8")]
    TooLong,
    /// Starts or ends with white space.
    #[error("must not start or end with white space")]
    SurroundingSpace,
    /// Holds the beginning of a link.
    #[error("must not contain ://, as links do")]
    Link,
    /// Holds a control, separator, format-override, surrogate or private-use character.
    #[error("must not contain control, line-break or text-direction characters")]
    ForbiddenCharacter,
}

impl AttributeText {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Checks a text.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        let trimmed_len = text.trim().len();
        if trimmed_len == 0 {
            return Err(TextError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(TextError::TooLong);
        }
        if trimmed_len != text.len() {
            return Err(TextError::SurroundingSpace);
        }
        if text.chars().any(is_forbidden) {
            return Err(TextError::ForbiddenCharacter);
        }
        Ok(Self(text))
    }

    /// Checks a name that strangers are shown, in mails: it may hold no link.
    pub fn name(text: impl Into<String>) -> Result<Self, TextError> {
        let text = Self::new(text)?;
        if text.0.contains("://") { Err(TextError::Link) } else { Ok(text) }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AttributeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for AttributeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters, line and paragraph separators, and the characters that reorder or hide text on a screen.
/// Zero-width joiners stay legal: several scripts and most family emoji need them.
fn is_forbidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    match get_general_category(character) {
        GeneralCategory::Control
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::Surrogate => true,
        GeneralCategory::Format => !matches!(character, '\u{200c}' | '\u{200d}'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass_in_any_script() {
        for text in
            ["Engineering", "Agent: code-reviewer", "Équipe données", "機械学習", "👩\u{200d}🔬", "=1+1"]
        {
            assert_eq!(AttributeText::new(text).map(|t| t.0), Ok(text.to_owned()));
        }
        assert!(AttributeText::new("x".repeat(256)).is_ok());
    }

    #[test]
    fn a_name_holds_no_link() {
        assert!(AttributeText::name("Acme: Research / Development").is_ok());
        assert_eq!(AttributeText::name("Pay at https://evil.example"), Err(TextError::Link));
        assert_eq!(AttributeText::name("a\nb"), Err(TextError::ForbiddenCharacter));
    }

    #[test]
    fn hostile_texts_are_refused_with_the_reason() {
        assert_eq!(AttributeText::new(""), Err(TextError::Empty));
        assert_eq!(AttributeText::new(" \t"), Err(TextError::Empty));
        assert_eq!(AttributeText::new("x".repeat(257)), Err(TextError::TooLong));
        assert_eq!(AttributeText::new(" x"), Err(TextError::SurroundingSpace));
        for text in
            ["a\nb", "a\0b", "a\u{202e}b", "a\u{2066}b", "a\u{200f}b", "a\u{2028}b", "a\u{7f}b", "a\u{feff}b"]
        {
            assert_eq!(AttributeText::new(text), Err(TextError::ForbiddenCharacter), "{text:?}");
        }
    }
}
