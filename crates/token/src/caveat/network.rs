//! Where a request may come from.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv6Net};

use super::list;
use crate::CaveatError;

/// A list of networks in CIDR notation. An address alone stands for itself, and such a network is written so.
///
/// Bits after the prefix must be zero, so that `10.1.2.3/8` is a mistake that shows. IPv4-mapped IPv6 networks are
/// refused: write them as IPv4, which an IPv4-mapped request address is compared as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSet(Vec<IpNet>);

impl NetworkSet {
    /// Whether the address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for NetworkSet {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        list::parse(text, parse_network).map(Self)
    }
}

impl fmt::Display for NetworkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written: Vec<String> = self.0.iter().map(write_network).collect();
        list::write(f, &written)
    }
}

/// The address is read by the standard library, which refuses the leading zeros that some readers take for octal.
fn parse_network(text: &str) -> Result<IpNet, CaveatError> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| CaveatError::Malformed)?;
    let network = match length {
        None => IpNet::from(address),
        Some(length) => {
            let bits: u8 = length.parse().map_err(|_| CaveatError::Malformed)?;
            let network = IpNet::new(address, bits).map_err(|_| CaveatError::Malformed)?;
            let is_exact = length == bits.to_string() && network.addr() == network.network();
            is_exact.then_some(network).ok_or(CaveatError::Malformed)?
        }
    };
    if is_ipv4_mapped(network) {
        return Err(CaveatError::Malformed);
    }
    Ok(network)
}

fn write_network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn is_ipv4_mapped(network: IpNet) -> bool {
    let mapped = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
    matches!(network, IpNet::V6(network) if mapped.contains(&network))
}
