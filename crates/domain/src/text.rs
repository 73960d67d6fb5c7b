//! Text that ends up in caveats, ledger entries and reports.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// 1–256 bytes of UTF-8 without control characters, line separators or bidirectional overrides, and without
/// surrounding white space. Labels, cost centres, departments and caveat values are such texts.
///
/// Two texts are equal when they are canonically equivalent (Unicode Standard Annex 15), however they are written.
#[derive(Debug, Clone, Serialize)]
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

    /// Checks a text that somebody enters, and writes it in normalisation form C. A text without any visible
    /// character is empty.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = Self::as_written(text)?;
        if !shows_something(&text.0) {
            return Err(TextError::Empty);
        }
        // It would look like the text without it.
        if text.0.starts_with(is_blank) || text.0.ends_with(is_blank) {
            return Err(TextError::SurroundingSpace);
        }
        if is_nfc(&text.0) { Ok(text) } else { Self::as_written(text.0.nfc().collect::<String>()) }
    }

    /// Checks a text that a signature or a hash covers, or that was stored before, and keeps its bytes.
    pub fn as_written(text: impl Into<String>) -> Result<Self, TextError> {
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

    /// The same text in normalisation form C.
    #[must_use]
    pub fn normalized(self) -> Self {
        if is_nfc(&self.0) { self } else { Self(self.0.nfc().collect()) }
    }

    /// Whether a person can see any of it.
    pub fn is_visible(&self) -> bool {
        shows_something(&self.0)
    }
}

/// Checks prose that somebody enters (a description, a reason, a search), and writes it in normalisation form C.
///
/// Line breaks and tabs are part of prose; other control characters are not. `max_bytes` bounds the text as it is kept.
pub fn prose(text: &str, max_bytes: usize) -> Result<String, ProseError> {
    if text.len() > max_bytes {
        return Err(ProseError::TooLong(max_bytes));
    }
    let is_allowed = |character: char| matches!(character, '\n' | '\r' | '\t') || !character.is_control();
    if !text.chars().all(is_allowed) {
        return Err(ProseError::ForbiddenCharacter);
    }
    let text: String = text.nfc().collect();
    if text.len() > max_bytes { Err(ProseError::TooLong(max_bytes)) } else { Ok(text) }
}

/// Why prose cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProseError {
    /// More bytes of UTF-8 than the field takes.
    #[error("must be at most {0} bytes of UTF-8")]
    TooLong(usize),
    /// Holds a control character other than a line break or tab.
    #[error("must not contain control characters other than line breaks and tabs")]
    ForbiddenCharacter,
}

impl PartialEq for AttributeText {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (!is_both_ascii(self, other) && self.0.nfc().eq(other.0.nfc()))
    }
}

impl Eq for AttributeText {}

impl PartialOrd for AttributeText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttributeText {
    fn cmp(&self, other: &Self) -> Ordering {
        if is_both_ascii(self, other) { self.0.cmp(&other.0) } else { self.0.nfc().cmp(other.0.nfc()) }
    }
}

impl Hash for AttributeText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.0.is_ascii() {
            self.0.hash(state);
        } else {
            self.0.nfc().collect::<String>().hash(state);
        }
    }
}

fn is_both_ascii(one: &AttributeText, other: &AttributeText) -> bool {
    one.0.is_ascii() && other.0.is_ascii()
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

/// Whether any character leaves a mark of its own on a screen. Spaces, joiners, lone accents and the letters that are
/// blank by definition do not.
fn shows_something(text: &str) -> bool {
    text.chars().any(|character| {
        !is_blank(character)
            && !matches!(
                get_general_category(character),
                GeneralCategory::SpaceSeparator
                    | GeneralCategory::Format
                    | GeneralCategory::NonspacingMark
                    | GeneralCategory::EnclosingMark
            )
    })
}

/// Joiners, and letters and symbols without a glyph.
fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{115f}' | '\u{1160}' | '\u{200c}' | '\u{200d}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_in_two_spellings_is_one_text() {
        let composed = AttributeText::new("Caf\u{e9}").unwrap();
        let decomposed = AttributeText::as_written("Cafe\u{301}").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(composed.cmp(&decomposed), Ordering::Equal);
        assert_eq!(AttributeText::new("Cafe\u{301}").unwrap().as_str(), "Caf\u{e9}");
        assert_eq!(decomposed.as_str(), "Cafe\u{301}", "what is signed keeps its bytes");
        let kinds: std::collections::HashSet<_> = [composed.clone(), decomposed.clone()].into();
        assert_eq!(kinds.len(), 1);
        assert_eq!(decomposed.normalized().as_str(), composed.as_str());
        assert_ne!(
            AttributeText::new("K"),
            AttributeText::new("Ｋ"),
            "compatibility variants are other texts"
        );
    }

    #[test]
    fn a_text_that_shows_nothing_is_empty() {
        for text in ["\u{115f}", "\u{3164}", "\u{2800}", "\u{200d}", "\u{301}", "\u{200c}\u{fe0f}", "\u{34f}"]
        {
            assert_eq!(AttributeText::new(text), Err(TextError::Empty), "{text:?}");
        }
        assert!(AttributeText::new("a\u{115f}b").is_ok(), "one visible character is enough");
        for text in ["a\u{3164}", "\u{200d}a"] {
            assert_eq!(AttributeText::new(text), Err(TextError::SurroundingSpace), "{text:?}");
        }
    }

    #[test]
    fn prose_may_have_lines_and_no_other_control_characters() {
        assert_eq!(prose("two\nlines\tand e\u{301}", 64).as_deref(), Ok("two\nlines\tand \u{e9}"));
        assert_eq!(prose("a\u{1b}[2J", 64), Err(ProseError::ForbiddenCharacter));
        assert_eq!(prose("a\0b", 64), Err(ProseError::ForbiddenCharacter));
        assert_eq!(prose("four", 3), Err(ProseError::TooLong(3)));
        // The normal form of this character is three times as long.
        assert_eq!(prose("\u{1d160}", 4), Err(ProseError::TooLong(4)));
    }

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
