//! Loads the program and creates or adopts its maps. **IO**

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use aya::{
    Ebpf, EbpfError, EbpfLoader, include_bytes_aligned,
    maps::{Map, MapError, MapInfo},
    programs::{ProgramError, SchedClassifier},
};
use thiserror::Error;
use udplb_abi::{fragment::MAX_DATAGRAMS, map, trace::TRACE_BUFFER_BYTES};

use super::{PinDirectory, maps::OpenError, pins};
use crate::{facts::LinkKind, tables::capacity::Capacity};

/// The program as `build.rs` compiled it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/udplb"));

/// What is loaded in its place, where somebody said so.
static OTHER: OnceLock<Vec<u8>> = OnceLock::new();

/// Has this process load another program than its own. For those who test how that behaves: `examples/other_program.rs`.
pub fn load_instead(object: Vec<u8>) {
    // Whoever comes second changes nothing: a process has one program.
    let _first = OTHER.set(object);
}

fn object() -> &'static [u8] {
    OTHER.get().map_or(OBJECT, Vec::as_slice)
}

/// Names of the classifiers: for interfaces with Ethernet frames, and for those with bare IP packets.
const CLASSIFIERS: [&str; 2] = ["udplb_ethernet", "udplb_ip"];

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
    /// A pinned map is not what this version works with.
    #[error(
        "the pinned map {} is of another version of udplb-agent ({property} {actual} instead of \
         {expected}); run `udplb-agent cleanup` of that version, or give this one its own folder \
         with --pin-dir", path.display()
    )]
    OtherVersion {
        /// The pin.
        path: PathBuf,
        /// In what it differs.
        property: &'static str,
        /// What this version makes.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The kernel refused the program.
    #[error("the kernel refused the eBPF program {name}: {reason}")]
    Refused {
        /// The program.
        name: &'static str,
        /// The system's reason, and the verifier's last word. All its words are logged with `-d`.
        reason: String,
    },
    /// The pinned maps could not be opened.
    #[error("failed to open the BPF maps")]
    Open {
        /// Why.
        #[source]
        source: OpenError,
    },
}

/// A map could not be pinned again.
#[derive(Debug, Error)]
#[error("failed to pin the BPF map {name} again")]
pub struct RepinError {
    name: &'static str,
    #[source]
    source: io::Error,
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
        if object().is_empty() {
            return Err(LoadError::NoProgram);
        }
        let sizes = sizes(capacity);
        let mut loader = EbpfLoader::new();
        for (name, entries) in sizes {
            let pin = pins::pin_of(pins.path(), name);
            let entries = match MapInfo::from_pin(&pin) {
                Ok(pinned) => pinned.max_entries(),
                Err(_) if !pin.exists() => entries,
                // The library would take it for missing, and fail to pin another one there.
                Err(source) => {
                    let source = OpenError::Pin { name, source };
                    return Err(LoadError::Open { source });
                }
            };
            let _loader = loader
                .map_max_entries(name, entries)
                .map_pin_path(name, pin);
        }
        let mut object = loader
            .load(object())
            .map_err(|error| not_adopted(pins.path(), error))?;
        load_all(&mut object)?;
        Ok(Self { object })
    }

    /// Pins the maps again whose pins are gone or lead to other maps, and returns their names. The program goes on with
    /// its own maps whatever happens to the pins; the next start needs them.
    pub fn pin_again(&self, pins: &PinDirectory) -> Result<Vec<&'static str>, RepinError> {
        let mut lost = Vec::new();
        for (name, _) in sizes(&Capacity::default()) {
            let Some((_, map)) = self.object.maps().find(|(found, _)| *found == name) else {
                continue;
            };
            let failed = |source: io::Error| RepinError { name, source };
            let id = map_info(map)
                .map_err(io::Error::other)
                .map_err(failed)?
                .id();
            let pin = pins::pin_of(pins.path(), name);
            match MapInfo::from_pin(&pin) {
                Ok(found) if found.id() == id => continue,
                Ok(_) => fs::remove_file(&pin).map_err(failed)?,
                Err(_) => {
                    fs::create_dir_all(pin.parent().unwrap_or(pins.path())).map_err(failed)?;
                }
            }
            map.pin(&pin).map_err(io::Error::other).map_err(failed)?;
            lost.push(name);
        }
        Ok(lost)
    }

    /// Loads the program without pinning or keeping anything, and compares its maps with those that are
    /// pinned below a pin directory.
    pub fn try_out(pin_directory: &Path) -> Result<(), LoadError> {
        if object().is_empty() {
            return Err(LoadError::NoProgram);
        }
        let mut object = EbpfLoader::new()
            .load(object())
            .map_err(|error| not_adopted(pin_directory, error))?;
        for (name, map) in object.maps() {
            let pin = pins::pin_of(pin_directory, name);
            if let (Ok(found), Ok(ours)) = (MapInfo::from_pin(&pin), map_info(map)) {
                compare(&pin, &ours, &found)?;
            }
        }
        load_all(&mut object)
    }

    /// The classifier for interfaces with such frames.
    pub fn of(&mut self, kind: LinkKind) -> Result<&mut SchedClassifier, LoadError> {
        let [ethernet, ip] = CLASSIFIERS;
        let name = if kind == LinkKind::Ip { ip } else { ethernet };
        classifier(&mut self.object, name)
    }

    /// The kernel's numbers of the classifiers.
    pub fn ids(&mut self) -> Result<Vec<u32>, LoadError> {
        let id = |name| {
            let info = classifier(&mut self.object, name)?.info();
            info.map(|info| info.id()).map_err(refused(name))
        };
        CLASSIFIERS.into_iter().map(id).collect()
    }
}

fn load_all(object: &mut Ebpf) -> Result<(), LoadError> {
    CLASSIFIERS.into_iter().try_for_each(|name| {
        let loaded = classifier(object, name)?.load();
        loaded.map_err(refused(name))
    })
}

fn classifier<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, LoadError> {
    object
        .program_mut(name)
        .ok_or(LoadError::NoProgram)?
        .try_into()
        .map_err(refused(name))
}

fn refused(name: &'static str) -> impl Fn(ProgramError) -> LoadError {
    move |error| LoadError::Refused {
        name,
        reason: reason(error),
    }
}

fn reason(error: ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            tracing::debug!("the verifier's log:\n{log}");
            match last_word(&log) {
                Some(last) => format!("{io_error}; the verifier says: {last}"),
                None => io_error.to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// The line of a verifier's log that says why it ended: the last one in front of its statistics.
fn last_word(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 3] = ["verification time", "stack depth", "processed"];
    log.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .rfind(|line| !STATISTICS.iter().any(|start| line.starts_with(start)))
}

fn not_adopted(pin_directory: &Path, error: EbpfError) -> LoadError {
    if let EbpfError::MapError(MapError::IncompatiblePinnedMap {
        name,
        property,
        expected,
        actual,
    }) = error
    {
        return LoadError::OtherVersion {
            path: pins::pin_of(pin_directory, &name),
            property: words(property),
            expected,
            actual,
        };
    }
    LoadError::Maps {
        path: pin_directory.to_owned(),
        source: Box::new(error),
    }
}

/// The library's words for the properties of a map, for people.
fn words(property: &str) -> &'static str {
    match property {
        "map_type" => "type",
        "key_size" => "key size",
        "value_size" => "value size",
        "max_entries" => "size",
        _ => "flags",
    }
}

fn map_info(map: &Map) -> Result<MapInfo, MapError> {
    match map {
        Map::Array(map)
        | Map::HashMap(map)
        | Map::LpmTrie(map)
        | Map::LruHashMap(map)
        | Map::PerCpuArray(map)
        | Map::PerCpuHashMap(map)
        | Map::RingBuf(map) => map.info(),
        _ => Err(MapError::InvalidMapType { map_type: 0 }),
    }
}

/// Sizes may differ; what the program reads may not.
fn compare(pin: &Path, ours: &MapInfo, found: &MapInfo) -> Result<(), LoadError> {
    let kind = |info: &MapInfo| info.map_type().map_or(0, |kind| kind as u64);
    let properties = [
        ("type", kind(ours), kind(found)),
        ("key size", ours.key_size().into(), found.key_size().into()),
        (
            "value size",
            ours.value_size().into(),
            found.value_size().into(),
        ),
    ];
    match properties
        .into_iter()
        .find(|(_, ours, found)| ours != found)
    {
        None => Ok(()),
        Some((property, expected, actual)) => Err(LoadError::OtherVersion {
            path: pin.to_owned(),
            property,
            expected,
            actual,
        }),
    }
}

/// Entries of every map. `PORTS` is one value that holds a word for each port.
fn sizes(capacity: &Capacity) -> [(&'static str, u32); 29] {
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
        (map::FORWARD_STAMPS, forward_slots),
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
        (map::FORWARD_OWNERS, forward_counters),
        (map::DESTINATION_OWNERS, destination_counters),
        (map::UPSTREAM_OWNERS, upstream_counters),
        (map::NAMES, names),
        (map::RETIRED, retired),
        (map::ATTACHMENTS, attachments),
        (map::NEIGHBOURS, neighbours),
        (map::FRAGMENTS, MAX_DATAGRAMS),
        (map::IDENTIFICATIONS, 1),
        (map::TRACE, 1),
        (map::TRACE_BUDGETS, 1),
        (map::TRACE_EVENTS, TRACE_BUFFER_BYTES),
    ]
}
