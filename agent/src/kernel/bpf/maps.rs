//! Typed handles of all maps, opened from their pins. **IO**

use std::{io, path::Path};

use aya::{
    Pod,
    maps::{HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuHashMap},
};
use thiserror::Error;
use udplb_abi::{
    counters::{DestinationCounters, InterfaceCounters, Traffic},
    forward::{ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    listener::{ListenerKey, ListenerSlot, VlanKey},
    map,
    next_hop::NextHopSlot,
    record::{Name, UpstreamOwner},
};

use super::{Records, mapped::Mapped, pins};

/// Why a pinned map could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No agent has set anything up there.
    #[error(
        "nothing is pinned in {path}: no agent has run with this --pin-dir since boot or cleanup"
    )]
    Absent {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// Only an agent of another version has.
    #[error(
        "{path} is in use by another version of udplb-agent ({found}): ask that version, or start this one, which \
         takes over without a gap"
    )]
    OtherVersion {
        /// The folder.
        path: std::path::PathBuf,
        /// What it left there.
        found: String,
    },
    /// The kernel refused to open a pin.
    #[error("failed to open the BPF map {name}")]
    Pin {
        /// The map.
        name: &'static str,
        /// Why.
        #[source]
        source: MapError,
    },
    /// The map could not be mapped into memory.
    #[error("failed to map the BPF map {name} into memory")]
    Memory {
        /// The map.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Every map. Fields are named after the maps.
pub struct Maps {
    pub(super) ports: Mapped<[u32; 65_536]>,
    pub(super) listeners: HashMap<MapData, ListenerKey, u32>,
    pub(super) prefixes: LpmTrie<MapData, ListenerKey, u32>,
    pub(super) listener_slots: Mapped<ListenerSlot>,
    pub(super) forwards: Mapped<u32>,
    pub(super) forward_slots: Mapped<ForwardSlot>,
    pub(super) forward_stamps: Mapped<u32>,
    pub(super) sources: LpmTrie<MapData, SourceKey, u32>,
    pub(super) tables: Mapped<[u8; 8]>,
    pub(super) upstreams: Mapped<UpstreamSlot>,
    pub(super) next_hops: Mapped<NextHopSlot>,
    pub(super) rate_limits: Mapped<RateLimitSlot>,
    pub(super) vlans: HashMap<MapData, VlanKey, u32>,
    pub(super) forward_counters: PerCpuArray<MapData, Traffic>,
    pub(super) destination_counters: PerCpuArray<MapData, DestinationCounters>,
    pub(super) upstream_counters: PerCpuArray<MapData, Traffic>,
    pub(super) interface_counters: PerCpuHashMap<MapData, u32, InterfaceCounters>,
    pub(super) names: HashMap<MapData, u64, Name>,
    pub(super) retired: HashMap<MapData, u64, Traffic>,
    pub(super) forward_owners: Mapped<u64>,
    pub(super) destination_owners: Mapped<u64>,
    pub(super) upstream_owners: Mapped<UpstreamOwner>,
    /// What all versions share.
    pub records: Records,
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Maps").finish_non_exhaustive()
    }
}

impl Maps {
    /// Opens the maps below a pin directory. Takes no lock: for readers, and for the agent that has it.
    pub fn open(pin_directory: &Path) -> Result<Self, OpenError> {
        is_there(pin_directory)?;
        let pin = opener(pin_directory);
        let pin = &pin;
        Ok(Self {
            ports: array(map::PORTS, pin)?,
            listeners: typed(map::LISTENERS, pin, Map::HashMap)?,
            prefixes: typed(map::PREFIXES, pin, Map::LpmTrie)?,
            listener_slots: array(map::LISTENER_SLOTS, pin)?,
            forwards: array(map::FORWARDS, pin)?,
            forward_slots: array(map::FORWARD_SLOTS, pin)?,
            forward_stamps: array(map::FORWARD_STAMPS, pin)?,
            sources: typed(map::SOURCES, pin, Map::LpmTrie)?,
            tables: array(map::TABLES, pin)?,
            upstreams: array(map::UPSTREAMS, pin)?,
            next_hops: array(map::NEXT_HOPS, pin)?,
            rate_limits: array(map::RATE_LIMITS, pin)?,
            vlans: typed(map::VLANS, pin, Map::HashMap)?,
            forward_counters: typed(map::FORWARD_COUNTERS, pin, Map::PerCpuArray)?,
            destination_counters: typed(map::DESTINATION_COUNTERS, pin, Map::PerCpuArray)?,
            upstream_counters: typed(map::UPSTREAM_COUNTERS, pin, Map::PerCpuArray)?,
            interface_counters: typed(map::INTERFACE_COUNTERS, pin, Map::PerCpuHashMap)?,
            names: typed(map::NAMES, pin, Map::HashMap)?,
            retired: typed(map::RETIRED, pin, Map::HashMap)?,
            forward_owners: array(map::FORWARD_OWNERS, pin)?,
            destination_owners: array(map::DESTINATION_OWNERS, pin)?,
            upstream_owners: array(map::UPSTREAM_OWNERS, pin)?,
            records: Records::open(pin_directory)?,
        })
    }
}

/// Fails where no agent of this version has made its maps.
pub(super) fn is_there(pin_directory: &Path) -> Result<(), OpenError> {
    if pins::is_set_up(pin_directory) {
        return Ok(());
    }
    let path = pin_directory.to_owned();
    // What cannot be listed is not there for us.
    let others = pins::others(pin_directory).unwrap_or_default();
    let names = others.iter().filter_map(|folder| folder.file_name());
    let mut names: Vec<_> = names.map(|name| name.display().to_string()).collect();
    names.sort();
    Err(if names.is_empty() {
        OpenError::Absent { path }
    } else {
        let found = names.join(", ");
        OpenError::OtherVersion { path, found }
    })
}

/// Opens maps by their names.
pub(super) fn opener(
    pin_directory: &Path,
) -> impl Fn(&'static str) -> Result<MapData, OpenError> + use<'_> {
    move |name| {
        let pin = pins::pin_of(pin_directory, name);
        MapData::from_pin(pin).map_err(|source| OpenError::Pin { name, source })
    }
}

fn array<T: Pod>(
    name: &'static str,
    pin: impl Fn(&'static str) -> Result<MapData, OpenError>,
) -> Result<Mapped<T>, OpenError> {
    Mapped::new(&pin(name)?).map_err(|source| OpenError::Memory { name, source })
}

pub(super) fn typed<T: TryFrom<Map, Error = MapError>>(
    name: &'static str,
    pin: impl Fn(&'static str) -> Result<MapData, OpenError>,
    kind: impl Fn(MapData) -> Map,
) -> Result<T, OpenError> {
    kind(pin(name)?)
        .try_into()
        .map_err(|source| OpenError::Pin { name, source })
}
