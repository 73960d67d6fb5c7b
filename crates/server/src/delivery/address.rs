//! Which addresses webhooks may call.
//!
//! Whoever makes a webhook chooses where this server connects to. Unless the operator says otherwise, that must be on the
//! public internet: not this machine, nor its networks, nor the addresses at which clouds hand out credentials.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use axum::http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use ipnet::{Ipv4Net, Ipv6Net};
use tower::Service;

/// Where webhooks may lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebhookTargets {
    /// To `https` addresses on the public internet.
    #[default]
    Public,
    /// Anywhere, by `http` as well: for a laptop, or a network of one's own.
    Any,
}

/// Why an address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be called at all.
    #[error("must be an absolute https address without user, password and fragment, of at most 2048 bytes")]
    Malformed,
    /// It leads where webhooks must not.
    #[error("must lead to the public internet")]
    NotPublic,
}

/// Blocks that the registries of special-purpose addresses (RFC 6890 and IANA's updates) do not call globally reachable,
/// and multicast.
const SPECIAL_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// Of IPv6 only what is allocated for the public, less these. Addresses that carry an IPv4 address for a relay are among
/// them: they would lead to it unchecked.
const PUBLIC_V6: &str = "2000::/3";
const SPECIAL_V6: [&str; 6] =
    ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"];

static V4: LazyLock<Vec<Ipv4Net>> =
    LazyLock::new(|| SPECIAL_V4.iter().map(|net| net.parse().expect("a constant network")).collect());
static V6: LazyLock<(Ipv6Net, Vec<Ipv6Net>)> = LazyLock::new(|| {
    let parse = |net: &str| net.parse().expect("a constant network");
    (parse(PUBLIC_V6), SPECIAL_V6.into_iter().map(parse).collect())
});

impl WebhookTargets {
    /// Whether a connection to the address may be made.
    pub fn permit(self, address: IpAddr) -> bool {
        self == Self::Any || is_public(address)
    }

    /// Reads an address that a webhook may have. Where a name leads is looked at each time that it is called.
    pub fn check(self, text: &str) -> Result<Uri, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        let authority = uri.authority().ok_or(AddressError::Malformed)?;
        let is_scheme_good = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => self == Self::Any,
            _ => false,
        };
        // Not `Authority::port`, which says of a number that is no port that there is none.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or("none");
        let is_port_good = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '\\', '"', '<', '>']);
        let is_short = (1..=2048).contains(&text.len()) && !authority.host().is_empty();
        if !(is_scheme_good && is_port_good && is_plain && is_short) || authority.as_str().contains('@') {
            return Err(AddressError::Malformed);
        }
        match literal(authority.host()) {
            Some(address) if !self.permit(address) => Err(AddressError::NotPublic),
            None if self == Self::Public && is_local_name(authority.host()) => Err(AddressError::NotPublic),
            _ => Ok(uri),
        }
    }
}

/// The address that a host is written as, if it is one.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.trim_end_matches('.').parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// A name that only this machine or its network knows. What it leads to would be refused later; this says so at once.
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    // A last label of digits is an address in one of its odder spellings, such as 0x7f.1 or 2130706433.
    let is_odd_address = last.starts_with(|c: char| c.is_ascii_digit());
    !host.contains('.') || is_odd_address || ["localhost", "local", "internal", "lan", "home"].contains(&last)
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => V6.0.contains(&address) && !V6.1.iter().any(|net| net.contains(&address)),
    }
}

/// Looks names up, and lets only those addresses through that may be called: the connection is made to what was checked,
/// whatever the name leads to a moment later.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckedResolver(pub(super) WebhookTargets);

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let targets = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<_> = found.filter(|address| targets.permit(address.ip())).collect();
            if permitted.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, AddressError::NotPublic));
            }
            Ok(permitted.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_permitted() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!WebhookTargets::Public.permit(address.parse().unwrap()), "{address}");
            assert!(WebhookTargets::Any.permit(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "193.0.0.1",
            "2606:4700::1",
            "2a00::1",
        ] {
            assert!(WebhookTargets::Public.permit(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_that_are_none_or_not_public_are_refused() {
        let long = format!("https://a.example/{}", "x".repeat(2048));
        for text in [
            "",
            "x",
            "/path",
            "a.example",
            "http://a.example/",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://:443/",
            "https://user@a.example/",
            "https://user:password@a.example/",
            "https://a.example/#x",
            "https://a.example/ x",
            "https://a.example/\n",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://a.example\\@b.example/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://é.example/",
            &long,
        ] {
            assert_eq!(WebhookTargets::Public.check(text), Err(AddressError::Malformed), "{text}");
        }
        for text in [
            "https://localhost/",
            "https://LOCALHOST:8402/x",
            "https://db.internal/",
            "https://printer.local/",
            "https://127.0.0.1/",
            "https://127.0.0.1./",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/",
            "https://metadata/",
            "https://metadata.google.internal/",
            "https://foo.localhost/",
        ] {
            assert_eq!(WebhookTargets::Public.check(text), Err(AddressError::NotPublic), "{text}");
        }
        for text in [
            "https://hooks.a.example",
            "https://a.example:8443/x?y=z",
            "https://1.1.1.1/",
            "https://[2606:4700::1]:1/",
        ] {
            assert!(WebhookTargets::Public.check(text).is_ok(), "{text}");
        }
        for text in ["http://localhost:1/", "http://127.0.0.1:1/x", "https://[::1]/"] {
            assert!(WebhookTargets::Any.check(text).is_ok(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = CheckedResolver(WebhookTargets::Public).call(name()).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(CheckedResolver(WebhookTargets::Any).call(name()).await.unwrap().next().is_some());
    }
}
