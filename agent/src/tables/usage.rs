//! How full the maps are: what is reachable, not what was written once. **pure**

use std::collections::BTreeSet;

use udplb_abi::{NONE, forward::TABLE_ENTRIES_PER_VALUE, map};

use super::{Tables, capacity::Capacity};

/// One map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its name.
    pub map: &'static str,
    /// Entries in use.
    pub entries: usize,
    /// Entries that there is room for.
    pub capacity: u32,
}

/// The slots that versions in force lead to.
#[derive(Debug, Default)]
struct Reachable {
    versions: BTreeSet<u32>,
    upstreams: BTreeSet<u32>,
    next_hops: BTreeSet<u32>,
    rate_limits: BTreeSet<u32>,
    balance: BTreeSet<(u32, u32)>,
    destinations: BTreeSet<u32>,
    upstream_counters: BTreeSet<u32>,
    forwards: BTreeSet<u32>,
}

/// Each map that may fill up.
#[must_use]
pub fn usage(tables: &Tables, capacity: &Capacity) -> Vec<Usage> {
    let reachable = Reachable::new(tables);
    let exact = tables
        .listeners
        .keys()
        .filter(|(_, place)| place.prefix.is_exact())
        .count();
    let listener_slots: BTreeSet<_> = tables.listeners.values().collect();
    let table_values = reachable
        .balance
        .iter()
        .map(|(_, slots)| slots.div_ceil(TABLE_ENTRIES_PER_VALUE) as usize)
        .sum();
    [
        (map::LISTENERS, exact, capacity.listeners),
        (
            map::PREFIXES,
            tables.listeners.len() - exact,
            capacity.prefixes,
        ),
        (
            map::LISTENER_SLOTS,
            listener_slots.len(),
            capacity.listener_slots,
        ),
        (map::FORWARDS, tables.forwards.len(), capacity.forwards),
        (
            map::FORWARD_SLOTS,
            reachable.versions.len(),
            capacity.forward_slots,
        ),
        (
            map::SOURCES,
            tables.sources.values().map(BTreeSet::len).sum(),
            capacity.sources,
        ),
        (map::TABLES, table_values, capacity.tables),
        (
            map::UPSTREAMS,
            reachable.upstreams.len(),
            capacity.upstreams,
        ),
        (
            map::NEXT_HOPS,
            reachable.next_hops.len(),
            capacity.next_hops,
        ),
        (
            map::RATE_LIMITS,
            reachable.rate_limits.len(),
            capacity.rate_limits,
        ),
        (map::VLANS, tables.vlans.len(), capacity.vlans),
        (
            map::FORWARD_COUNTERS,
            reachable.forwards.len(),
            capacity.forward_counters,
        ),
        (
            map::DESTINATION_COUNTERS,
            reachable.destinations.len(),
            capacity.destination_counters,
        ),
        (
            map::UPSTREAM_COUNTERS,
            reachable.upstream_counters.len(),
            capacity.upstream_counters,
        ),
        (map::NAMES, tables.names.len(), capacity.names),
        (map::RETIRED, tables.retired.len(), capacity.retired),
        (
            map::ATTACHMENTS,
            tables.attachments.len(),
            capacity.attachments,
        ),
        (
            map::NEIGHBOURS,
            tables.neighbours.len(),
            capacity.neighbours,
        ),
    ]
    .map(|(map, entries, capacity)| Usage {
        map,
        entries,
        capacity,
    })
    .to_vec()
}

impl Reachable {
    fn new(tables: &Tables) -> Self {
        let mut found = Self {
            versions: tables.forwards.values().copied().collect(),
            ..Self::default()
        };
        for forward in found
            .versions
            .iter()
            .filter_map(|slot| tables.forward_slots.get(slot))
        {
            let _ = found.forwards.insert(forward.counters);
            let count = forward.destination_count.into();
            for destination in forward.destinations.iter().take(count) {
                let _ = found.destinations.insert(destination.counters);
                let _ = found.rate_limits.insert(destination.rate_limit);
                for balance in &destination.balance {
                    let end = balance.first.saturating_add(balance.count);
                    found.upstreams.extend(balance.first..end);
                    if balance.slots > 0 {
                        let _ = found.balance.insert((balance.table, balance.slots));
                    }
                }
            }
        }
        for upstream in found
            .upstreams
            .iter()
            .filter_map(|slot| tables.upstreams.get(slot))
        {
            let _ = found.upstream_counters.insert(upstream.counters);
            let _ = found.next_hops.insert(upstream.next_hop);
        }
        let _none = found.rate_limits.remove(&NONE);
        let _none = found.next_hops.remove(&NONE);
        found
    }
}

#[cfg(test)]
mod tests {
    use udplb_abi::{
        MAX_DESTINATIONS,
        forward::{Balance, Destination, ForwardSlot, UpstreamSlot},
    };

    use super::*;

    #[test]
    fn slots_count_once_and_only_where_something_leads_to_them() {
        let mut tables = Tables::empty();
        let mut forward = ForwardSlot {
            id: 1,
            sources: NONE,
            counters: 7,
            action: 0,
            when_unavailable: 0,
            destination_count: 1,
            padding: 0,
            zero: 0,
            destinations: [Destination::default(); MAX_DESTINATIONS],
        };
        forward.destinations[0].balance[0] = Balance {
            first: 4,
            count: 2,
            slots: 16_381,
            table: 10,
        };
        // Two versions in force that share all but their slot, and one that is left over.
        for slot in 1..=3 {
            let _ = tables.forward_slots.insert(slot, forward);
        }
        tables.forwards.extend([(1, 1), (2, 2)]);
        for slot in 4..8 {
            let upstream = UpstreamSlot {
                address: [1; 16],
                next_hop: 9,
                counters: slot,
                port: [0; 2],
                weight: 1,
                padding: 0,
            };
            let _ = tables.upstreams.insert(slot, upstream);
        }
        let usage = usage(&tables, &Capacity::default());
        let entries = |map| usage.iter().find(|one| one.map == map).unwrap().entries;
        for (map, expected) in [
            (map::FORWARDS, 2),
            (map::FORWARD_SLOTS, 2),
            (map::FORWARD_COUNTERS, 1),
            (map::UPSTREAMS, 2),
            (map::UPSTREAM_COUNTERS, 2),
            (map::NEXT_HOPS, 1),
            (map::RATE_LIMITS, 0),
            (map::TABLES, 2_048),
        ] {
            assert_eq!(entries(map), expected, "{map}");
        }
    }
}
