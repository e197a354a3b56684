//! Reads everything back that the maps hold. **IO**

use std::{collections::BTreeSet, str};

use aya::maps::{IterableMap, MapError};
use thiserror::Error;
use udplb_abi::{forward::SOURCE_KEY_BITS, listener::LISTENER_KEY_BITS, map, record::Name};

use super::Maps;
use crate::{
    facts::Facts,
    observed::Snapshot,
    tables::{Tables, capacity::Capacity, owners::Recorded},
};

/// How often the maps are read again where they change while they are read.
const READ_ATTEMPTS: u32 = 10;

/// Why a map could not be read.
#[derive(Debug, Error)]
#[error("failed to read the BPF map {name}")]
pub struct ReadError {
    /// The map.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: MapError,
}

impl Maps {
    /// The tables that the maps hold. Attachments are those recorded, whether or not they are in place.
    ///
    /// An agent may change the maps meanwhile. What it publishes it has written before, so what is reachable
    /// is read from the roots on, and again where the roots have changed since.
    pub fn read(&self, facts: &Facts) -> Result<Tables, ReadError> {
        let mut roots = self.roots();
        for _attempt in 1..READ_ATTEMPTS {
            let tables = self.read_from(&roots, facts)?;
            let now = self.roots();
            if now == roots {
                return Ok(tables);
            }
            roots = now;
        }
        self.read_from(&roots, facts)
    }

    /// `PORTS` and `FORWARDS`.
    fn roots(&self) -> (Vec<u32>, Vec<u32>) {
        (self.ports.words(0), self.forwards.copy())
    }

    fn read_from(
        &self,
        (ports, forwards): &(Vec<u32>, Vec<u32>),
        facts: &Facts,
    ) -> Result<Tables, ReadError> {
        let prefix =
            |bits: u32, base: u32| u8::try_from(bits.saturating_sub(base)).unwrap_or(u8::MAX);
        let forward_slots = self.forward_slots.copy();
        let tables: Vec<u8> = self.tables.copy().into_iter().flatten().collect();
        let snapshot = Snapshot {
            ports,
            listeners: all(map::LISTENERS, self.listeners.iter())?,
            prefixes: all(map::PREFIXES, self.prefixes.iter())?
                .into_iter()
                .map(|(key, slot)| {
                    (
                        key.data(),
                        prefix(key.prefix_len(), LISTENER_KEY_BITS),
                        slot,
                    )
                })
                .collect(),
            listener_slots: &self.listener_slots.copy(),
            forwards,
            forward_slots: &forward_slots,
            sources: all(map::SOURCES, self.sources.keys())?
                .into_iter()
                .map(|key| (key.data(), prefix(key.prefix_len(), SOURCE_KEY_BITS)))
                .collect(),
            tables: &tables,
            upstreams: &self.upstreams.copy(),
            next_hops: &self.next_hops.copy(),
            rate_limits: &self.rate_limits.copy(),
            vlans: all(map::VLANS, self.vlans.iter())?,
            names: all(map::NAMES, self.names.iter())?
                .into_iter()
                .map(|(id, name)| (id, text(&name)))
                .collect(),
            retired: all(map::RETIRED, self.retired.keys())?,
            owners: Recorded {
                forwards: &self.forward_owners.copy(),
                destinations: &self.destination_owners.copy(),
                upstreams: &self.upstream_owners.copy(),
            },
            attachments: (self.records.attachments()?.into_iter())
                .map(|(interface, _)| interface)
                .collect(),
            current_hooks: BTreeSet::new(),
            stale_hooks: BTreeSet::new(),
            neighbours: self.records.neighbours()?,
        };
        Ok(snapshot.into_tables(facts))
    }

    /// The names of forwards, sorted; those of destinations have a part more.
    pub fn forward_names(&self) -> Result<Vec<String>, ReadError> {
        let names = all(map::NAMES, self.names.iter())?;
        let names = names.into_iter().map(|(_, name)| text(&name));
        let mut forwards: Vec<_> = names
            .filter(|name| name.matches('/').count() == 1)
            .collect();
        forwards.sort();
        Ok(forwards)
    }

    /// The sizes of the maps as they are: adopted ones keep theirs.
    pub fn capacity(&self) -> Result<Capacity, ReadError> {
        let size = |name, map: &aya::maps::MapData| {
            map.info()
                .map(|info| info.max_entries())
                .map_err(|source| ReadError { name, source })
        };
        let [attachments, neighbours] = self.records.sizes()?;
        Ok(Capacity {
            listeners: size(map::LISTENERS, IterableMap::map(&self.listeners))?,
            prefixes: size(map::PREFIXES, IterableMap::map(&self.prefixes))?,
            listener_slots: self.listener_slots.len(),
            forwards: self.forwards.len(),
            forward_slots: self.forward_slots.len(),
            sources: size(map::SOURCES, IterableMap::map(&self.sources))?,
            tables: self.tables.len(),
            upstreams: self.upstreams.len(),
            next_hops: self.next_hops.len(),
            rate_limits: self.rate_limits.len(),
            vlans: size(map::VLANS, IterableMap::map(&self.vlans))?,
            forward_counters: self.forward_counters.len(),
            destination_counters: self.destination_counters.len(),
            upstream_counters: self.upstream_counters.len(),
            interface_counters: size(
                map::INTERFACE_COUNTERS,
                IterableMap::map(&self.interface_counters),
            )?,
            names: size(map::NAMES, IterableMap::map(&self.names))?,
            retired: size(map::RETIRED, IterableMap::map(&self.retired))?,
            attachments,
            neighbours,
        })
    }
}

pub(super) fn all<T>(
    name: &'static str,
    entries: impl Iterator<Item = Result<T, MapError>>,
) -> Result<Vec<T>, ReadError> {
    entries
        .collect::<Result<_, _>>()
        .map_err(|source| ReadError { name, source })
}

pub(super) fn text(name: &Name) -> String {
    let bytes = name.bytes.get(..name.length.into()).unwrap_or(&name.bytes);
    str::from_utf8(bytes).unwrap_or_default().to_owned()
}
