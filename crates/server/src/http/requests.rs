//! Counts requests, by what is known of them beforehand: a caller can make no series.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::{Method, StatusCode};
use subgrant_metrics::{Collector, DescriptorEncoder, Histogram, Page, SECONDS};

/// Stands for what no route of the API answers: the page, its files, and what there is none of.
const OTHER_ROUTE: &str = "other";

/// The methods that are told apart, and what stands for all others (as OpenTelemetry calls it).
const METHODS: [&str; 8] = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "_OTHER"];

/// Status codes have three digits.
const STATUSES: std::ops::Range<u16> = 100..600;

/// Every request so far.
pub(super) struct Requests {
    matcher: matchit::Router<Route>,
    templates: Vec<String>,
    /// For each template, whether it has a call that takes no credential.
    for_anybody: Vec<bool>,
    /// For each template its methods, made when they are first used.
    counted: Vec<[OnceLock<Counted>; METHODS.len()]>,
}

/// A route of the API, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route(usize);

/// The requests of one method and route.
struct Counted {
    times: Histogram,
    by_status: Box<[AtomicU64]>,
}

impl Requests {
    /// For these routes, in the form `/delegation/{id}`, each with whether it has a call that takes no credential.
    pub(super) fn new(templates: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (templates, for_anybody): (Vec<_>, _) =
            std::iter::once((OTHER_ROUTE.to_owned(), true)).chain(templates).unzip();
        let mut matcher = matchit::Router::new();
        for (place, template) in templates.iter().enumerate().skip(1) {
            matcher.insert(template, Route(place)).expect("routes differ, as axum has found");
        }
        let counted = templates.iter().map(|_| Default::default()).collect();
        Self { matcher, templates, for_anybody, counted }
    }

    /// The route that a path belongs to.
    pub(super) fn route(&self, path: &str) -> Route {
        self.matcher.at(path).map_or(Route(0), |found| *found.value)
    }

    /// The template of a route, unless it is none.
    pub(super) fn template(&self, route: Route) -> Option<&str> {
        (route.0 > 0).then(|| self.templates[route.0].as_str())
    }

    /// Whether somebody without a credential may have business there.
    pub(super) fn is_for_anybody(&self, route: Route) -> bool {
        self.for_anybody[route.0]
    }

    /// Takes note of an answer, and of how long it took.
    pub(super) fn answered(&self, route: Route, method: &Method, status: StatusCode, took: Duration) {
        let counted = self.counted[route.0][place_of(method)].get_or_init(Counted::new);
        counted.times.observe(took);
        let place = usize::from(status.as_u16() - STATUSES.start);
        if let Some(count) = counted.by_status.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted, with method and route.
    fn counted(&self) -> impl Iterator<Item = (&'static str, &str, &Counted)> {
        self.templates.iter().zip(&self.counted).flat_map(|(template, methods)| {
            METHODS
                .into_iter()
                .zip(methods)
                .filter_map(move |(method, counted)| Some((method, template.as_str(), counted.get()?)))
        })
    }
}

impl Counted {
    fn new() -> Self {
        Self { times: Histogram::new(SECONDS), by_status: STATUSES.map(|_| AtomicU64::new(0)).collect() }
    }
}

/// A name for a method, of which clients may invent any number.
pub(super) fn method_name(method: &Method) -> &'static str {
    METHODS[place_of(method)]
}

fn place_of(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requests").field(&self.templates).finish()
    }
}

impl Collector for Requests {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page::new(encoder);
        let names: Vec<_> = STATUSES.map(|status| status.to_string()).collect();
        let by_status = self.counted().flat_map(|(method, route, counted)| {
            let statuses = names.iter().zip(&counted.by_status);
            let seen = statuses.map(|(status, count)| (status, count.load(Ordering::Relaxed)));
            seen.filter(|(_, count)| *count > 0).map(move |(status, count)| {
                ([("method", method), ("route", route), ("status", status.as_str())], count)
            })
        });
        page.counter_series("http_requests", "Requests that were answered", by_status)?;
        let times = self
            .counted()
            .map(|(method, route, counted)| ([("method", method), ("route", route)], &counted.times));
        let help = "Time from the head of a request to the head of its answer";
        page.seconds_series("http_request_duration", help, times)
    }
}

/// Which program it is.
#[derive(Debug)]
pub(super) struct Build;

impl Collector for Build {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        Page::new(encoder).info("build", "The program", &[("version", env!("CARGO_PKG_VERSION"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Requests {
        let templates = ["/api/cloud/delegation/{id}", "/api/cloud/delegation/self"];
        Requests::new(templates.map(|path| (path.to_owned(), false)))
    }

    #[test]
    fn a_path_belongs_to_the_most_exact_route_or_to_none() {
        let requests = requests();
        let template = |path| requests.templates[requests.route(path).0].as_str();
        assert_eq!(template("/api/cloud/delegation/dlg_1"), "/api/cloud/delegation/{id}");
        assert_eq!(template("/api/cloud/delegation/self"), "/api/cloud/delegation/self");
        for path in ["", "/", "*", "/api/cloud/delegation/", "/api/cloud/delegation/a/b", "/metrics"] {
            assert_eq!(template(path), OTHER_ROUTE, "{path}");
        }
    }

    #[test]
    fn invented_methods_share_one_name() {
        let requests = requests();
        for method in ["GET", "BREW", "WHEN", "get"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            requests.answered(Route(0), &method, StatusCode::OK, Duration::from_millis(1));
        }
        let methods: Vec<_> = requests.counted().map(|(method, ..)| method).collect();
        assert_eq!(methods, ["GET", "_OTHER"]);
    }
}
