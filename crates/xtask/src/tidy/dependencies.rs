//! Which crate may depend on which: the picture in ARCHITECTURE.md, as a table.

use serde_json::Value;

/// What a crate of the workspace may use of the workspace. A crate that is not in the table is a finding, so
/// that each new one gets its place.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("embedded-postgres", &[]),
    ("subgrant-api", &["subgrant-domain"]),
    (
        "subgrant-bench",
        &[
            "embedded-postgres",
            "subgrant-domain",
            "subgrant-service",
            "subgrant-store",
            "subgrant-tests",
            "subgrant-token",
        ],
    ),
    ("subgrant-client", &["subgrant-api", "subgrant-domain", "subgrant-token"]),
    ("subgrant-dashboard", &["subgrant-api", "subgrant-domain", "subgrant-service"]),
    ("subgrant-domain", &[]),
    ("subgrant-metrics", &[]),
    (
        "subgrant-server",
        &[
            "embedded-postgres",
            "subgrant-api",
            "subgrant-dashboard",
            "subgrant-domain",
            "subgrant-metrics",
            "subgrant-service",
            "subgrant-store",
            "subgrant-token",
        ],
    ),
    ("subgrant-service", &["subgrant-domain", "subgrant-metrics", "subgrant-store", "subgrant-token"]),
    ("subgrant-store", &["subgrant-domain", "subgrant-metrics"]),
    (
        "subgrant-tests",
        &[
            "embedded-postgres",
            "subgrant-api",
            "subgrant-client",
            "subgrant-domain",
            "subgrant-server",
            "subgrant-service",
            "subgrant-store",
            "subgrant-token",
        ],
    ),
    ("subgrant-token", &["subgrant-domain"]),
    ("xtask", &["embedded-postgres"]),
];

/// Foreign crates that only one of ours may have in its library or program.
const RESERVED: [(&str, &[&str], &str); 3] = [
    (
        "sqlx",
        &["subgrant-store", "subgrant-tests", "subgrant-bench"],
        "all SQL is in the store, but for what tests look up",
    ),
    ("jiff-sqlx", &["subgrant-store"], "all SQL is in the store"),
    ("macaroon", &["subgrant-bench"], "it is there for tests to compare with"),
];

/// Takes what `cargo metadata --no-deps` prints.
pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let members: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    packages.iter().flat_map(|package| check_package(package, &members)).collect()
}

fn check_package(package: &Value, members: &[&str]) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, may_use)) = MAY_USE.iter().find(|(listed, _)| *listed == name) else {
        return vec![format!("{name}: say in crates/xtask/src/tidy/dependencies.rs what it may depend on")];
    };
    let mut findings = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let used = dependency["name"].as_str().unwrap_or_default();
        let is_for_tests = dependency["kind"] == "dev";
        let is_leaf = ["subgrant-server", "xtask"].contains(&used);
        // Tests may reach further, but never to the ends of the graph.
        if members.contains(&used) && !may_use.contains(&used) && (is_leaf || !is_for_tests) {
            findings.push(format!("{name} must not depend on {used}"));
        }
        let reserved = RESERVED.iter().find(|(reserved, _, _)| *reserved == used);
        if let Some((_, holders, reason)) = reserved
            && !holders.contains(&name)
            && !is_for_tests
        {
            findings.push(format!("{name} must not depend on {used}: {reason}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of all known crates, in which one depends on something.
    fn findings(name: &str, dependency: &str, kind: &str) -> Vec<String> {
        let packages: Vec<Value> = MAY_USE
            .iter()
            .map(|(member, _)| {
                let uses = serde_json::json!([{ "name": dependency, "kind": kind }]);
                let dependencies = if *member == name { uses } else { serde_json::json!([]) };
                serde_json::json!({ "name": member, "dependencies": dependencies })
            })
            .collect();
        check(&serde_json::json!({ "packages": packages }))
    }

    #[test]
    fn a_dependency_against_the_arrows_is_found() {
        assert_eq!(
            findings("subgrant-domain", "subgrant-store", "normal"),
            ["subgrant-domain must not depend on subgrant-store"]
        );
        assert!(findings("subgrant-store", "subgrant-domain", "normal").is_empty());
    }

    #[test]
    fn nothing_depends_on_the_server_not_even_for_tests() {
        assert_eq!(findings("subgrant-service", "subgrant-server", "dev").len(), 1);
        assert!(findings("subgrant-service", "subgrant-api", "dev").is_empty());
    }

    #[test]
    fn only_the_store_has_sqlx_and_only_tests_have_the_other_macaroons() {
        assert_eq!(findings("subgrant-service", "sqlx", "normal").len(), 1);
        assert!(findings("subgrant-store", "sqlx", "normal").is_empty());
        assert!(findings("subgrant-server", "sqlx", "dev").is_empty());
        assert_eq!(findings("subgrant-token", "macaroon", "normal").len(), 1);
        assert!(findings("subgrant-token", "macaroon", "dev").is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_a_finding() {
        let metadata = serde_json::json!({ "packages": [{ "name": "subgrant-new", "dependencies": [] }] });
        assert_eq!(check(&metadata).len(), 1);
    }
}
