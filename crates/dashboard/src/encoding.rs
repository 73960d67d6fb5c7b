//! Which compression a client understands (RFC 9110, 12.5.3).

use axum::http::{HeaderMap, header};

/// A compression that files were stored in when the page was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// In the words of `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file in this encoding ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// What the client takes, the smallest first.
pub(crate) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Encoding> {
    [Encoding::Brotli, Encoding::Gzip].into_iter().filter(|encoding| accepts(headers, *encoding))
}

fn accepts(headers: &HeaderMap, encoding: Encoding) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|entry| {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = parameters.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding.name()) && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepted_of(text: &'static str) -> Vec<Encoding> {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
        accepted(&headers).collect()
    }

    #[test]
    fn the_best_of_what_is_accepted_comes_first() {
        assert_eq!(accepted_of("gzip, deflate, br, zstd"), [Encoding::Brotli, Encoding::Gzip]);
        assert_eq!(accepted_of("GZIP;q=0.5"), [Encoding::Gzip]);
    }

    #[test]
    fn what_is_excluded_or_only_resembles_is_not_used() {
        for text in ["br;q=0, gzip; q=0.000", "brotli, x-gzip", "identity", ""] {
            assert!(accepted_of(text).is_empty(), "{text}");
        }
    }
}
