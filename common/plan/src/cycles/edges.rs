//! Which forward can take what another sends. Pure.
//!
//! What goes to an address arrives at the host that has it. Which node that is, is known of the addresses that nodes
//! report. Copies for such an address are taken by forwards of that node whose listeners cover it. Any other address is
//! taken to be a node's only where a forward names it alone, as one names a virtual address. A prefix says nothing
//! about who has the addresses in it: collectors may be in it as well.
//!
//! Interfaces tell nothing, because nobody knows which way copies take. What names and services stand for is not seen
//! here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use udplb_api::udp_forward::{State, destination::AddressHandling, matching::PortRange};

use crate::{
    conflict::AcceptedForward,
    listeners::{Listener, Listeners, is_unicast_host},
    validate::{UpstreamSource, ValidatedDestination, ValidatedForward},
};

/// Where forwards run.
pub(crate) struct Hosts<'a> {
    /// The addresses of each host, as far as they are known.
    pub(crate) addresses: Vec<&'a BTreeSet<IpAddr>>,
    /// The hosts that run a forward, as sorted positions.
    pub(crate) of: &'a dyn Fn(&ValidatedForward) -> &'a [usize],
}

/// The forwards that one leads to, as positions, and the first upstream that does: its destination and its own position.
pub(super) type Edges = BTreeMap<usize, (usize, usize)>;

/// The edges of each forward.
pub(super) fn of(forwards: &[AcceptedForward], hosts: &Hosts<'_>) -> Vec<Edges> {
    let index = Index::of(forwards, hosts);
    let mut takers = HashMap::new();
    let targets = |from: &ValidatedForward| {
        let mut found = Edges::new();
        let live = from.destinations.iter().filter(|_| index.is_live(from));
        for (number, destination) in live.enumerate() {
            for (upstream, address, port) in literal(destination) {
                let keeps = destination.destination_address == AddressHandling::Preserve;
                let own = port.map(PortRange::single);
                for &ports in own.as_ref().map_or(&from.ports[..], std::slice::from_ref) {
                    let passes = |to: &usize| {
                        let to = forwards[*to].forward();
                        index.keeps_source(from, destination, to)
                            && (!keeps || can_coincide(from, to))
                    };
                    let takers = takers
                        .entry((address, ports, keeps))
                        .or_insert_with(|| index.takers(address, ports, keeps));
                    for taker in takers.iter().copied().filter(passes) {
                        let _ = found.entry(taker).or_insert((number, upstream));
                    }
                }
            }
        }
        found
    };
    forwards
        .iter()
        .map(AcceptedForward::forward)
        .map(targets)
        .collect()
}

/// An upstream in words.
pub(super) fn name(forward: &ValidatedForward, (destination, upstream): (usize, usize)) -> String {
    let destination = &forward.destinations[destination];
    let address = match &destination.upstreams[upstream].source {
        UpstreamSource::Address {
            address,
            port: Some(port),
        } => SocketAddr::new(*address, *port).to_string(),
        UpstreamSource::Address {
            address,
            port: None,
        } => address.to_string(),
        UpstreamSource::Hostname { hostname, .. } => hostname.clone(),
        UpstreamSource::Service(service) => service.name.clone(),
    };
    format!(
        "upstream {address} of destination {}",
        destination.name.as_str()
    )
}

/// The upstreams that are written as addresses, with their positions.
fn literal(
    destination: &ValidatedDestination,
) -> impl Iterator<Item = (usize, IpAddr, Option<u16>)> {
    let upstreams = destination.upstreams.iter().enumerate();
    upstreams.filter_map(|(position, upstream)| match &upstream.source {
        UpstreamSource::Address { address, port } => Some((position, *address, *port)),
        UpstreamSource::Hostname { .. } | UpstreamSource::Service(_) => None,
    })
}

/// Who listens where.
struct Index<'a, 'h> {
    forwards: &'a [AcceptedForward],
    hosts: &'a Hosts<'h>,
    /// The hosts that have an address.
    owners: BTreeMap<IpAddr, Vec<usize>>,
    /// Listeners that name one address.
    named: BTreeMap<IpAddr, Listeners>,
    /// The others.
    wide: Listeners,
}

impl<'a, 'h> Index<'a, 'h> {
    fn of(forwards: &'a [AcceptedForward], hosts: &'a Hosts<'h>) -> Self {
        let mut index = Self {
            forwards,
            hosts,
            owners: BTreeMap::new(),
            named: BTreeMap::new(),
            wide: Listeners::default(),
        };
        for (host, addresses) in hosts.addresses.iter().enumerate() {
            for &address in *addresses {
                index.owners.entry(address).or_default().push(host);
            }
        }
        for (position, forward) in forwards.iter().map(AcceptedForward::forward).enumerate() {
            if index.is_live(forward) {
                index.add(position, forward);
            }
        }
        index
    }

    fn add(&mut self, index: usize, forward: &ValidatedForward) {
        let addresses = forward.addresses.as_ref();
        let addresses =
            addresses.map_or_else(|| vec![None], |all| all.iter().copied().map(Some).collect());
        for address in addresses {
            let listeners = match address {
                Some(prefix) if is_unicast_host(prefix) => {
                    self.named.entry(prefix.addr()).or_default()
                }
                _ => &mut self.wide,
            };
            for &ports in &forward.ports {
                listeners.add(Listener {
                    ports,
                    address,
                    index,
                });
            }
        }
    }

    /// Whether packets meet the forward anywhere.
    fn is_live(&self, forward: &ValidatedForward) -> bool {
        forward.state == State::Active && !(self.hosts.of)(forward).is_empty()
    }

    /// The forwards that may take copies for this address, whose packets keep their own destination where it says so.
    fn takers(&self, address: IpAddr, ports: PortRange, keeps_destination: bool) -> Vec<usize> {
        let owners = self.owners.get(&address).map(Vec::as_slice);
        let runs_there = |listener: &&Listener| {
            let forward = self.forwards[listener.index].forward();
            owners.is_none_or(|owners| meet(owners, (self.hosts.of)(forward)))
        };
        let covers = |listener: &&Listener| {
            listener
                .address
                .is_none_or(|prefix| prefix.contains(&address))
        };
        let named = self.named.get(&address).into_iter();
        let found: Vec<usize> = if keeps_destination {
            // They arrive where the upstream is, for an address that is not known here.
            let all = self
                .named
                .values()
                .chain([&self.wide])
                .filter(|_| owners.is_some());
            let all = all.flat_map(|listeners| listeners.overlapping(ports));
            all.filter(runs_there)
                .map(|listener| listener.index)
                .collect()
        } else {
            let wide = owners.is_some().then_some(&self.wide);
            let all = named
                .chain(wide)
                .flat_map(|listeners| listeners.overlapping(ports));
            all.filter(covers)
                .filter(runs_there)
                .map(|listener| listener.index)
                .collect()
        };
        found
    }

    /// Whether some source of what one forward sends is one that the other takes.
    fn keeps_source(
        &self,
        from: &ValidatedForward,
        destination: &ValidatedDestination,
        to: &ValidatedForward,
    ) -> bool {
        if to.sources.is_empty() {
            return true;
        }
        let takes = |prefix: &IpNet| to.sources.iter().any(|source| overlap(source, prefix));
        if destination.source_address == AddressHandling::Preserve {
            return from.sources.is_empty() || from.sources.iter().any(takes);
        }
        // The address that the packet was sent to, or the interface's where that was a group's.
        let named = from.addresses.as_deref().unwrap_or_default();
        let is_host = |host: &usize| {
            let known = self.hosts.addresses[*host];
            known.is_empty() || known.iter().any(|address| takes(&IpNet::from(*address)))
        };
        let uses_own = named.is_empty() || named.iter().any(|prefix| prefix.addr().is_multicast());
        named.iter().any(takes) || uses_own && (self.hosts.of)(from).iter().any(is_host)
    }
}

/// Whether a packet's destination can be one that both listen on.
fn can_coincide(a: &ValidatedForward, b: &ValidatedForward) -> bool {
    let (Some(a), Some(b)) = (&a.addresses, &b.addresses) else {
        return true;
    };
    a.iter()
        .any(|one| b.iter().any(|other| overlap(one, other)))
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether two sorted lists share an item.
pub(crate) fn meet(a: &[usize], b: &[usize]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|item| many.binary_search(item).is_ok())
}
