//! All connections of this process.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use subgrant_metrics::{Collector, Counters, DescriptorEncoder, Page};

use super::{Connection, ConnectionLimits, connection::Overdue};
use crate::http::TrustedProxies;

/// How many connections may be on their way out while new ones come in.
const CLOSING: usize = 32;

const REFUSED: &str = "refused";
const DISPLACED: &str = "displaced";
const HEAD: &str = "head_timeout";
const IDLE: &str = "idle";
const STALLED: &str = "stalled";

/// All connections of this process, on all of its addresses.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    proxies: TrustedProxies,
    open: Mutex<Open>,
    closed: Counters,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Arc<Connection>>,
    by_network: HashMap<IpAddr, usize>,
    /// Those that were told to make room.
    displaced: usize,
}

/// A place among the connections, which is free again when this is dropped.
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    id: u64,
    all: Arc<Connections>,
}

impl Connections {
    /// None yet. Trusted proxies may have any number of them.
    pub fn new(limits: ConnectionLimits, proxies: TrustedProxies) -> Self {
        let closed = Counters::new(&[REFUSED, DISPLACED, HEAD, IDLE, STALLED]);
        Self { limits, proxies, open: Mutex::default(), closed }
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Takes a connection in, in the place of another one where there are as many as there may be. `None`: something is
    /// under way on all of them.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let (network, is_proxy) = (network(peer), self.proxies.include(peer));
        let mut open = self.open();
        let of_network = open.by_network.get(&network).copied().unwrap_or_default();
        let is_free = (is_proxy
            || of_network < self.limits.most_per_address
            || self.displace(&mut open, Some(network)))
            && (open.all.len() + open.displaced < self.limits.most + CLOSING)
            && (open.all.len() < self.limits.most || self.displace(&mut open, None));
        if !is_free {
            self.closed.count(REFUSED);
            return None;
        }
        let connection = Arc::new(Connection::new(network, is_proxy));
        let id = open.next;
        open.next += 1;
        open.all.insert(id, Arc::clone(&connection));
        *open.by_network.entry(network).or_default() += 1;
        Some(Place { connection, id, all: Arc::clone(self) })
    }

    /// Closes a connection on which nothing is under way, of one network or of any: first of whoever has most, then the
    /// one that has been quiet for longest; a proxy's last, because it may be about to use it.
    fn displace(&self, open: &mut Open, within: Option<IpAddr>) -> bool {
        let all = open.all.iter().filter(|(_, one)| within.is_none_or(|network| network == one.network));
        let quiet = all.filter_map(|(id, one)| Some((id, one, one.quiet_for()?)));
        let rank = |one: &Connection, quiet: Duration| {
            let share = open.by_network.get(&one.network).copied().unwrap_or_default();
            (!one.is_proxy, share, quiet)
        };
        let Some((&id, _, _)) = quiet.max_by_key(|(id, one, quiet)| (rank(one, *quiet), Reverse(**id)))
        else {
            return false;
        };
        open.forget(id).inspect(|connection| connection.close());
        open.displaced += 1;
        self.closed.count(DISPLACED);
        true
    }

    /// Closes connections whose clients have had their time.
    pub(super) fn sweep(&self) {
        let overdue =
            |connection: &Arc<Connection>| Some((Arc::clone(connection), connection.overdue(&self.limits)?));
        let overdue: Vec<_> = self.open().all.values().filter_map(overdue).collect();
        for (connection, why) in overdue {
            match why {
                Overdue::Stalled => connection.cut_off(),
                Overdue::Head | Overdue::Idle => connection.close(),
            }
            self.closed.count(match why {
                Overdue::Head => HEAD,
                Overdue::Idle => IDLE,
                Overdue::Stalled => STALLED,
            });
        }
    }

    /// Makes room because the process is out of file descriptors.
    pub(super) fn relieve(&self) {
        self.displace(&mut self.open(), None);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nothing panics under this lock")
    }
}

impl Open {
    fn forget(&mut self, id: u64) -> Option<Arc<Connection>> {
        let connection = self.all.remove(&id)?;
        if let Some(count) = self.by_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.all.open();
        if open.forget(self.id).is_none() {
            open.displaced -= 1;
        }
    }
}

impl Collector for Connections {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page::new(encoder);
        let open = self.open().all.len();
        page.gauge("connections", "Open connections of clients", open)?;
        page.gauge("max_connections", "The most there may be", self.limits.most)?;
        let help = "Connections that the server refused or closed";
        page.counters("connections_closed", help, "reason", &self.closed)
    }
}

/// Whoever has an IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, most_per_address: usize) -> Arc<Connections> {
        let limits = ConnectionLimits { most, most_per_address, ..ConnectionLimits::default() };
        let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
        Arc::new(Connections::new(limits, proxies))
    }

    fn admit(connections: &Arc<Connections>, peer: &str) -> Option<Place> {
        connections.admit(peer.parse().unwrap())
    }

    fn is_open(connections: &Connections, place: &Place) -> bool {
        connections.open().all.contains_key(&place.id)
    }

    #[test]
    fn the_largest_share_makes_room_first_and_the_longest_quiet_of_it() {
        let all = connections(4, 3);
        let flood: Vec<_> = (0..3).map(|_| admit(&all, "192.0.2.1").unwrap()).collect();
        let other = admit(&all, "192.0.2.2").unwrap();
        let _request = flood[0].connection.begin();
        let new = admit(&all, "192.0.2.3").unwrap();
        let is_open = |place| is_open(&all, place);
        assert!(is_open(&other) && is_open(&new));
        assert!(is_open(&flood[0]), "a request is under way");
        assert!(!is_open(&flood[1]) && is_open(&flood[2]), "the older one of the rest");
    }

    #[test]
    fn where_something_is_under_way_on_all_of_them_whoever_comes_is_refused_and_place_is_free_again() {
        let all = connections(2, 2);
        let places: Vec<_> = (0..2).map(|_| admit(&all, "192.0.2.1").unwrap()).collect();
        let requests: Vec<_> = places.iter().map(|place| place.connection.begin()).collect();
        assert!(admit(&all, "192.0.2.2").is_none());
        drop((requests, places));
        assert!(admit(&all, "192.0.2.2").is_some());
        assert_eq!(all.open().all.len(), 0);
        assert!(all.open().by_network.is_empty());
    }

    #[test]
    fn an_address_has_its_share_and_a_trusted_proxy_any() {
        let all = connections(10, 2);
        let busy = |peer: &str| admit(&all, peer).map(|place| (place.connection.begin(), place));
        let of_one: Vec<_> = (0..3).filter_map(|_| busy("192.0.2.1")).collect();
        assert_eq!(of_one.len(), 2);
        let of_network: Vec<_> = (1..4).filter_map(|n| busy(&format!("2001:db8::{n}"))).collect();
        assert_eq!(of_network.len(), 2);
        assert!((0..6).all(|_| busy("10.1.1.1").is_some_and(|place| {
            std::mem::forget(place);
            true
        })));
    }
}
