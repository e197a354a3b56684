//! Loads the program and creates or adopts its maps. **IO**

use std::path::Path;

use aya::{
    Ebpf, EbpfError, EbpfLoader, include_bytes_aligned,
    programs::{ProgramError, SchedClassifier},
};
use thiserror::Error;
use udplb_abi::{map, trace::TRACE_BUFFER_BYTES};

use super::{PinDirectory, maps::OpenError, pins};
use crate::tables::capacity::Capacity;

/// The program as `build.rs` compiled it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/udplb"));

/// Name of the classifier for interfaces with Ethernet frames.
const ETHERNET: &str = "udplb_ethernet";

/// Why the program could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Built without it.
    #[error("this binary was built with UDPLB_SKIP_EBPF and has no eBPF program")]
    NoProgram,
    /// The maps could not be created or adopted.
    #[error("failed to create or adopt the BPF maps in {path}")]
    Maps {
        /// The folder of pins.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: Box<EbpfError>,
    },
    /// The kernel refused the program.
    #[error("the kernel refused the eBPF program {name}")]
    Refused {
        /// The program.
        name: &'static str,
        /// Why; holds the verifier's log.
        #[source]
        source: Box<ProgramError>,
    },
    /// The pinned maps could not be opened.
    #[error("failed to open the BPF maps")]
    Open {
        /// Why.
        #[source]
        source: OpenError,
    },
}

/// The loaded program. It does nothing until it is attached.
#[derive(Debug)]
pub struct Program {
    object: Ebpf,
}

impl Program {
    /// Loads the program; creates the maps that are not pinned yet and adopts those that are.
    ///
    /// Sizes hold for maps that are created. Adopted ones keep theirs.
    pub fn load(pins: &PinDirectory, capacity: &Capacity) -> Result<Self, LoadError> {
        Self::load_below(&pins.maps(), capacity)
    }

    fn load_below(maps: &Path, capacity: &Capacity) -> Result<Self, LoadError> {
        if OBJECT.is_empty() {
            return Err(LoadError::NoProgram);
        }
        let sizes = sizes(capacity);
        let mut loader = EbpfLoader::new();
        for (name, entries) in sizes {
            let _loader = loader
                .map_max_entries(name, entries)
                .map_pin_path(name, maps.join(pins::name(name)));
        }
        let mut object = loader.load(OBJECT).map_err(|source| LoadError::Maps {
            path: maps.to_owned(),
            source: Box::new(source),
        })?;
        classifier(&mut object)?.load().map_err(refused)?;
        Ok(Self { object })
    }

    /// The classifier for interfaces with Ethernet frames.
    pub fn ethernet(&mut self) -> Result<&mut SchedClassifier, LoadError> {
        classifier(&mut self.object)
    }
}

fn classifier(object: &mut Ebpf) -> Result<&mut SchedClassifier, LoadError> {
    object
        .program_mut(ETHERNET)
        .ok_or(LoadError::NoProgram)?
        .try_into()
        .map_err(refused)
}

fn refused(source: ProgramError) -> LoadError {
    LoadError::Refused {
        name: ETHERNET,
        source: Box::new(source),
    }
}

/// Entries of every map. `PORTS` is one value that holds a word for each port.
fn sizes(capacity: &Capacity) -> [(&'static str, u32); 23] {
    let Capacity {
        listeners,
        prefixes,
        listener_slots,
        forwards,
        forward_slots,
        sources,
        tables,
        upstreams,
        next_hops,
        rate_limits,
        vlans,
        forward_counters,
        destination_counters,
        upstream_counters,
        interface_counters,
        names,
        retired,
        attachments,
        neighbours,
    } = *capacity;
    [
        (map::PORTS, 1),
        (map::LISTENERS, listeners),
        (map::PREFIXES, prefixes),
        (map::LISTENER_SLOTS, listener_slots),
        (map::FORWARDS, forwards),
        (map::FORWARD_SLOTS, forward_slots),
        (map::SOURCES, sources),
        (map::TABLES, tables),
        (map::UPSTREAMS, upstreams),
        (map::NEXT_HOPS, next_hops),
        (map::RATE_LIMITS, rate_limits),
        (map::VLANS, vlans),
        (map::FORWARD_COUNTERS, forward_counters),
        (map::DESTINATION_COUNTERS, destination_counters),
        (map::UPSTREAM_COUNTERS, upstream_counters),
        (map::INTERFACE_COUNTERS, interface_counters),
        (map::NAMES, names),
        (map::RETIRED, retired),
        (map::ATTACHMENTS, attachments),
        (map::NEIGHBOURS, neighbours),
        (map::TRACE, 1),
        (map::TRACE_BUDGETS, 1),
        (map::TRACE_EVENTS, TRACE_BUFFER_BYTES),
    ]
}
