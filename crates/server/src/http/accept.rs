//! Which representation a caller wants (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// How well a media range fits: the caller's weight in thousandths, how exact the range is, and how early it stands.
type Rank = (u16, u8, std::cmp::Reverse<usize>);

/// The position of the offer that the header `Accept` prefers; the first where it does not say or prefers none. `None`
/// where it takes none of them.
pub(crate) fn preferred(headers: &HeaderMap, offers: &[&str]) -> Option<usize> {
    let fields = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let text = fields.collect::<Vec<_>>().join(",");
    if text.trim().is_empty() {
        return Some(0);
    }
    let ranges: Vec<_> = text.split(',').filter_map(parse).collect();
    let ranked = offers.iter().enumerate().filter_map(|(offer, name)| Some((rank(&ranges, name)?, offer)));
    ranked.max_by_key(|(rank, offer)| (*rank, std::cmp::Reverse(*offer))).map(|(_, offer)| offer)
}

/// `text/csv;q=0.8` → the range in lower case, and 800.
fn parse(element: &str) -> Option<(String, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next().filter(|range| range.contains('/'))?.to_ascii_lowercase();
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    Some((range, weight.map_or(Some(1_000), thousandths)?))
}

/// 0, 1, or one with up to three decimals.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let is_weight =
        matches!(whole, "0" | "1") && decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let value: u16 = is_weight.then(|| format!("{whole}{decimals:0<3}"))?.parse().ok()?;
    (value <= 1_000).then_some(value)
}

/// The most exact range that covers an offer decides.
fn rank(ranges: &[(String, u16)], offer: &str) -> Option<Rank> {
    let kind = offer.split('/').next().unwrap_or_default();
    let exactness = |range: &str| match range.split_once('/') {
        Some(("*", "*")) => Some(0),
        Some((this, "*")) if this == kind => Some(1),
        _ => (range == offer).then_some(2),
    };
    let covering = ranges.iter().enumerate().filter_map(|(position, (range, weight))| {
        exactness(range).map(|exactness| (exactness, std::cmp::Reverse(position), *weight))
    });
    let (exactness, position, weight) = covering.max()?;
    (weight > 0).then_some((weight, exactness, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &[&str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        let offers = ["application/json", "text/csv"];
        preferred(&headers, &offers).map(|offer| offers[offer])
    }

    #[test]
    fn the_caller_decides_by_weight_then_by_exactness_then_by_order() {
        let (json, csv) = (Some("application/json"), Some("text/csv"));
        for (accept, expected) in [
            ("", json),
            ("*/*", json),
            ("text/csv", csv),
            ("TEXT/CSV; charset=utf-8", csv),
            ("text/*", csv),
            ("application/*", json),
            ("text/csv, application/json;q=0.9", csv),
            ("text/csv;q=0.5, application/json;q=0.9", json),
            ("text/csv, */*", csv),
            ("text/csv;q=0.1, */*;q=0.2", json),
            ("application/json, text/csv", json),
            ("text/csv, application/json", csv),
            ("text/csv;q=0, */*", json),
            ("application/json;q=0, */*;q=0.1", csv),
            ("text/html, application/xml;q=0.9", None),
            ("text/csv;q=0", None),
            ("text/csv;q=2, text/html", None),
            ("nonsense", None),
        ] {
            assert_eq!(chosen(&[accept]), expected, "{accept}");
        }
        assert_eq!(chosen(&[]), json);
        assert_eq!(chosen(&["text/html", "text/csv"]), csv);
    }
}
