//! What a packet meets, without slot numbers: read from the tables, and told from the desired state in
//! the most naive way.

use std::collections::BTreeMap;

use udplb_abi::{
    address::{Address, Family},
    forward::{Destination as DestinationSlot, ForwardSlot},
    next_hop::NextHopSlot,
};

use crate::{
    desired::{Desired, Destination},
    diff::Cache,
    tables::{
        Tables,
        walk::{self, Hit, Packet},
    },
};

/// One version of a forward, and how a packet came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) id: u64,
    source: Address,
    action: u8,
    destinations: Vec<DestinationView>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DestinationView {
    id: u64,
    options: [u32; 5],
    rate_limit: Option<(u64, u64)>,
    families: [BalanceView; 2],
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BalanceView {
    upstreams: Vec<(Address, u16, u16)>,
    /// The table, or the one index.
    table: Vec<u8>,
}

/// What a packet meets in the tables.
pub(super) fn observed(tables: &Tables, packet: &Packet) -> Option<View> {
    let attached = tables.attachments.contains_key(&packet.interface);
    walk::walk(tables, packet)
        .filter(|_| attached)
        .map(|hit| of_hit(tables, &hit))
}

/// What packets can meet in the tables, and what they would meet if no more specific prefix were in the way.
pub(super) fn all(tables: &Tables) -> Vec<View> {
    let hits = tables.listeners.values().filter_map(|slot| {
        let listener = tables.listener_slots.get(slot)?;
        let forward = tables.forward(listener.forward)?;
        Some(Hit { listener, forward })
    });
    hits.map(|hit| of_hit(tables, &hit)).collect()
}

pub(super) fn of_hit(tables: &Tables, hit: &Hit<'_>) -> View {
    View {
        id: hit.forward.id,
        source: hit.listener.source,
        action: hit.forward.action,
        destinations: in_use(hit.forward)
            .map(|one| of_slot(tables, one))
            .collect(),
    }
}

pub(super) fn in_use(forward: &ForwardSlot) -> impl Iterator<Item = &DestinationSlot> {
    forward
        .destinations
        .iter()
        .take(forward.destination_count.into())
}

fn of_slot(tables: &Tables, slot: &DestinationSlot) -> DestinationView {
    DestinationView {
        id: slot.id,
        options: [
            slot.sampling_one_in,
            slot.strategy.into(),
            slot.source_address.into(),
            slot.destination_address.into(),
            slot.sampling_per.into(),
        ],
        rate_limit: (slot.rate_limit != 0)
            .then(|| tables.rate_limits[&slot.rate_limit])
            .map(|limit| (limit.interval, limit.tolerance)),
        families: slot.balance.map(|balance| BalanceView {
            upstreams: walk::upstreams(tables, balance)
                .map(|(one, _)| (one.address, u16::from_be_bytes(one.port), one.weight))
                .collect(),
            table: match (balance.count, balance.slots) {
                (0, _) => Vec::new(),
                (_, 0) => vec![u8::try_from(balance.table).unwrap()],
                (_, slots) => tables
                    .balance
                    .get(balance.table, slots)
                    .unwrap()
                    .entries()
                    .to_vec(),
            },
        }),
    }
}

/// The next hops of every upstream that a forward number leads to.
pub(super) fn next_hops(tables: &Tables) -> BTreeMap<Address, Vec<Option<NextHopSlot>>> {
    let mut found: BTreeMap<Address, Vec<_>> = BTreeMap::new();
    let forwards = tables
        .forwards
        .keys()
        .filter_map(|&number| tables.forward(number));
    for balance in forwards.flat_map(in_use).flat_map(|one| one.balance) {
        for (upstream, next_hop) in walk::upstreams(tables, balance) {
            found
                .entry(upstream.address)
                .or_default()
                .push(next_hop.copied());
        }
    }
    found
}

/// What a packet should meet.
pub(super) fn wanted(desired: &Desired, packet: &Packet, cache: &mut Cache) -> Option<View> {
    if !desired.attachments.contains(&packet.interface) {
        return None;
    }
    let mut best: Option<(u8, usize, Address)> = None;
    for (index, forward) in desired.forwards.iter().enumerate() {
        for one in forward
            .matches
            .iter()
            .filter(|one| one.ports.contains(packet.port))
        {
            for (place, &source) in &one.places {
                let here =
                    place.interface == packet.interface && place.prefix.covers(&packet.destination);
                if here && best.is_none_or(|(length, ..)| place.prefix.length() > length) {
                    best = Some((place.prefix.length(), index, source));
                }
            }
        }
    }
    let (_, index, source) = best?;
    let forward = &desired.forwards[index];
    let treatment = &forward.treatment;
    let any = treatment.sources.is_empty();
    let takes = any
        || treatment
            .sources
            .iter()
            .any(|prefix| prefix.covers(&packet.source));
    takes.then(|| View {
        id: forward.id,
        source,
        action: treatment.action,
        destinations: treatment
            .destinations
            .iter()
            .map(|one| of_destination(one, cache))
            .collect(),
    })
}

fn of_destination(destination: &Destination, cache: &mut Cache) -> DestinationView {
    let options = &destination.options;
    DestinationView {
        id: destination.id,
        options: [
            options.sampling_one_in,
            options.strategy as u32,
            options.source_address.into(),
            options.destination_address.into(),
            options.sampling_per.into(),
        ],
        rate_limit: options
            .rate_limit
            .map(|limit| (limit.interval, limit.tolerance)),
        families: Family::ALL.map(|family| {
            let upstreams = &destination.upstreams[family as usize];
            let usable: Vec<_> = (0..)
                .zip(upstreams)
                .filter(|(_, one)| one.usable)
                .map(|(index, _)| index)
                .collect();
            BalanceView {
                upstreams: upstreams
                    .iter()
                    .map(|one| (one.address, one.port.unwrap_or(0), one.weight))
                    .collect(),
                table: match usable[..] {
                    [] => Vec::new(),
                    [only] => vec![only],
                    _ => cache.table(upstreams).entries().to_vec(),
                },
            }
        }),
    }
}
