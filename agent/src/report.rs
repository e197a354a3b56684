//! What runs, by name: the tables and the counters taken together, for metrics and `status`. **pure**

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{
    address::{self, Address},
    counters::{DestinationCounters, Traffic},
    forward::{ACTION_FORWARD, ForwardSlot, UpstreamSlot},
    next_hop::NextHopSlot,
};

use crate::{
    desired::prefix::Prefix,
    facts::InterfaceIndex,
    tables::{Tables, walk},
    text,
};

/// Where counters are read from: sums over all CPUs.
pub trait Counters {
    /// Why a counter could not be read.
    type Error;
    /// `FORWARD_COUNTERS`.
    fn forward(&self, slot: u32) -> Result<Traffic, Self::Error>;
    /// `DESTINATION_COUNTERS`.
    fn destination(&self, slot: u32) -> Result<DestinationCounters, Self::Error>;
    /// `UPSTREAM_COUNTERS`.
    fn upstream(&self, slot: u32) -> Result<Traffic, Self::Error>;
    /// `RETIRED`.
    fn retired(&self, destination: u64) -> Result<Traffic, Self::Error>;
}

/// A forward that has counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whether the original is consumed.
    pub consumes: bool,
    /// Where it listens: interface, address, ports as ranges.
    pub listeners: Vec<Listener>,
    /// What matched.
    pub matched: Traffic,
    /// In the order of the spec, where it did not change just now.
    pub destinations: Vec<Destination>,
}

/// An interface and a prefix that a forward listens on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// The interface.
    pub interface: InterfaceIndex,
    /// The address, or prefix.
    pub prefix: Prefix,
    /// First and last port of each range.
    pub ports: Vec<(u16, u16)>,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name within the forward.
    pub name: String,
    /// What was not sent.
    pub counters: DestinationCounters,
    /// What was sent to upstreams that have left.
    pub retired: Option<Traffic>,
    /// Its upstreams.
    pub upstreams: Vec<Upstream>,
    /// How it treats packets, in the version in force.
    pub slot: udplb_abi::forward::Destination,
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `address:port`; the address alone where the port is the packet's own.
    pub label: String,
    /// Its address.
    pub address: Address,
    /// 1–256.
    pub weight: u16,
    /// Whether packets can choose it: the version in force has it, and its balance table names it.
    pub chosen: bool,
    /// How copies leave.
    pub next_hop: Option<NextHopSlot>,
    /// What was sent.
    pub sent: Traffic,
}

impl Upstream {
    /// Whether copies can be sent to it now.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.next_hop.is_some_and(|next_hop| next_hop.is_ready())
    }
}

/// Every forward, sorted by namespace and name.
pub fn forwards<C: Counters>(tables: &Tables, counters: &C) -> Result<Vec<Forward>, C::Error> {
    let listeners = listeners(tables);
    // The version that packets meet comes last, and says what is in force.
    let mut versions: BTreeMap<u64, Vec<(bool, u32)>> = BTreeMap::new();
    for &number in tables.forwards.keys() {
        if let Some(slot) = tables.forward(number) {
            let is_met = listeners.contains_key(&number);
            versions.entry(slot.id).or_default().push((is_met, number));
        }
    }
    let mut forwards = Vec::with_capacity(versions.len());
    for (id, mut numbers) in versions {
        numbers.sort_unstable();
        let Some(name) = tables.names.get(&id) else {
            continue;
        };
        let slots: Vec<&ForwardSlot> = numbers
            .iter()
            .filter_map(|(_, number)| tables.forward(*number))
            .collect();
        let Some(present) = slots.last() else {
            continue;
        };
        let (namespace, short) = name.split_once('/').unwrap_or(("default", name));
        forwards.push(Forward {
            namespace: namespace.to_owned(),
            name: short.to_owned(),
            consumes: present.action == ACTION_FORWARD,
            listeners: numbers
                .iter()
                .filter_map(|(_, number)| listeners.get(number))
                .flatten()
                .cloned()
                .collect(),
            matched: sum(slots.iter().map(|slot| slot.counters), |slot| {
                counters.forward(slot)
            })?,
            destinations: destinations(tables, counters, &slots, name)?,
        });
    }
    forwards.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(forwards)
}

/// The destinations of all versions of a forward, each once.
fn destinations<C: Counters>(
    tables: &Tables,
    counters: &C,
    versions: &[&ForwardSlot],
    forward: &str,
) -> Result<Vec<Destination>, C::Error> {
    let mut found: Vec<Destination> = Vec::new();
    let mut seen = BTreeSet::new();
    let in_use = |slot: &ForwardSlot| {
        let count = slot.destination_count.into();
        slot.destinations.into_iter().take(count)
    };
    for destination in versions.iter().rev().flat_map(|slot| in_use(slot)) {
        if !seen.insert(destination.id) {
            continue;
        }
        let Some(name) = tables.names.get(&destination.id) else {
            continue;
        };
        let of_all_versions = versions
            .iter()
            .rev()
            .flat_map(|slot| in_use(slot))
            .filter(|other| other.id == destination.id);
        let mut upstreams: BTreeMap<_, UpstreamSlot> = BTreeMap::new();
        for balance in of_all_versions.flat_map(|one| one.balance) {
            let block = balance.first..balance.first.saturating_add(balance.count);
            for slot in block.filter_map(|slot| tables.upstreams.get(&slot)) {
                let _present = upstreams.entry((slot.address, slot.port)).or_insert(*slot);
            }
        }
        let chosen: BTreeSet<_> = destination
            .balance
            .into_iter()
            .flat_map(|balance| walk::choices(tables, balance))
            .map(|slot| (slot.address, slot.port))
            .collect();
        let name = name
            .strip_prefix(forward)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(name);
        found.push(Destination {
            name: name.to_owned(),
            counters: counters.destination(destination.counters)?,
            retired: tables
                .retired
                .contains(&destination.id)
                .then(|| counters.retired(destination.id))
                .transpose()?,
            upstreams: upstreams
                .into_iter()
                .map(|(key, slot)| upstream(tables, counters, &slot, chosen.contains(&key)))
                .collect::<Result<_, _>>()?,
            slot: destination,
        });
    }
    Ok(found)
}

fn upstream<C: Counters>(
    tables: &Tables,
    counters: &C,
    slot: &UpstreamSlot,
    chosen: bool,
) -> Result<Upstream, C::Error> {
    Ok(Upstream {
        label: label(slot),
        address: slot.address,
        weight: slot.weight,
        chosen,
        next_hop: tables.next_hops.get(&slot.next_hop).copied(),
        sent: counters.upstream(slot.counters)?,
    })
}

/// How metrics and `status` call an upstream.
#[must_use]
pub fn label(slot: &UpstreamSlot) -> String {
    text::endpoint(address::to_ip(slot.address), u16::from_be_bytes(slot.port))
}

fn sum<E>(
    slots: impl Iterator<Item = u32>,
    read: impl Fn(u32) -> Result<Traffic, E>,
) -> Result<Traffic, E> {
    let distinct: BTreeSet<u32> = slots.collect();
    let mut total = Traffic::default();
    for slot in distinct {
        let one = read(slot)?;
        total.packets += one.packets;
        total.bytes += one.bytes;
    }
    Ok(total)
}

/// Who listens where, by forward number; only what packets can meet.
#[must_use]
pub fn listeners(tables: &Tables) -> BTreeMap<u32, Vec<Listener>> {
    let mut ports: BTreeMap<u16, Vec<(u16, u16)>> = BTreeMap::new();
    for (&port, word) in &tables.ports {
        let ranges = ports.entry(word.group()).or_default();
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == port => *last = port,
            _ => ranges.push((port, port)),
        }
    }
    let mut found: BTreeMap<u32, Vec<Listener>> = BTreeMap::new();
    for ((group, place), slot) in &tables.listeners {
        let (Some(ports), Some(slot)) = (ports.get(group), tables.listener_slots.get(slot)) else {
            continue;
        };
        found.entry(slot.forward).or_default().push(Listener {
            interface: place.interface,
            prefix: place.prefix,
            ports: ports.clone(),
        });
    }
    found
}
