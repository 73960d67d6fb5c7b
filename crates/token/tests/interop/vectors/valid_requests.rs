//! Tokens with conditions on requests, and which requests meet them.

use serde_json::{Value, json};

use super::build::{MadeBy, Valid};
use crate::support::l402_identifier;

const NOW: &str = "2026-12-01T00:00:00Z";

pub(super) fn vectors() -> Vec<Value> {
    vec![routes(), delimiters(), unsafe_paths(), addresses(), expiry(), audience(), l402()]
}

/// A request at [`NOW`] with these fields, and how it is judged: `allowed`, or the code of the failure.
fn judged(mut request: Value, outcome: &str) -> Value {
    let fields = request.as_object_mut().expect("a request is an object");
    fields.entry("at").or_insert(json!(NOW));
    json!({ "request": request, "outcome": outcome })
}

fn routes() -> Value {
    let get = |path: &str, outcome| judged(json!({ "method": "GET", "path": path }), outcome);
    Valid {
        requests: vec![
            get("/v1/a", "allowed"),
            get("/v1/a/b?x=/../y", "allowed"),
            get("/%76%31/a", "allowed"),
            get("/v1/", "allowed"),
            get("/v1", "route"),
            get("/v10", "route"),
            get("/V1/a", "route"),
            get("/health", "route"),
            judged(json!({ "method": "POST", "path": "/v1/a" }), "method"),
            judged(json!({ "method": "get", "path": "/v1/a" }), "method"),
            judged(json!({ "method": "GET" }), "missing_context"),
            judged(json!({ "path": "/v1/a" }), "missing_context"),
        ],
        ..Valid::new(
            "routes and methods intersect",
            MadeBy::Pymacaroons,
            &["route = /v1/*,/health", "route = /v1/*", "method = GET,POST", "method = GET"],
        )
    }
    .vector()
}

/// The delimiters `:@!$&'()*+,=` mean the same escaped and not, on both sides.
fn delimiters() -> Value {
    let paths = |paths: &[&str], outcome| {
        paths.iter().map(|path| judged(json!({ "path": path }), outcome)).collect::<Vec<_>>()
    };
    let allowed = [
        "/v1/gpt:run",
        "/v1/gpt%3Arun",
        "/v1/gpt%3arun",
        "/v1/a!b",
        "/v1/a%21b",
        "/v1/c,d",
        "/v1/c%2Cd",
        "/v1/e*",
        "/v1/e%2a",
        "/v1/~f/$&'()+=@",
        "/v1/%7ef/%24%26%27%28%29%2B%3D%40",
    ];
    let refused = ["/v1/gpt", "/v1/gpt:", "/v1/GPT:run", "/v1/gpt:run/", "/v1/a", "/v1/c", "/v1/ef"];
    Valid {
        requests: [paths(&allowed, "allowed"), paths(&refused, "route")].concat(),
        ..Valid::new(
            "delimiters have one normal form",
            MadeBy::Pymacaroons,
            &["route = /v1/gpt%3Arun,/v1/a!b,/v1/c%2Cd,/v1/e%2A,/v1/~f/$*"],
        )
    }
    .vector()
}

fn unsafe_paths() -> Value {
    let paths = [
        "/v1/../admin",
        "/v1/..",
        "/v1/./a",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1//admin",
        "//v1/a",
        "/v1/..%2fadmin",
        "/v1/..%5cadmin",
        "/v1/..\\admin",
        "/v1/%252e%252e/admin",
        "/v1/..;/admin",
        "/v1/a;b",
        "/v1/a%00",
        "/v1/%c0%ae%c0%ae/admin",
        "/v1/é",
        "/v1/a b",
        "/v1/%zz",
        "/v1/%4",
        "/v1/a#b",
        "/v1/a%3fb",
        "/v1/a%20",
        "/v1/a%20/b",
        "/v1/a%253Ab",
        "v1/a",
        "http://host/v1/a",
        "",
    ];
    Valid {
        requests: paths.map(|path| judged(json!({ "path": path }), "unsafe_path")).to_vec(),
        ..Valid::new("paths that servers read differently", MadeBy::Subgrant, &["route = /*"])
    }
    .vector()
}

fn addresses() -> Value {
    let from = |address: &str, outcome| judged(json!({ "source_ip": address }), outcome);
    Valid {
        canonical: Some(&[
            "source_ip = 10.0.0.0/8,2001:db8::/32,192.0.2.7",
            "source_ip = 0.0.0.0/0,2001:db8:1::/48",
        ]),
        requests: vec![
            from("10.255.255.255", "allowed"),
            from("::ffff:10.1.2.3", "allowed"),
            from("192.0.2.7", "allowed"),
            from("2001:db8:1::5", "allowed"),
            from("192.0.2.8", "source_ip"),
            from("11.0.0.0", "source_ip"),
            from("2001:db8:2::5", "source_ip"),
            from("::1", "source_ip"),
            judged(json!({}), "missing_context"),
        ],
        ..Valid::new(
            "networks intersect",
            MadeBy::Macaroon,
            &["source_ip = 10.0.0.0/8, 2001:db8::/32, 192.0.2.7", "source_ip = 0.0.0.0/0,2001:DB8:1:0::/48"],
        )
    }
    .vector()
}

fn expiry() -> Value {
    let at = |at: &str, outcome| judged(json!({ "at": at }), outcome);
    Valid {
        scope: json!({ "expires": NOW }),
        requests: vec![
            at("2026-11-30T23:59:59.999999Z", "allowed"),
            at(NOW, "expired"),
            at("2026-12-01T00:00:00.000001Z", "expired"),
        ],
        ..Valid::new(
            "expiry is exclusive",
            MadeBy::Subgrant,
            &["expires = 2027-01-01T00:00:00Z", "expires = 2026-12-01T00:00:00Z"],
        )
    }
    .vector()
}

fn audience() -> Value {
    let service = "svc_01jd0000000000000000000007";
    Valid {
        scope: json!({ "audience": service }),
        requests: vec![
            judged(json!({ "service": service }), "allowed"),
            judged(json!({ "service": "svc_01jd0000000000000000000008" }), "audience"),
            judged(json!({}), "missing_context"),
        ],
        ..Valid::new("an audience", MadeBy::Subgrant, &["audience = svc_01jd0000000000000000000007"])
    }
    .vector()
}

fn l402() -> Value {
    let at = |fields: Value, outcome| judged(fields, outcome);
    Valid {
        identifier: l402_identifier(),
        requests: vec![
            at(json!({ "l402_service": "subgrant", "l402_capability": "spend" }), "allowed"),
            at(json!({ "l402_service": "subgrant", "l402_capability": "read" }), "l402_capability"),
            at(json!({ "l402_service": "subgrant" }), "missing_context"),
            at(json!({ "l402_service": "other" }), "allowed"),
            at(json!({ "l402_service": "third" }), "l402_service"),
            at(json!({}), "missing_context"),
            at(json!({ "l402_service": "other", "at": "2030-01-01T00:00:00Z" }), "allowed"),
            at(
                json!({ "l402_service": "subgrant", "l402_capability": "spend", "at": "2027-01-01T00:00:00Z" }),
                "expired",
            ),
        ],
        ..Valid::new("sold through L402", MadeBy::Subgrant, &[
            "services=subgrant:0,other:1",
            "subgrant_capabilities=spend,read",
            "subgrant_capabilities=spend",
            "subgrant_valid_until=1798761600",
        ])
    }
    .vector()
}
