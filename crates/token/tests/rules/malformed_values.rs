//! Values that are not of the form that their caveat demands.

use subgrant_token::{Caveat, CaveatError};

fn error_of(text: &str) -> CaveatError {
    text.parse::<Caveat>().expect_err(&format!("{text:?} must be refused"))
}

#[test]
fn malformed_values_are_refused() {
    let long_label = format!("label = {}", "x".repeat(257));
    let long_list = format!("method = {}G", "G,".repeat(128));
    let cases: &[(&str, &[&str])] = &[
        ("budget", &["", "-1", "+1", "01", "1.0", "1e3", "9007199254740992", "٣", "5 ", "\t5", "1_000"]),
        ("max_per_spend", &["", "-1", "1.5"]),
        ("max_depth", &["", "-1", "00", "4294967296", "1 "]),
        ("limit", &["100", "0/day", "100/fortnight", "100 / day", "100/day,5/hour", "/day"]),
        ("actions", &["", "Spend", "spend,,read", "spend ", "spend,", "spend\u{a0}", "all", "*"]),
        ("audience", &["", "svc_", "dlg_01jd0000000000000000000007", "svc_01JD0000000000000000000007"]),
        ("label", &["", " ", "a\nb", "a\u{0}b", "a\u{202e}b", "a\u{2066}b", "a\u{7f}", "x\u{2028}", "x "]),
        ("cost_center", &["", "a\rb", "a\u{200f}b"]),
        ("department", &["", "a\u{85}b"]),
    ];
    for (name, values) in cases {
        for value in *values {
            assert_eq!(error_of(&format!("{name} = {value}")), CaveatError::Malformed, "{name} {value:?}");
        }
    }
    assert_eq!(error_of(&long_label), CaveatError::Malformed);
    assert_eq!(error_of(&long_list), CaveatError::Malformed);
}

#[test]
fn malformed_claims_are_refused() {
    for value in [
        "dlg_01jd0000000000000000000001",
        "dlg_01jd0000000000000000000001.",
        "dlg_01jd0000000000000000000001.9f2c0011223344556677889",
        "dlg_01jd0000000000000000000001.9f2c001122334455667788990",
        "dlg_01jd0000000000000000000001.9f2c0011223344556677889900",
        "dlg_01jd0000000000000000000001.9F2C00112233445566778899",
        "dlg_01jd0000000000000000000001.+f2c00112233445566778899",
        "svc_01jd0000000000000000000001.9f2c00112233445566778899",
        "dlg_81jd0000000000000000000001.9f2c00112233445566778899",
    ] {
        assert_eq!(error_of(&format!("delegation = {value}")), CaveatError::Malformed, "{value}");
    }
}

#[test]
fn malformed_instants_are_refused() {
    for value in [
        "2026-12-21",
        "2026-12-21T17:00Z",
        "2026-12-21T17:00:00",
        "2026-12-21t17:00:00Z",
        "2026-12-21T17:00:00z",
        "2026-12-21 17:00:00Z",
        "2026-12-21T17:00:00+00:00",
        "2026-12-21T17:00:00+01:00",
        "2026-12-21T17:00:00,5Z",
        "2026-12-21T17:00:00.Z",
        "2026-12-21T17:00:00.1234567Z",
        "2026-12-21T17:00:00Z[UTC]",
        "2026-12-21T17:00:60Z",
        "2026-12-21T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "+02026-12-21T17:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-01-01T00:00:00Z",
        "1767225600",
    ] {
        assert_eq!(error_of(&format!("expires = {value}")), CaveatError::Malformed, "{value}");
    }
    for value in ["", "-1", "01", "1.5", "253370764800", "99999999999999999999"] {
        assert_eq!(error_of(&format!("subgrant_valid_until={value}")), CaveatError::Malformed, "{value}");
    }
}

#[test]
fn malformed_gateway_conditions_are_refused() {
    let cases: &[(&str, &[&str])] = &[
        (
            "route",
            &[
                "",
                "v1",
                "*",
                "/v1/*/x",
                "/v1/**",
                "/v1//x",
                "/v1/../x",
                "/v1/./*",
                "/v1/..*",
                "/v1?x=1",
                "/v1;x",
                "/v1\\x",
                "/v1/%2e%2e/x",
                "/v1/%2F*",
                "/%c3%a9",
                "/%C3%A",
                "/a b",
                "/é",
                "/v1,",
                "/v1/%00",
                "/%61",
                "/a%3ab",
                "/a%253Ab",
                "/%7E",
            ],
        ),
        ("method", &["", "get", "GET,", "GET ", "GET POST", "-GET", "*", "G3T"]),
        (
            "source_ip",
            &[
                "",
                "10.0.0.0/33",
                "10.0.0.1/8",
                "10.0.0/8",
                "010.0.0.0/8",
                "10.0.0.0/08",
                "10.0.0.0/",
                "::ffff:10.0.0.1",
                "::ffff:0.0.0.0/96",
                "2001:db8::1/32",
                "fe80::1%eth0",
                "localhost",
                "10.0.0.0/8,",
            ],
        ),
        (
            "services",
            &[
                "",
                "subgrant",
                "subgrant:",
                "subgrant:256",
                "subgrant:-1",
                "subgrant:00",
                "Sub:0",
                ":0",
                "a:0,",
            ],
        ),
        ("subgrant_capabilities", &["", ",", "a,", "a b", "é"]),
    ];
    for (name, values) in cases {
        for value in *values {
            assert_eq!(error_of(&format!("{name} = {value}")), CaveatError::Malformed, "{name} {value:?}");
        }
    }
}
