//! A token taken apart, so that it can be put together again in ways that Subgrant must refuse.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

/// The fields of a macaroon, read without any check.
#[derive(Clone)]
pub struct Parts {
    /// The hint that nothing signs.
    pub location: String,
    /// Tenant and root key.
    pub identifier: Vec<u8>,
    /// First-party caveats.
    pub caveats: Vec<Vec<u8>>,
    /// The last HMAC.
    pub signature: Vec<u8>,
}

impl Parts {
    /// Takes a token of ours apart.
    pub fn of(token: &str) -> Self {
        let bytes =
            URL_SAFE_NO_PAD.decode(token.trim_start_matches("sgt_")).expect("our tokens are base64url");
        let mut rest = &bytes[1..];
        let mut fields = Vec::new();
        while let Some((kind, after)) = rest.split_first() {
            rest = after;
            if *kind == 0 {
                continue;
            }
            let (mut length, mut shift) = (0_usize, 0);
            while let Some((byte, after)) = rest.split_first() {
                rest = after;
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let (content, after) = rest.split_at(length);
            rest = after;
            fields.push(content.to_vec());
        }
        let signature = fields.pop().expect("a signature ends it");
        let location = String::from_utf8(fields.remove(0)).expect("our location is text");
        Self { location, identifier: fields.remove(0), caveats: fields, signature }
    }

    /// The same in the V2 binary format, which is ours.
    pub fn v2(&self) -> Vec<u8> {
        self.v2_with_section(&[])
    }

    /// The same with a further section of fields (type and content) after the last caveat.
    pub fn v2_with_section(&self, section: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![2];
        write_field(&mut bytes, 1, self.location.as_bytes());
        write_field(&mut bytes, 2, &self.identifier);
        bytes.push(0);
        for caveat in &self.caveats {
            write_field(&mut bytes, 2, caveat);
            bytes.push(0);
        }
        for (kind, content) in section {
            write_field(&mut bytes, *kind, content);
        }
        if !section.is_empty() {
            bytes.push(0);
        }
        bytes.push(0);
        write_field(&mut bytes, 6, &self.signature);
        bytes
    }

    /// The same in the V1 format of old libraries.
    pub fn v1(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut packet = |key: &str, value: &[u8]| {
            bytes.extend_from_slice(format!("{:04x}{key} ", key.len() + value.len() + 6).as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        };
        packet("location", self.location.as_bytes());
        packet("identifier", &self.identifier);
        for caveat in &self.caveats {
            packet("cid", caveat);
        }
        packet("signature", &self.signature);
        bytes
    }

    /// The same in the V2 JSON format.
    pub fn json(&self) -> String {
        let caveats: Vec<_> =
            self.caveats.iter().map(|caveat| json!({ "i64": URL_SAFE_NO_PAD.encode(caveat) })).collect();
        json!({
            "v": 2,
            "l": self.location,
            "i64": URL_SAFE_NO_PAD.encode(&self.identifier),
            "c": caveats,
            "s64": URL_SAFE_NO_PAD.encode(&self.signature),
        })
        .to_string()
    }

    /// Bytes as the text of a token.
    pub fn text(bytes: &[u8]) -> String {
        format!("sgt_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Bytes in the other alphabet, without the prefix.
    pub fn standard_text(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }
}

fn write_field(bytes: &mut Vec<u8>, kind: u8, content: &[u8]) {
    bytes.push(kind);
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend_from_slice(content);
}
