//! The libmacaroons V2 binary format, read strictly.
//!
//! Source: libmacaroons `doc/format.txt`, "Version 2 binary format". A macaroon is the version byte 2, a section
//! `[location] identifier`, one section per caveat, an empty section, and the signature field. A field is its type, its
//! length as a varint, and its content; a zero byte ends a section. Nothing here recurses, and nothing is allocated
//! for a length that has not been found in the input.

use crate::{TokenError, caveat_list::CaveatList, signature::Signature};

/// The most caveats that a token may carry.
pub const MAX_CAVEATS: usize = 64;

const VERSION: u8 = 2;
const END_OF_SECTION: u8 = 0;
const LOCATION: u8 = 1;
const IDENTIFIER: u8 = 2;
const VERIFICATION_ID: u8 = 4;
const SIGNATURE: u8 = 6;

/// A macaroon's parts as they stand in the binary format.
pub(crate) struct Envelope<'a> {
    pub(crate) location: Option<&'a str>,
    pub(crate) identifier: &'a [u8],
    pub(crate) caveats: CaveatList,
    pub(crate) signature: Signature,
}

/// Reads a whole macaroon. What is accepted is exactly what [`encode`] writes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Envelope<'_>, TokenError> {
    let mut reader = Reader { rest: bytes };
    if reader.byte()? != VERSION {
        return Err(TokenError::NotV2);
    }
    let mut field_type = reader.byte()?;
    let mut location = None;
    if field_type == LOCATION {
        location = Some(str::from_utf8(reader.content()?).map_err(|_| TokenError::UnexpectedField)?);
        field_type = reader.byte()?;
    }
    expect_type(field_type, IDENTIFIER)?;
    let identifier = reader.content()?;
    expect_type(reader.byte()?, END_OF_SECTION)?;

    let caveats = decode_caveats(&mut reader)?;
    expect_type(reader.byte()?, SIGNATURE)?;
    let signature: [u8; 32] = reader.content()?.try_into().map_err(|_| TokenError::UnexpectedField)?;
    if !reader.rest.is_empty() {
        return Err(TokenError::Trailing);
    }
    Ok(Envelope { location, identifier, caveats, signature: Signature::from_bytes(signature) })
}

/// Writes a whole macaroon.
pub(crate) fn encode(
    location: Option<&str>,
    identifier: &[u8],
    caveats: &CaveatList,
    signature: &Signature,
) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    if let Some(location) = location {
        write_field(&mut bytes, LOCATION, location.as_bytes());
    }
    write_field(&mut bytes, IDENTIFIER, identifier);
    bytes.push(END_OF_SECTION);
    for caveat in caveats.iter() {
        write_field(&mut bytes, IDENTIFIER, caveat);
        bytes.push(END_OF_SECTION);
    }
    bytes.push(END_OF_SECTION);
    write_field(&mut bytes, SIGNATURE, signature.bytes());
    bytes
}

/// Reads sections up to and including the empty one. A location or verification id occurs in third-party caveats only.
fn decode_caveats(reader: &mut Reader<'_>) -> Result<CaveatList, TokenError> {
    let mut caveats = CaveatList::with_byte_capacity(reader.rest.len());
    loop {
        match reader.byte()? {
            END_OF_SECTION => return Ok(caveats),
            LOCATION => return Err(TokenError::ThirdParty),
            IDENTIFIER => {}
            _ => return Err(TokenError::UnexpectedField),
        }
        if caveats.len() == MAX_CAVEATS {
            return Err(TokenError::TooManyCaveats);
        }
        caveats.push(reader.content()?);
        match reader.byte()? {
            END_OF_SECTION => {}
            VERIFICATION_ID => return Err(TokenError::ThirdParty),
            _ => return Err(TokenError::UnexpectedField),
        }
    }
}

fn expect_type(found: u8, expected: u8) -> Result<(), TokenError> {
    if found == expected { Ok(()) } else { Err(TokenError::UnexpectedField) }
}

fn write_field(bytes: &mut Vec<u8>, field_type: u8, content: &[u8]) {
    bytes.push(field_type);
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits fit a byte") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits fit a byte"));
    bytes.extend_from_slice(content);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, TokenError> {
        let (first, rest) = self.rest.split_first().ok_or(TokenError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A field's length and content, after its type.
    fn content(&mut self) -> Result<&'a [u8], TokenError> {
        let length = self.varint()?;
        let (content, rest) = self.rest.split_at_checked(length).ok_or(TokenError::Truncated)?;
        self.rest = rest;
        Ok(content)
    }

    /// A length in its shortest spelling. Three bytes reach beyond any token, so a longer spelling is never needed.
    fn varint(&mut self) -> Result<usize, TokenError> {
        let mut value = 0;
        for position in 0..3 {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || position == 0;
                return is_shortest.then_some(value).ok_or(TokenError::NonCanonical);
            }
        }
        Err(TokenError::NonCanonical)
    }
}
