//! What is ours on this host: the records that agents of all versions share. **IO**

use std::path::Path;

use aya::maps::{HashMap, Map, MapData};
use udplb_abi::{
    map,
    record::{Attachment, Neighbour, NeighbourKey},
};

use super::{
    MapOpError, OpenError, ReadError,
    maps::{opener, typed},
    ops::{absent, refused, removed},
    read::all,
};
use crate::facts::InterfaceIndex;

const ANY: u64 = 0;

/// The records. Each is written before what it stands for, and removed after it.
#[derive(Debug)]
pub struct Records {
    attachments: HashMap<MapData, u32, Attachment>,
    neighbours: HashMap<MapData, NeighbourKey, Neighbour>,
}

impl Records {
    /// Opens the records below a pin directory.
    pub fn open(pin_directory: &Path) -> Result<Self, OpenError> {
        let pin = opener(pin_directory);
        Ok(Self {
            attachments: typed(map::ATTACHMENTS, &pin, Map::HashMap)?,
            neighbours: typed(map::NEIGHBOURS, &pin, Map::HashMap)?,
        })
    }

    /// The recorded attachments.
    pub fn attachments(&self) -> Result<Vec<(InterfaceIndex, Attachment)>, ReadError> {
        all(map::ATTACHMENTS, self.attachments.iter())
    }

    /// The keys of recorded neighbour entries.
    pub fn neighbours(&self) -> Result<Vec<NeighbourKey>, ReadError> {
        all(map::NEIGHBOURS, self.neighbours.keys())
    }

    /// How many records there is room for: attachments, neighbour entries.
    pub(super) fn sizes(&self) -> Result<[u32; 2], ReadError> {
        let size = |name, map: &MapData| {
            let info = map.info();
            info.map(|info| info.max_entries())
                .map_err(|source| ReadError { name, source })
        };
        Ok([
            size(
                map::ATTACHMENTS,
                aya::maps::IterableMap::map(&self.attachments),
            )?,
            size(
                map::NEIGHBOURS,
                aya::maps::IterableMap::map(&self.neighbours),
            )?,
        ])
    }

    /// The record of an interface.
    pub(super) fn attachment(
        &self,
        interface: InterfaceIndex,
    ) -> Result<Option<Attachment>, MapOpError> {
        absent(map::ATTACHMENTS, self.attachments.get(&interface, ANY))
    }

    /// Records an attachment.
    pub(super) fn record_attachment(
        &mut self,
        interface: InterfaceIndex,
        hook: u8,
        created_qdisc: bool,
    ) -> Result<(), MapOpError> {
        let record = Attachment {
            hook,
            created_qdisc: created_qdisc.into(),
            padding: [0; 6],
        };
        let recorded = self.attachments.insert(&interface, &record, ANY);
        refused(map::ATTACHMENTS, recorded)
    }

    /// Removes the record of an attachment.
    pub(super) fn forget_attachment(
        &mut self,
        interface: InterfaceIndex,
    ) -> Result<(), MapOpError> {
        removed(map::ATTACHMENTS, self.attachments.remove(&interface))
    }

    /// The record of a neighbour entry.
    pub(in crate::kernel) fn neighbour(
        &self,
        key: &NeighbourKey,
    ) -> Result<Option<Neighbour>, MapOpError> {
        absent(map::NEIGHBOURS, self.neighbours.get(key, ANY))
    }

    /// Records what was done to a neighbour entry.
    pub(in crate::kernel) fn record_neighbour(
        &mut self,
        key: &NeighbourKey,
        origin: u32,
    ) -> Result<(), MapOpError> {
        let record = Neighbour { origin };
        refused(map::NEIGHBOURS, self.neighbours.insert(key, &record, ANY))
    }

    /// Removes the record of a neighbour entry.
    pub(in crate::kernel) fn forget_neighbour(
        &mut self,
        key: &NeighbourKey,
    ) -> Result<(), MapOpError> {
        removed(map::NEIGHBOURS, self.neighbours.remove(key))
    }
}
