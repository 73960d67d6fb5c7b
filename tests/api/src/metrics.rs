//! What `/metrics` says, read strictly.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;

use crate::Api;

/// One answer of `/metrics`.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// As it came.
    pub text: String,
    /// The value of each series, by its name with its labels.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Asks a server.
    pub async fn of(api: &Api) -> Self {
        let response = api.request_at(Method::GET, "/metrics").send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::read(response.text().await.unwrap())
    }

    /// Reads OpenMetrics text: fails on a series twice, a family twice, and anything that follows the end.
    pub fn read(text: String) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the text has its end");
        let (mut series, mut families) = (BTreeMap::new(), BTreeSet::new());
        for line in body.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert!(families.insert(kind.to_owned()), "{kind} comes twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert_eq!(series.insert(name.to_owned(), value), None, "{name} comes twice");
            }
        }
        Self { text, series }
    }

    /// The sum of all series of that name that have these labels, as in `result="sent"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let is_meant = |series: &str| {
            let (of, rest) = series.split_once('{').unwrap_or((series, ""));
            of == name && labels.iter().all(|label| rest.contains(label))
        };
        self.series.iter().filter(|(series, _)| is_meant(series)).map(|(_, value)| value).sum()
    }

    /// The same of whole numbers.
    pub fn count(&self, name: &str, labels: &[&str]) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "tests count to some thousands"
        )]
        let count = self.sum(name, labels) as u64;
        count
    }
}
