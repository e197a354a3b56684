//! What was read from the kernel, all of it, and the tables made from it. **pure**
//!
//! A pass removes what it observes and nobody desires, so there is no partial snapshot: every field is
//! filled by a read that succeeded, or there is no snapshot and no pass.

use std::{collections::BTreeSet, net::IpAddr};

use udplb_abi::{
    address,
    forward::{ForwardSlot, RateLimitSlot, SourceKey, TABLE_ENTRIES_PER_VALUE, UpstreamSlot},
    listener::{ListenerKey, ListenerSlot, PortWord, VlanKey},
    next_hop::NextHopSlot,
    record::NeighbourKey,
};

use crate::{
    desired::{group::Place, prefix::Prefix},
    facts::{Facts, InterfaceIndex, Keeper},
    tables::{
        AttachmentState, NeighbourState, Tables,
        owners::{Owners, Recorded},
    },
};

/// The content of every map and hook. Arrays are whole, from slot 0 on; prefix lengths are those of the
/// address, without the bits of the key in front of it.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// `PORTS`.
    pub ports: &'a [u32],
    /// `LISTENERS`.
    pub listeners: Vec<(ListenerKey, u32)>,
    /// `PREFIXES`.
    pub prefixes: Vec<(ListenerKey, u8, u32)>,
    /// `LISTENER_SLOTS`.
    pub listener_slots: &'a [ListenerSlot],
    /// `FORWARDS`.
    pub forwards: &'a [u32],
    /// `FORWARD_SLOTS`.
    pub forward_slots: &'a [ForwardSlot],
    /// `SOURCES`.
    pub sources: Vec<(SourceKey, u8)>,
    /// `TABLES`, byte by byte.
    pub tables: &'a [u8],
    /// `UPSTREAMS`.
    pub upstreams: &'a [UpstreamSlot],
    /// `NEXT_HOPS`.
    pub next_hops: &'a [NextHopSlot],
    /// `RATE_LIMITS`.
    pub rate_limits: &'a [RateLimitSlot],
    /// `VLANS`.
    pub vlans: Vec<(VlanKey, InterfaceIndex)>,
    /// `NAMES`.
    pub names: Vec<(u64, String)>,
    /// Keys of `RETIRED`.
    pub retired: Vec<u64>,
    /// Whose the counters are.
    pub owners: Recorded<'a>,
    /// Keys of `ATTACHMENTS`.
    pub attachments: BTreeSet<InterfaceIndex>,
    /// Interfaces whose hook runs our current program.
    pub current_hooks: BTreeSet<InterfaceIndex>,
    /// Interfaces whose hook runs an older program of ours.
    pub stale_hooks: BTreeSet<InterfaceIndex>,
    /// Keys of `NEIGHBOURS`.
    pub neighbours: Vec<NeighbourKey>,
}

impl Snapshot<'_> {
    /// The tables that these maps hold. Only what is reachable is looked at in the large arrays.
    #[must_use]
    pub fn into_tables(self, facts: &Facts) -> Tables {
        let mut tables = Tables::empty();
        // Nobody knows how long ago the last change was.
        tables.grace_due = true;
        let words = (0..=u16::MAX)
            .zip(self.ports)
            .filter(|(_, word)| **word != 0);
        tables.ports = words.map(|(port, &word)| (port, PortWord(word))).collect();
        tables.forwards = slots(self.forwards)
            .filter(|(_, slot)| *slot != 0)
            .collect();
        tables.sources =
            self.sources
                .into_iter()
                .fold(tables.sources, |mut sets, (key, length)| {
                    let _ = sets
                        .entry(key.set)
                        .or_default()
                        .insert(Prefix::new(key.address, length));
                    sets
                });
        let exact = self
            .listeners
            .into_iter()
            .map(|(key, slot)| (key, Prefix::exact(key.address), slot));
        let prefixes = self
            .prefixes
            .into_iter()
            .map(|(key, length, slot)| (key, Prefix::new(key.address, length), slot));
        for (key, prefix, slot) in exact.chain(prefixes) {
            let place = Place {
                interface: key.interface,
                prefix,
            };
            let _ = tables.listeners.insert((key.group, place), slot);
        }
        tables.listener_slots = slots(self.listener_slots)
            .filter(|(_, value)| value.forward != 0)
            .collect();
        tables.forward_slots = slots(self.forward_slots)
            .filter(|(_, value)| value.id != 0)
            .collect();
        tables.upstreams = slots(self.upstreams)
            .filter(|(_, value)| value.address != [0; 16])
            .collect();
        tables.next_hops = slots(self.next_hops)
            .filter(|(_, value)| value.mtu != 0)
            .collect();
        tables.rate_limits = slots(self.rate_limits)
            .filter(|(_, value)| value.interval != 0)
            .collect();
        tables.vlans = self.vlans.into_iter().collect();
        tables.names = self.names.into_iter().collect();
        tables.retired = self.retired.into_iter().collect();
        tables.neighbours = self
            .neighbours
            .into_iter()
            .map(|key| {
                (
                    (key.interface, address::to_ip(key.address)),
                    NeighbourState::Lost,
                )
            })
            .collect();
        read_balance(&mut tables, self.tables);
        (tables.unclaimed, _) = Owners::unclaimed(self.owners, &tables);
        observe_hooks(
            &mut tables,
            &self.attachments,
            &self.current_hooks,
            &self.stale_hooks,
        );
        observe_neighbours(&mut tables, facts);
        tables
    }
}

/// Takes in where our programs sit now: somebody may have removed a hook.
pub fn observe_hooks(
    tables: &mut Tables,
    recorded: &BTreeSet<InterfaceIndex>,
    current: &BTreeSet<InterfaceIndex>,
    stale: &BTreeSet<InterfaceIndex>,
) {
    let any = recorded.iter().chain(current).chain(stale);
    tables.attachments = any
        .map(|interface| {
            let whole = recorded.contains(interface) && current.contains(interface);
            let found = if whole {
                AttachmentState::Current
            } else {
                AttachmentState::Stale
            };
            (*interface, found)
        })
        .collect();
}

/// Takes in who keeps our neighbour entries now: somebody may have changed or removed them.
pub fn observe_neighbours(tables: &mut Tables, facts: &Facts) {
    let is_ours = |key: &(InterfaceIndex, IpAddr)| {
        facts
            .neighbours
            .get(key)
            .is_some_and(|entry| entry.keeper == Keeper::Ours)
    };
    for (key, state) in &mut tables.neighbours {
        *state = if is_ours(key) {
            NeighbourState::Kept
        } else {
            NeighbourState::Lost
        };
    }
}

/// The slots of an array, without slot 0.
fn slots<T: Copy>(array: &[T]) -> impl Iterator<Item = (u32, T)> {
    (0_u32..).zip(array.iter().copied()).skip(1)
}

/// Cuts the balance tables out of their array that some version in force names.
fn read_balance(tables: &mut Tables, bytes: &[u8]) {
    let named: BTreeSet<(u32, u32)> = tables
        .forwards
        .values()
        .filter_map(|slot| tables.forward_slots.get(slot))
        .flat_map(|forward| &forward.destinations)
        .flat_map(|destination| destination.balance)
        .filter(|balance| balance.slots > 0)
        .map(|balance| (balance.table, balance.slots))
        .collect();
    for (first, slots) in named {
        let start = first as usize * TABLE_ENTRIES_PER_VALUE as usize;
        let entries = start
            .checked_add(slots as usize)
            .and_then(|end| bytes.get(start..end));
        if let Some(entries) = entries {
            tables.balance.write(first, entries.into());
        }
    }
}
