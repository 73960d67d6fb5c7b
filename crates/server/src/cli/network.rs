//! Options about clients and their connections.

use clap::{Args, builder::BoolishValueParser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    connections::ConnectionLimits,
    http::{HttpOptions, MetricsFor, TrustedProxies, TrustedProxy},
};

/// File descriptors for everything but clients and the database: sockets that listen, standard streams, the runtime, mail,
/// webhooks, traces, clients that are just being refused.
const OTHER_FILES: u64 = 64;

/// More are of no use: the connections have a limit of their own.
const MOST_FILES: u64 = 65_536;

/// What is known of clients and proxies, and how much they may take.
#[derive(Args)]
pub(super) struct NetworkArgs {
    /// A network of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.
    /// May be given several times. From anybody else these headers mean nothing.
    #[arg(
        long = "trusted-proxy",
        env = "SUBGRANT_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    trusted_proxies: Vec<TrustedProxy>,
    /// The most connections of clients at once; by default what the limit of open files permits, up to 8,192.
    #[arg(long, env = "SUBGRANT_MAX_CLIENTS")]
    max_clients: Option<usize>,
    /// The most connections of one address (of one /64 where it is IPv6), trusted proxies excepted; by default half of all,
    /// up to 1,024.
    #[arg(long, env = "SUBGRANT_MAX_CLIENTS_PER_ADDRESS")]
    max_clients_per_address: Option<usize>,
    /// The most bytes of requests that are not answered yet, over all clients.
    #[arg(long, env = "SUBGRANT_MAX_BYTES_IN_FLIGHT", default_value_t = HttpOptions::default().max_bytes_in_flight)]
    max_bytes_in_flight: usize,
    /// Tell everybody at `/metrics`, and not only processes of this machine.
    #[arg(long, env = "SUBGRANT_METRICS_PUBLIC", value_parser = BoolishValueParser::new(), conflicts_with = "metrics_listen")]
    metrics_public: bool,
}

impl NetworkArgs {
    pub(super) fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted_proxies.iter().copied())
    }

    /// What concerns requests.
    pub(super) fn http_options(&self, has_metrics_elsewhere: bool, public_url: Option<&str>) -> HttpOptions {
        HttpOptions {
            trusted_proxies: self.trusted_proxies(),
            max_bytes_in_flight: self.max_bytes_in_flight,
            metrics_for: match (has_metrics_elsewhere, self.metrics_public) {
                (true, _) => MetricsFor::Nobody,
                (false, true) => MetricsFor::Anybody,
                (false, false) => MetricsFor::ThisMachine,
            },
            public_origin: public_url.and_then(origin_of),
            ..HttpOptions::default()
        }
    }

    /// How many connections there may be beside so many to the database. Raises the limit of open files as far as this
    /// process may.
    pub(super) fn connection_limits(&self, database_connections: u32) -> ConnectionLimits {
        let defaults = ConnectionLimits::default();
        let files = raise_file_limit().saturating_sub(OTHER_FILES + u64::from(database_connections));
        let possible = usize::try_from(files).unwrap_or(usize::MAX).max(1);
        let most = self.max_clients.unwrap_or(defaults.most);
        if most > possible && self.max_clients.is_some() {
            tracing::warn!(possible, "the limit of open files permits fewer clients than --max-clients");
        }
        let most = most.clamp(1, possible);
        let half = (most / 2).max(1);
        let most_per_address = self.max_clients_per_address.unwrap_or(defaults.most_per_address.min(half));
        ConnectionLimits { most, most_per_address: most_per_address.clamp(1, most), ..defaults }
    }
}

/// The limit of open files, after it was raised as far as it may be.
fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let wanted = maximum.min(MOST_FILES);
    if current >= wanted {
        return current;
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { current }
}

/// `https://credits.acme.example/somewhere` → `https://credits.acme.example`, in lower case.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    (!host.is_empty()).then(|| format!("{scheme}://{host}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_url_is_scheme_and_host() {
        assert_eq!(
            origin_of("HTTPS://Credits.acme.example/x?y"),
            Some("https://credits.acme.example".into())
        );
        assert_eq!(origin_of("http://127.0.0.1:8402"), Some("http://127.0.0.1:8402".into()));
        for url in ["credits.acme.example", "https://", ""] {
            assert_eq!(origin_of(url), None, "{url}");
        }
    }
}
