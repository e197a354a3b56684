//! Who can take what a forward sends. Pure.
//!
//! What goes to an address arrives at the host that has it. Which node that is, is known of the addresses that nodes
//! report. Copies for such an address are taken by forwards of that node whose listeners cover it. Any other address is
//! taken to be a node's only where a forward names it alone, as one names a virtual address. A prefix says nothing
//! about who has the addresses in it: collectors may be in it as well.
//!
//! Interfaces tell nothing, because nobody knows which way copies take.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;
use udplb_api::udp_forward::{State, destination::AddressHandling, matching::PortRange};

use crate::{
    listeners::{Listener, Listeners, is_unicast_host},
    validate::{ValidatedDestination, ValidatedForward},
};

/// Where forwards run.
pub(crate) struct Hosts<'a> {
    /// The addresses of each host, as far as they are known.
    pub(crate) addresses: Vec<&'a BTreeSet<IpAddr>>,
    /// The hosts that run a forward, as sorted positions.
    pub(crate) of: &'a dyn Fn(&ValidatedForward) -> &'a [usize],
}

/// Who listens where.
pub(super) struct Index<'a, 'h> {
    forwards: &'a [&'a ValidatedForward],
    hosts: &'a Hosts<'h>,
    /// The hosts that have an address.
    owners: BTreeMap<IpAddr, Vec<usize>>,
    /// Listeners that name one address.
    named: BTreeMap<IpAddr, Listeners>,
    /// The others.
    wide: Listeners,
    /// Whom copies for an address may reach, by their ports and whether they keep their destination.
    known: HashMap<(IpAddr, PortRange, bool), Vec<usize>>,
}

impl<'a, 'h> Index<'a, 'h> {
    pub(super) fn of(forwards: &'a [&'a ValidatedForward], hosts: &'a Hosts<'h>) -> Self {
        let mut index = Self {
            forwards,
            hosts,
            owners: BTreeMap::new(),
            named: BTreeMap::new(),
            wide: Listeners::default(),
            known: HashMap::new(),
        };
        for (host, addresses) in hosts.addresses.iter().enumerate() {
            for &address in *addresses {
                index.owners.entry(address).or_default().push(host);
            }
        }
        for (position, forward) in forwards.iter().enumerate() {
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
    pub(super) fn is_live(&self, forward: &ValidatedForward) -> bool {
        forward.state == State::Active && !(self.hosts.of)(forward).is_empty()
    }

    /// The forwards that take what one sends to an upstream of a destination; a port that is not written is the packet's.
    pub(super) fn takers(
        &mut self,
        from: &ValidatedForward,
        destination: &ValidatedDestination,
        (address, port): (IpAddr, Option<u16>),
    ) -> BTreeSet<usize> {
        let keeps = destination.destination_address == AddressHandling::Preserve;
        let own = port.map(PortRange::single);
        let mut found = BTreeSet::new();
        for &ports in own.as_ref().map_or(&from.ports[..], std::slice::from_ref) {
            let key = (address, ports, keeps);
            if !self.known.contains_key(&key) {
                let all = self.all_takers(address, ports, keeps);
                let _ = self.known.insert(key, all);
            }
            let all = self.known.get(&key).into_iter().flatten();
            found.extend(all.copied().filter(|to| {
                let to = self.forwards[*to];
                self.keeps_source(from, destination, to) && (!keeps || can_coincide(from, to))
            }));
        }
        found
    }

    /// The forwards that may take copies for this address, whose packets keep their own destination where it says so.
    fn all_takers(&self, address: IpAddr, ports: PortRange, keeps_destination: bool) -> Vec<usize> {
        let owners = self.owners.get(&address).map(Vec::as_slice);
        let runs_there = |listener: &&Listener| {
            let forward = self.forwards[listener.index];
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
