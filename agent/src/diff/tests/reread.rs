//! A restart: the maps as the kernel holds them, and the tables that are read from them.

use std::collections::BTreeMap;

use udplb_abi::{
    forward::{Destination, ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    listener::{ListenerKey, ListenerSlot},
    next_hop::{LINK_HEADER, NextHopSlot},
    record::NeighbourKey,
};

use crate::{
    facts::{Facts, Keeper, Neighbour, NeighbourState},
    observed::Snapshot,
    tables::{Tables, owners::Recorded},
};

const KEY: ListenerKey = ListenerKey {
    interface: 0,
    group: 0,
    padding: 0,
    address: [0; 16],
};
const LISTENER: ListenerSlot = ListenerSlot {
    key: KEY,
    source: [0; 16],
    forward: 0,
    prefix_length: 0,
    padding: [0; 3],
};
const UPSTREAM: UpstreamSlot = UpstreamSlot {
    address: [0; 16],
    next_hop: 0,
    counters: 0,
    port: [0; 2],
    weight: 0,
    padding: 0,
};
const NEXT_HOP: NextHopSlot = NextHopSlot {
    neighbour: [0; 16],
    interface: 0,
    mtu: 0,
    destination_mac: [0; 6],
    source_mac: [0; 6],
    state: 0,
    link_header: LINK_HEADER,
    padding: [0; 2],
};
const LIMIT: RateLimitSlot = RateLimitSlot {
    arrival: 0,
    interval: 0,
    tolerance: 0,
};

/// The tables that the next start finds.
pub(super) fn reread(tables: &Tables) -> Tables {
    let ports: Vec<u32> = (0..=u16::MAX).map(|port| tables.port(port).0).collect();
    let empty = ForwardSlot {
        id: 0,
        sources: 0,
        counters: 0,
        action: 0,
        when_unavailable: 0,
        destination_count: 0,
        padding: 0,
        zero: 0,
        destinations: [Destination::default(); udplb_abi::MAX_DESTINATIONS],
    };
    let entries = tables.listeners.iter().map(|(&(group, place), &slot)| {
        let address = place.prefix.address();
        (
            ListenerKey {
                interface: place.interface,
                group,
                address,
                ..KEY
            },
            place.prefix,
            slot,
        )
    });
    let (exact, prefixes): (Vec<_>, Vec<_>) = entries.partition(|(_, prefix, _)| prefix.is_exact());
    let neighbours = || tables.neighbours.keys().copied();
    let kept = Neighbour {
        state: NeighbourState::Resolving,
        keeper: Keeper::Ours,
    };
    let facts = Facts {
        neighbours: neighbours().map(|key| (key, kept)).collect(),
        ..Facts::default()
    };
    let snapshot = Snapshot {
        ports: &ports,
        listeners: exact
            .into_iter()
            .map(|(key, _, slot)| (key, slot))
            .collect(),
        prefixes: prefixes
            .into_iter()
            .map(|(key, prefix, slot)| (key, prefix.length(), slot))
            .collect(),
        listener_slots: &array(&tables.listener_slots, LISTENER),
        forwards: &array(&tables.forwards, 0),
        forward_slots: &array(&tables.forward_slots, empty),
        sources: tables
            .sources
            .iter()
            .flat_map(|(&set, prefixes)| {
                prefixes.iter().map(move |one| {
                    (
                        SourceKey {
                            set,
                            address: one.address(),
                        },
                        one.length(),
                    )
                })
            })
            .collect(),
        tables: &balance(tables),
        upstreams: &array(&tables.upstreams, UPSTREAM),
        next_hops: &array(&tables.next_hops, NEXT_HOP),
        rate_limits: &array(&tables.rate_limits, LIMIT),
        vlans: tables
            .vlans
            .iter()
            .map(|(&key, &device)| (key, device))
            .collect(),
        names: tables
            .names
            .iter()
            .map(|(&id, name)| (id, name.clone()))
            .collect(),
        retired: tables.retired.iter().copied().collect(),
        owners: Recorded {
            forwards: &[],
            destinations: &[],
            upstreams: &[],
        },
        attachments: tables.attachments.keys().copied().collect(),
        current_hooks: tables.attachments.keys().copied().collect(),
        stale_hooks: [].into(),
        neighbours: neighbours()
            .map(|(interface, address)| NeighbourKey {
                interface,
                address: udplb_abi::address::from_ip(address),
            })
            .collect(),
    };
    snapshot.into_tables(&facts)
}

fn array<T: Copy>(slots: &BTreeMap<u32, T>, zero: T) -> Vec<T> {
    let size = slots.keys().last().map_or(1, |last| last + 1);
    (0..size)
        .map(|slot| slots.get(&slot).copied().unwrap_or(zero))
        .collect()
}

fn balance(tables: &Tables) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 15];
    let forwards = tables
        .forwards
        .keys()
        .filter_map(|&number| tables.forward(number));
    for balance in forwards
        .flat_map(|one| one.destinations)
        .flat_map(|one| one.balance)
    {
        if let Some(table) = tables.balance.get(balance.table, balance.slots) {
            let start = balance.table as usize * 8;
            bytes[start..start + table.entries().len()].copy_from_slice(table.entries());
        }
    }
    bytes
}
