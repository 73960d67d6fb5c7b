//! The text around the bytes: a prefix and base64.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};

use crate::TokenError;

/// What every token that this crate writes starts with, so that scanners for leaked secrets find it. Optional when read.
pub const PREFIX: &str = "sgt_";
/// The longest token, in bytes of text.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;
/// The longest token in binary: what fits into [`MAX_TEXT_BYTES`] with the prefix, whichever way it arrived.
pub(crate) const MAX_BINARY_BYTES: usize = (MAX_TEXT_BYTES - PREFIX.len()) / 4 * 3;

/// Stray bits in the last character are refused (the library's default), so that no two texts of one alphabet and
/// padding decode to the same bytes.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
static STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
static URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Reads base64 with or without the prefix, in the standard or the URL alphabet, with full padding or none.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TokenError::TooLarge);
    }
    let base64 = text.strip_prefix(PREFIX).unwrap_or(text);
    if base64.ends_with('=') && !base64.len().is_multiple_of(4) {
        return Err(TokenError::NotBase64);
    }
    let decoded = URL_SAFE.decode(base64).or_else(|_| STANDARD.decode(base64));
    let bytes = decoded.map_err(|_| TokenError::NotBase64)?;
    if bytes.len() > MAX_BINARY_BYTES {
        return Err(TokenError::TooLarge);
    }
    Ok(bytes)
}

/// The one text that this crate writes: prefix and base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::from(PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}
