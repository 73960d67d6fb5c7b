//! The text around the bytes: a prefix and base64.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};

use zeroize::Zeroizing;

use crate::TokenError;

/// What every token that this crate writes starts with, so that scanners for leaked secrets find it. Optional when read.
pub const PREFIX: &str = "sgt_";
/// The longest token, in bytes of text.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;
/// The longest macaroon in binary: what fits into [`MAX_TEXT_BYTES`] with the prefix, whichever way it arrived.
const MAX_BINARY_BYTES: usize = (MAX_TEXT_BYTES - PREFIX.len()) / 4 * 3;
/// The same beside a signature for a service: a dot and at most 44 characters.
const MAX_BINARY_BYTES_BESIDE: usize = (MAX_TEXT_BYTES - PREFIX.len() - 1 - 44) / 4 * 3;

/// Between the macaroon and the signature for a service. No alphabet of base64 has it.
const SEPARATOR: char = '.';

/// Stray bits in the last character are refused (the library's default), so that no two texts of one alphabet and
/// padding decode to the same bytes.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
static STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
static URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Reads the macaroon and, after a dot, the signature for a service: with or without the prefix, each in base64 of the
/// standard or the URL alphabet, with full padding or none.
pub(crate) fn decode(text: &str) -> Result<(Vec<u8>, Option<[u8; 32]>), TokenError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TokenError::TooLarge);
    }
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    let (first, second) = match text.split_once(SEPARATOR) {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    };
    let bytes = decode_base64(first)?;
    if bytes.len() > max_binary_bytes(second.is_some()) {
        return Err(TokenError::TooLarge);
    }
    let second = second.map(|text| {
        let bytes = Zeroizing::new(decode_base64(text)?);
        <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| TokenError::ServiceSignature)
    });
    Ok((bytes, second.transpose()?))
}

/// The one text that this crate writes: prefix and base64url without padding, twice where there is a signature for a
/// service.
pub(crate) fn encode(bytes: &[u8], for_service: Option<&[u8; 32]>) -> String {
    let mut text = String::from(PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    if let Some(signature) = for_service {
        text.push(SEPARATOR);
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    }
    text
}

/// The longest macaroon in binary, beside a signature for a service or alone.
pub(crate) const fn max_binary_bytes(has_service_signature: bool) -> usize {
    if has_service_signature { MAX_BINARY_BYTES_BESIDE } else { MAX_BINARY_BYTES }
}

fn decode_base64(base64: &str) -> Result<Vec<u8>, TokenError> {
    if base64.ends_with('=') && !base64.len().is_multiple_of(4) {
        return Err(TokenError::NotBase64);
    }
    let decoded = URL_SAFE.decode(base64).or_else(|_| STANDARD.decode(base64));
    decoded.map_err(|_| TokenError::NotBase64)
}
