//! The port groups that the tables hold. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{NONE, address::Address, listener::PortWord};

use crate::{
    desired::{
        group::{Match, Place},
        ports::PortSet,
    },
    tables::Tables,
};

/// A port group as it is.
#[derive(Clone, Debug, Default)]
pub(in crate::diff) struct LiveGroup {
    /// Ports whose word names the group; none after a crash while it was filled or emptied.
    pub(in crate::diff) ports: PortSet,
    /// The words of those ports.
    pub(super) words: BTreeSet<PortWord>,
    /// Its entries, sorted.
    pub(super) entries: Vec<(Place, Entry)>,
}

/// What an entry of a group leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::diff) struct Entry {
    /// Number of the forward; `NONE` where the slot is not the entry's.
    pub(in crate::diff) number: u32,
    /// Source address of copies with a rewritten source, or zero.
    pub(in crate::diff) source: Address,
}

impl LiveGroup {
    /// What a forward, known by its numbers, listens on in this group.
    pub(in crate::diff) fn listeners_of(&self, numbers: &[u32]) -> Option<Match> {
        let own = self
            .entries
            .iter()
            .filter(|(_, entry)| numbers.contains(&entry.number));
        let places: BTreeMap<_, _> = own.map(|&(place, entry)| (place, entry.source)).collect();
        let ports = self.ports.clone();
        (!places.is_empty() && !ports.is_empty()).then_some(Match { ports, places })
    }

    /// The numbers of all forwards that listen.
    pub(in crate::diff) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|(_, entry)| entry.number)
    }
}

/// Every group that a port or an entry names.
pub(in crate::diff) fn groups(tables: &Tables) -> BTreeMap<u16, LiveGroup> {
    let mut groups: BTreeMap<u16, LiveGroup> = BTreeMap::new();
    for (&port, &word) in &tables.ports {
        let group = groups.entry(word.group()).or_default();
        group.ports.push(port..=port);
        let _ = group.words.insert(word);
    }
    for (&(group, place), slot) in &tables.listeners {
        let slot = tables.listener_slots.get(slot).filter(|slot| {
            slot.key.group == group
                && slot.key.interface == place.interface
                && slot.key.address == place.prefix.address()
                && slot.prefix_length == place.prefix.length()
        });
        let entry = slot.map_or(
            Entry {
                number: NONE,
                source: [0; 16],
            },
            |slot| Entry {
                number: slot.forward,
                source: slot.source,
            },
        );
        groups
            .entry(group)
            .or_default()
            .entries
            .push((place, entry));
    }
    groups
}
