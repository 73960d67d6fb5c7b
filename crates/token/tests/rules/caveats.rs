//! Which caveats are understood, and how they are written.

use subgrant_domain::ActionSet;
use subgrant_token::{Caveat, CaveatError};

use crate::support::{SERVICE, refused, root_key, root_token, token};

fn error_of(text: &str) -> CaveatError {
    text.parse::<Caveat>().expect_err(&format!("{text:?} must be refused"))
}

#[test]
fn canonical_texts_are_written_as_they_were_read() {
    for text in [
        "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899",
        "budget = 1000",
        "budget = 0",
        "cost_center = Équipe données = 7",
        "department = R&D",
        "label = 👩\u{200d}🔬, agent",
        "expires = 2026-12-21T17:00:00Z",
        "expires = 2026-12-21T17:00:00.000001Z",
        "expires = 9998-12-31T23:59:59Z",
        "actions = spend,delegate,read",
        "max_per_spend = 9007199254740991",
        "limit = 100/day",
        "max_depth = 4294967295",
        "route = /v1/*,/,/*,/health,/a%20b/%C3%A9,/files/report-*",
        "route = /v1/gpt%3Arun,/v1/gpt:run,/a%2Cb,/a%2A",
        "method = GET,M-SEARCH",
        "source_ip = 10.0.0.0/8,0.0.0.0/0,2001:db8::/32,::1",
        "audience = svc_01jd0000000000000000000007",
        "services=subgrant:0,other_one:255",
        "subgrant_capabilities=spend,read.all",
        "subgrant_valid_until=1767225600",
    ] {
        let caveat: Caveat = text.parse().expect(text);
        assert_eq!(caveat.to_string(), text);
    }
}

#[test]
fn other_accepted_spellings_mean_the_same() {
    for (text, canonical) in [
        ("budget=5", "budget = 5"),
        ("budget   =  5", "budget = 5"),
        ("label = a=b", "label = a=b"),
        ("label ==", "label = ="),
        ("actions = read , spend,read", "actions = spend,read"),
        ("method = GET, POST", "method = GET,POST"),
        ("source_ip = 10.1.2.3/32, ::1/128", "source_ip = 10.1.2.3,::1"),
        ("source_ip = 2001:DB8:0::/32", "source_ip = 2001:db8::/32"),
        ("expires = 2026-12-21T17:00:00.500000Z", "expires = 2026-12-21T17:00:00.5Z"),
        ("services = subgrant:0", "services=subgrant:0"),
        ("subgrant_valid_until = 0", "subgrant_valid_until=0"),
    ] {
        assert_eq!(text.parse::<Caveat>().expect(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn unknown_names_are_told_from_malformed_caveats() {
    for text in [
        "account = 3735928559",
        "time = 2027",
        "_capabilities = read",
        "_valid_until = 5",
        "budgets = 5",
        "expires_ = 2026-12-21T17:00:00Z",
        "other = \u{202e}",
    ] {
        assert_eq!(error_of(text), CaveatError::Unknown, "{text}");
    }
    for text in [
        "",
        "=",
        " = 5",
        "budget",
        "time < 2027",
        "Budget = 5",
        " budget = 5",
        "budget\t= 5",
        "büdget = 5",
        "svc1_valid_until = 5",
        "a b = 5",
        "\u{feff}budget = 5",
    ] {
        assert_eq!(error_of(text), CaveatError::Malformed, "{text}");
    }
}

#[test]
fn a_refused_caveat_refuses_the_token_with_its_index() {
    for (text, reason) in [
        (b"account = 7".as_slice(), CaveatError::Unknown),
        (b"budget = x", CaveatError::Malformed),
        (b"label = \xff", CaveatError::Malformed),
        (b"", CaveatError::Malformed),
    ] {
        let caveats = [b"max_depth = 3".as_slice(), text, b"account = 8"];
        assert_eq!(token(&caveats).verify(&root_key()).unwrap_err(), refused(1, reason));
    }
}

#[test]
fn attenuation_refuses_values_that_have_no_text() {
    let nothing = Caveat::Actions(std::iter::empty().collect::<ActionSet>());
    let never = Caveat::Expires("9999-06-01T00:00:00Z".parse().unwrap());
    let long_list = Caveat::Method(["GET"; 65].join(",").parse().unwrap());
    for caveat in [nothing, never, long_list] {
        let valid: Caveat = format!("audience = {SERVICE}").parse().unwrap();
        let error = root_token().attenuate([&valid, &caveat]).unwrap_err();
        assert_eq!(error, refused(1, CaveatError::Malformed), "{caveat}");
    }
}

#[test]
fn instants_finer_than_microseconds_are_written_rounded_down() {
    let caveat = Caveat::Expires("2026-12-21T17:00:00.123456789Z".parse().unwrap());
    assert_eq!(caveat.to_string(), "expires = 2026-12-21T17:00:00.123456Z");
    let caveat = Caveat::Expires("2026-12-21T17:00:00.000000999Z".parse().unwrap());
    assert_eq!(caveat.to_string(), "expires = 2026-12-21T17:00:00Z");
}
