//! Whether requests meet a token's conditions.

use std::net::IpAddr;

use subgrant_token::{CaveatFailure, RequestContext, RequestPath};

use crate::support::{SERVICE, verify};

const NOW: &str = "2026-12-01T00:00:00Z";

fn nothing_known() -> RequestContext<'static> {
    RequestContext::at(NOW.parse().unwrap())
}

fn check(caveats: &[&str], request: &RequestContext<'_>) -> Result<(), CaveatFailure> {
    verify(caveats).unwrap().scope().check_request(request)
}

fn check_path(route: &str, path: &str) -> Result<(), CaveatFailure> {
    let request = RequestContext { path: Some(path), ..nothing_known() };
    check(&[&format!("route = {route}")], &request)
}

fn check_address(networks: &str, address: &str) -> Result<(), CaveatFailure> {
    let address: IpAddr = address.parse().unwrap();
    let caveat = format!("source_ip = {networks}");
    let verified = verify(&[&caveat]).unwrap();
    let request = RequestContext { source_ip: Some(address), ..nothing_known() };
    let result = verified.scope().check_request(&request);
    assert_eq!(verified.scope().check_source_ip(address), result);
    result
}

#[test]
fn a_token_without_conditions_needs_no_context() {
    assert_eq!(check(&[], &nothing_known()), Ok(()));
    assert_eq!(check(&["budget = 5", "label = x"], &nothing_known()), Ok(()));
}

#[test]
fn a_token_expires_at_its_instant_not_after_it() {
    let at = |at: &str| RequestContext::at(at.parse().unwrap());
    let token = ["expires = 2026-12-01T00:00:00Z", "expires = 2027-12-01T00:00:00Z"];
    let expired = Err(CaveatFailure::Expired { at: NOW.parse().unwrap() });
    assert_eq!(check(&token, &at("2026-11-30T23:59:59.999999999Z")), Ok(()));
    assert_eq!(check(&token, &at("2026-12-01T00:00:00Z")), expired);
    assert_eq!(check(&token, &at("2026-12-01T00:00:01Z")), expired);
}

#[test]
fn every_condition_without_its_context_is_refused() {
    for (text, caveat) in [
        (&*format!("audience = {SERVICE}"), "audience"),
        ("source_ip = 0.0.0.0/0,::/0", "source_ip"),
        ("method = GET", "method"),
        ("route = /*", "route"),
        ("services = subgrant:0", "services"),
        ("subgrant_capabilities = read", "capabilities"),
        ("subgrant_valid_until = 4000000000", "valid_until"),
    ] {
        let expected = Err(CaveatFailure::MissingContext { caveat });
        assert_eq!(check(&[text], &nothing_known()), expected, "{text}");
    }
}

#[test]
fn the_audience_is_one_service() {
    let token = [format!("audience = {SERVICE}")];
    let token = [token[0].as_str()];
    let at_service = |id: &str| RequestContext { service: id.parse().ok(), ..nothing_known() };
    assert_eq!(check(&token, &at_service(SERVICE)), Ok(()));
    let other = at_service("svc_01jd0000000000000000000008");
    assert_eq!(check(&token, &other), Err(CaveatFailure::Audience));
}

#[test]
fn methods_are_compared_exactly_and_every_list_counts() {
    let with = |method| RequestContext { method: Some(method), ..nothing_known() };
    let token = ["method = GET,POST", "method = POST,PUT"];
    assert_eq!(check(&token, &with("POST")), Ok(()));
    for method in ["GET", "PUT", "post", "POST ", "", "POST,PUT"] {
        assert_eq!(check(&token, &with(method)), Err(CaveatFailure::Method), "{method}");
    }
}

#[test]
fn routes_match_whole_segments_and_the_rest() {
    for (route, path) in [
        ("/v1/*", "/v1/"),
        ("/v1/*", "/v1/a"),
        ("/v1/*", "/v1/a/b/"),
        ("/v1/*", "/v1/a?x=/../y"),
        ("/v1", "/v1?"),
        ("/v1/*", "/%76%31/a"),
        ("/*", "/"),
        ("/a%20b", "/a%20b"),
        ("/%C3%A9/*", "/%c3%a9/x"),
        ("/x,/v1/*", "/v1/a"),
        ("/files/report-*", "/files/report-1.pdf"),
        ("/v1/*", "/v1/..."),
        ("/v1/*", "/v1/a:b@c=d"),
        ("/a%20b/", "/a%20b/"),
        ("/a%20*", "/a%20b"),
        ("/~x", "/%7Ex"),
    ] {
        assert_eq!(check_path(route, path), Ok(()), "{route} {path}");
    }
    for (route, path) in [
        ("/v1/*", "/v1"),
        ("/v1/*", "/v10"),
        ("/v1/*", "/v10/a"),
        ("/v1/*", "/V1/a"),
        ("/v1/*", "/v2?/v1/"),
        ("/v1", "/v1/"),
        ("/v1", "/v1/a"),
        ("/v1/*", "/"),
        ("/a%20b", "/a+b"),
    ] {
        assert_eq!(check_path(route, path), Err(CaveatFailure::Route), "{route} {path}");
    }
}

/// Servers read both alike, so that a price or a token's scope must not depend on the spelling.
#[test]
fn delimiters_are_the_same_escaped_or_not_in_paths_and_in_patterns() {
    for letter in ":@!$&'()*+,=".chars() {
        let (upper, lower) = (format!("%{:02X}", u32::from(letter)), format!("%{:02x}", u32::from(letter)));
        for path in [format!("/a{letter}b"), format!("/a{upper}b"), format!("/a{lower}b")] {
            assert_eq!(check_path(&format!("/a{upper}b"), &path), Ok(()), "{letter} {path}");
            assert_eq!(check_path(&format!("/a{upper}*"), &path), Ok(()), "{letter} {path}");
            // These two mean something else in a list of patterns.
            if !"*,".contains(letter) {
                assert_eq!(check_path(&format!("/a{letter}b"), &path), Ok(()), "{letter} {path}");
            }
            assert_eq!(RequestPath::new(&path).expect("it is a path").as_str(), format!("/a{letter}b"));
            assert_eq!(check_path("/ab", &path), Err(CaveatFailure::Route), "{letter} {path}");
        }
    }
    assert_eq!(check_path("/a%2A", "/a/b"), Err(CaveatFailure::Route), "no star of a pattern");
}

#[test]
fn every_route_caveat_must_match() {
    let token = ["route = /v1/*,/v2/*", "route = /v1/a,/v2/*"];
    let with = |path| RequestContext { path: Some(path), ..nothing_known() };
    assert_eq!(check(&token, &with("/v1/a")), Ok(()));
    assert_eq!(check(&token, &with("/v1/b")), Err(CaveatFailure::Route));
}

#[test]
fn paths_that_servers_read_differently_never_match() {
    for path in [
        "/v1/../admin",
        "/v1/..",
        "/v1/.",
        "/v1/./a",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/%2e",
        "/v1//admin",
        "//v1/a",
        "/v1/..%2fadmin",
        "/v1/..%5cadmin",
        "/v1/..\\admin",
        "/v1/%252e%252e/admin",
        "/v1/..;/admin",
        "/v1/a;b",
        "/v1/a%3b",
        "/v1/a%00",
        "/v1/a%0d%0a",
        "/v1/a\n",
        "/v1/%c0%ae%c0%ae/admin",
        "/v1/é",
        "/v1/a b",
        "/v1/%",
        "/v1/%4",
        "/v1/%zz",
        "/v1/%+1",
        "/v1/a#b",
        "/v1/a%3fb",
        "/v1/a%253Ab",
        "/v1/a%20",
        "/v1/%20",
        "/v1/a%20/b",
        "/v1/a%23b",
        "/v1/a|b",
        "",
        "v1/a",
        "*",
        "http://host/v1/a",
        "?/v1/a",
    ] {
        assert_eq!(check_path("/v1/*", path), Err(CaveatFailure::UnsafePath), "{path:?}");
        assert_eq!(check_path("/*", path), Err(CaveatFailure::UnsafePath), "{path:?}");
        assert!(RequestPath::new(path).is_err());
    }
    // Without a route caveat nothing is decided by the path.
    let request = RequestContext { path: Some("/v1/../admin"), ..nothing_known() };
    assert_eq!(check(&[], &request), Ok(()));
}

#[test]
fn addresses_match_networks_of_their_own_family() {
    for (networks, address) in [
        ("10.0.0.0/8", "10.255.255.255"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("192.0.2.0/24, 2001:db8::/32", "2001:db8::7"),
        ("0.0.0.0/0", "8.8.8.8"),
        ("::/0", "2001:db8::7"),
    ] {
        assert_eq!(check_address(networks, address), Ok(()), "{networks} {address}");
    }
    for (networks, address) in [
        ("10.0.0.0/8", "11.0.0.0"),
        ("10.1.2.3", "10.1.2.4"),
        ("0.0.0.0/0", "::1"),
        ("::/0", "10.1.2.3"),
        ("::/0", "::ffff:10.1.2.3"),
        ("2001:db8::/32", "2001:db9::"),
    ] {
        assert_eq!(check_address(networks, address), Err(CaveatFailure::SourceIp), "{networks} {address}");
    }
    let request = RequestContext { source_ip: Some("10.1.2.3".parse().unwrap()), ..nothing_known() };
    let token = ["source_ip = 10.0.0.0/8", "source_ip = 10.2.0.0/16"];
    assert_eq!(check(&token, &request), Err(CaveatFailure::SourceIp));
}

#[test]
fn l402_conditions_apply_at_their_service() {
    let at = |service, capability| RequestContext {
        l402_service: Some(service),
        l402_capability: capability,
        ..nothing_known()
    };
    let token =
        ["services=subgrant:0,other:1", "subgrant_capabilities=read,spend", "subgrant_capabilities=spend"];
    assert_eq!(check(&token, &at("subgrant", Some("spend"))), Ok(()));
    assert_eq!(check(&token, &at("subgrant", Some("read"))), Err(CaveatFailure::L402Capability));
    assert_eq!(check(&token, &at("other", None)), Ok(()));
    assert_eq!(check(&token, &at("third", None)), Err(CaveatFailure::L402Service));
    let missing = CaveatFailure::MissingContext { caveat: "capabilities" };
    assert_eq!(check(&token, &at("subgrant", None)), Err(missing));
    let narrowed = ["services=subgrant:0,other:1", "services=other:1"];
    assert_eq!(check(&narrowed, &at("subgrant", None)), Err(CaveatFailure::L402Service));

    let until = nothing_known().at;
    let valid_until = format!("subgrant_valid_until={}", until.as_second());
    assert_eq!(check(&[&valid_until], &at("subgrant", None)), Err(CaveatFailure::Expired { at: until }));
    assert_eq!(check(&[&valid_until], &at("other", None)), Ok(()));
    let later = format!("subgrant_valid_until={}", until.as_second() + 1);
    assert_eq!(check(&[&later], &at("subgrant", None)), Ok(()));
}
