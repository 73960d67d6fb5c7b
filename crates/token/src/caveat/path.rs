//! Paths of requests, in the one spelling that patterns are compared with.

/// The path of a request in normal form.
///
/// A gateway that decides by the path and the server behind it must not read the same bytes differently. Therefore a
/// path which some server might decode, merge, collapse or cut into another one is refused rather than repaired.
/// Letters, digits and `-._~` that were percent-encoded are decoded, other escapes written in upper case: the
/// equivalences of RFC 3986, section 6.2.2. The delimiters `:@!$&'()*+,=`, which mean themselves in a path, are decoded
/// too: servers read `%3A` and `:` alike. Case and a slash at the end are compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath(String);

/// The path cannot be compared with a pattern safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path has segments or escapes that servers read differently")]
pub struct UnsafePath;

/// The delimiters of RFC 3986 that a segment may hold, but for `;`, at which some servers cut it off.
const DELIMITERS: &[u8] = b":@!$&'()*+,=";

impl RequestPath {
    /// Reads a request target in origin form (`/path?query`). What follows the first `?` is no part of the path.
    ///
    /// Refused: empty segments except the last; the segments `.` and `..`, however written; segments that end with a
    /// space, which some servers cut off; `\`, `;`, `#`, control characters and non-ASCII bytes; an encoded `/`, `\`, `%`,
    /// `;`, `?`, `#` or control character; escapes that are not two hexadecimal digits or do not decode to UTF-8.
    pub fn new(target: &str) -> Result<Self, UnsafePath> {
        let (path, _query) = target.split_once('?').unwrap_or((target, ""));
        let path = Self::beginning(path)?;
        let has_end_cut_off = path.0.split('/').any(|segment| segment.ends_with("%20"));
        if has_end_cut_off { Err(UnsafePath) } else { Ok(path) }
    }

    /// Reads what a path begins with: its last segment may go on.
    pub(super) fn beginning(path: &str) -> Result<Self, UnsafePath> {
        let normal = normalise(path.as_bytes())?;
        let segments = normal.strip_prefix('/').ok_or(UnsafePath)?;
        let mut segments = segments.split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_inner_gap = segment.is_empty() && segments.peek().is_some();
            if is_inner_gap || matches!(segment, "." | "..") {
                return Err(UnsafePath);
            }
        }
        Ok(Self(normal))
    }

    /// The path in normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Whether a path is its own normal form but for delimiters that are escaped, in upper case.
pub(super) fn is_spelled_strictly(written: &str, normal: &str) -> bool {
    let mut rest = written;
    let is_next = |letter: char| {
        let escaped = u8::try_from(letter).ok().filter(|byte| DELIMITERS.contains(byte));
        let escaped = escaped.map(|byte| format!("%{byte:02X}"));
        let after = rest.strip_prefix(letter).or_else(|| rest.strip_prefix(escaped?.as_str()));
        rest = after.unwrap_or_default();
        after.is_some()
    };
    normal.chars().all(is_next) && rest.is_empty()
}

fn normalise(path: &[u8]) -> Result<String, UnsafePath> {
    let mut normal = String::with_capacity(path.len());
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    loop {
        match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let octet = hex_digit(*high)? << 4 | hex_digit(*low)?;
                push_escaped(&mut normal, octet)?;
                decoded.push(octet);
                rest = tail;
            }
            [byte, tail @ ..] => {
                if *byte != b'/' && !is_plain(*byte) {
                    return Err(UnsafePath);
                }
                normal.push(char::from(*byte));
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    // An overlong encoding of a dot or slash is not UTF-8, yet some decoders accept it.
    str::from_utf8(&decoded).map_err(|_| UnsafePath)?;
    Ok(normal)
}

fn push_escaped(normal: &mut String, octet: u8) -> Result<(), UnsafePath> {
    if is_plain(octet) {
        normal.push(char::from(octet));
    } else if octet.is_ascii_control() || b"/\\%;?#".contains(&octet) {
        return Err(UnsafePath);
    } else {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        normal.push('%');
        normal.push(char::from(DIGITS[usize::from(octet >> 4)]));
        normal.push(char::from(DIGITS[usize::from(octet & 15)]));
    }
    Ok(())
}

/// Whether the byte means itself in a segment, escaped or not.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || DELIMITERS.contains(&byte)
}

fn hex_digit(letter: u8) -> Result<u8, UnsafePath> {
    let digit = char::from(letter).to_digit(16).ok_or(UnsafePath)?;
    Ok(u8::try_from(digit).expect("a hexadecimal digit is below 16"))
}
