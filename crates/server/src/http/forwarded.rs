//! Who a client is where proxies stand in front.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderName, header},
};
use ipnet::{IpNet, Ipv4Net};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that a proxy adds to what it passes on, and that nobody sends who asks for himself.
const TRACES_OF_PROXIES: [HeaderName; 6] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Proxies whose word about their clients counts. Anybody can send `X-Forwarded-For`; from anybody else it means nothing.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those in these networks, in any of the forms `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32` and `2001:db8::1`.
    pub fn new(networks: impl IntoIterator<Item = TrustedProxy>) -> Self {
        Self(networks.into_iter().map(|TrustedProxy(network)| network).collect())
    }

    /// Whether an address is one of theirs.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One network of them, as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let network = match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>(),
        };
        let explain = |_| format!("{text} is no network such as 10.0.0.0/8 or 2001:db8::1");
        network.map(|network| Self(canonical(network))).map_err(explain)
    }
}

/// A network of IPv4 addresses that is written as IPv6 contains what addresses are compared as.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let (address, length) = (mapped.addr().to_ipv4_mapped(), mapped.prefix_len().checked_sub(96));
    let ipv4 = address.zip(length).and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    ipv4.map_or(network, IpNet::V4)
}

/// The client of a request, as far as the connection, and proxies that are trusted, tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Whose request it is; `None` where nothing came over a network.
    pub(crate) address: Option<IpAddr>,
    /// Whether the client speaks TLS, as a trusted proxy says. `None` where none says anything.
    pub(crate) is_secure: Option<bool>,
    /// Whether it is a process of this machine that asks for itself.
    pub(crate) is_local: bool,
}

impl Client {
    /// Of a request with these headers, on a connection that its extensions tell of.
    pub(crate) fn of(proxies: &TrustedProxies, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else {
            return Self { address: None, is_secure: None, is_local: false };
        };
        // An IPv4 client of a dual-stack socket is the same client.
        let peer = peer.ip().to_canonical();
        let is_local = peer.is_loopback() && !TRACES_OF_PROXIES.iter().any(|name| headers.contains_key(name));
        if !proxies.include(peer) {
            return Self { address: Some(peer), is_secure: None, is_local };
        }
        let address = Some(last_untrusted(proxies, peer, headers));
        Self { address, is_secure: is_secure(headers), is_local }
    }
}

/// Goes from hop to hop towards the client for as long as whoever tells of the next hop is trusted. What cannot be read
/// ends it: then the request is the proxy's that passed it on.
fn last_untrusted(proxies: &TrustedProxies, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = peer;
    // A proxy adds at the end, or a line of its own.
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for hop in line.rsplit(',') {
            let Some(address) = address_of(hop.trim()) else { return client };
            client = address;
            if !proxies.include(address) {
                return client;
            }
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:1234`.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = hop.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

/// What the nearest proxy says, which stands last.
fn is_secure(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    let scheme = line.rsplit(',').next()?.trim();
    if scheme.eq_ignore_ascii_case("https") {
        Some(true)
    } else {
        scheme.eq_ignore_ascii_case("http").then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()))
    }

    fn client(proxies: &TrustedProxies, peer: &str, lines: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        Client::of(proxies, &extensions, &headers).address.unwrap().to_string()
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_not_trusted() {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"]);
        for (peer, lines, expected) in [
            ("10.1.1.1", &["198.51.100.1"][..], "198.51.100.1"),
            ("10.1.1.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.1.1.1", &["1.1.1.1, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.1.1.1", &["1.1.1.1,198.51.100.1", "10.2.2.2 , 192.0.2.7"], "198.51.100.1"),
            ("10.1.1.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.1.1.1", &["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("::ffff:10.1.1.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.1.1.1", &["198.51.100.1, ::ffff:10.2.2.2"], "198.51.100.1"),
            ("2001:db8:1::1", &["[2001:db8:2::5]:443"], "2001:db8:2::5"),
            ("2001:db8:1::1", &["[2001:db8:2::5]"], "2001:db8:2::5"),
            ("10.1.1.1", &["198.51.100.1:55555"], "198.51.100.1"),
            // Whoever is not trusted is the client, whatever it says.
            ("198.51.100.9", &["10.1.1.1"], "198.51.100.9"),
            ("192.0.2.8", &["1.1.1.1"], "192.0.2.8"),
        ] {
            assert_eq!(client(&trusted, peer, lines), expected, "{peer} {lines:?}");
        }
        assert_eq!(client(&TrustedProxies::default(), "127.0.0.1", &["1.1.1.1"]), "127.0.0.1");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_walk() {
        let trusted = proxies(&["10.0.0.0/8"]);
        for (lines, expected) in [
            (&["1.1.1.1, unknown"][..], "10.1.1.1"),
            (&["1.1.1.1, "], "10.1.1.1"),
            (&[""], "10.1.1.1"),
            (&["1.1.1.1, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["1.1.1.1, 10.2.2.2,"], "10.1.1.1"),
            (&["1.1.1.1", "10.2.2.2 10.3.3.3"], "10.1.1.1"),
            (&["1.1.1.1, 300.1.1.1"], "10.1.1.1"),
            (&["1.1.1.1, \"10.2.2.2\""], "10.1.1.1"),
            (&["fe80::1%eth0"], "10.1.1.1"),
        ] {
            assert_eq!(client(&trusted, "10.1.1.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn networks_are_written_in_several_ways() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.9.9.9", "11.0.0.1"),
            (" 10.0.0.1 ", "10.0.0.1", "10.0.0.2"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let network = proxies(&[text]);
            assert!(network.include(inside.parse().unwrap()), "{text} has {inside}");
            assert!(!network.include(outside.parse().unwrap()), "{text} has not {outside}");
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "*", "10.0.0.1,10.0.0.2"] {
            assert!(text.parse::<TrustedProxy>().is_err(), "{text}");
        }
    }
}
