//! What an agent of another version left in the kernel, by its own records. **IO**
//!
//! Of such a version's maps only those are opened whose shape every version keeps, and they are only read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use aya::{
    maps::{HashMap, Map, MapData, MapInfo},
    programs::{ProgramError, loaded_programs},
};
use thiserror::Error;
use udplb_abi::{
    map,
    record::{Attachment, Neighbour, NeighbourKey},
};

use super::{OpenError, PinError, ReadError, maps::typed, pins, read::all};
use crate::facts::InterfaceIndex;

/// Why the records cannot be read.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum RecordsError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Pins(#[from] PinError),
}

/// The records in a folder of maps.
#[derive(Debug)]
pub struct Records {
    /// Where the program was attached, and how.
    pub attachments: BTreeMap<InterfaceIndex, Attachment>,
    /// Neighbour entries, with what was done to them.
    pub neighbours: BTreeMap<NeighbourKey, Neighbour>,
    /// The kernel's numbers of all maps of that folder.
    maps: BTreeSet<u32>,
}

impl Records {
    /// Reads those in a folder of maps.
    pub fn read(folder: &Path) -> Result<Self, RecordsError> {
        let pin = |name| {
            MapData::from_pin(folder.join(name)).map_err(|source| OpenError::Pin { name, source })
        };
        let attachments: HashMap<_, _, _> = typed(map::ATTACHMENTS, pin, Map::HashMap)?;
        let neighbours: HashMap<_, _, _> = typed(map::NEIGHBOURS, pin, Map::HashMap)?;
        let numbers = pins::entries(folder)?
            .iter()
            .filter_map(|pin| Some(MapInfo::from_pin(pin).ok()?.id()))
            .collect();
        Ok(Self {
            attachments: all(map::ATTACHMENTS, attachments.iter())?
                .into_iter()
                .collect(),
            neighbours: all(map::NEIGHBOURS, neighbours.iter())?
                .into_iter()
                .collect(),
            maps: numbers,
        })
    }

    /// Whether a program works with the maps that are beside the records.
    pub(super) fn are_used_by(&self, program: u32) -> Result<bool, ProgramError> {
        for info in loaded_programs() {
            let info = info?;
            if info.id() == program {
                let maps = info.map_ids()?.unwrap_or_default();
                return Ok(maps.iter().any(|map| self.maps.contains(map)));
            }
        }
        Ok(false)
    }
}
