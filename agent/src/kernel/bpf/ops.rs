//! Carries out the ops that change maps. **IO**

use std::io;

use aya::maps::{MapError, PerCpuValues, lpm_trie::Key};
use thiserror::Error;
use udplb_abi::{
    forward::{ForwardSlot, SOURCE_KEY_BITS, TABLE_ENTRIES_PER_VALUE, UpstreamSlot},
    listener::LISTENER_KEY_BITS,
    map,
    record::{MAX_NAME, Name},
};

use super::{Maps, mapped};
use crate::op::Op;

const EXACT: u8 = 128;
const NEXT_HOP: usize = std::mem::offset_of!(UpstreamSlot, next_hop);
const ANY: u64 = 0;

/// Why a change of a map failed.
#[derive(Debug, Error)]
pub enum MapOpError {
    /// The kernel refused.
    #[error("failed to change the BPF map {name}")]
    Refused {
        /// The map.
        name: &'static str,
        /// Why.
        #[source]
        source: MapError,
    },
    /// The grace period could not be awaited.
    #[error("failed to wait for running programs (membarrier)")]
    Grace {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The op is none that changes maps.
    #[error("{op} is no change of a map")]
    NotAMap {
        /// The op.
        op: String,
    },
}

/// Waits until every program that runs now has ended. Under load that takes a while: the wait has a
/// thread of its own, so that the rest of the process goes on.
pub async fn grace() -> Result<(), MapOpError> {
    let wait = tokio::task::spawn_blocking(mapped::wait_for_running_programs);
    wait.await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|source| MapOpError::Grace { source })
}

impl Maps {
    /// Carries out one op.
    pub fn apply(&mut self, op: &Op) -> Result<(), MapOpError> {
        match op {
            Op::WriteName { id, name } => {
                refused(map::NAMES, self.names.insert(id, &packed(name), ANY))
            }
            Op::WriteSource { key, prefix_length } => {
                let entry = Key::new(SOURCE_KEY_BITS + u32::from(*prefix_length), *key);
                refused(map::SOURCES, self.sources.insert(&entry, &key.set, ANY))
            }
            Op::RemoveSource { key, prefix_length } => {
                let entry = Key::new(SOURCE_KEY_BITS + u32::from(*prefix_length), *key);
                removed(map::SOURCES, self.sources.remove(&entry))
            }
            Op::WriteTable { first, entries } => {
                self.write_table(*first, entries);
                Ok(())
            }
            Op::WriteNextHop { slot, value } => {
                self.next_hops.write(*slot, *value);
                Ok(())
            }
            Op::WriteRateLimit { slot, value } => {
                self.rate_limits.write(*slot, *value);
                Ok(())
            }
            Op::WriteUpstream { slot, value } => {
                self.upstreams.write(*slot, *value);
                Ok(())
            }
            Op::WriteForward { slot, value } => {
                self.write_forward(*slot, value);
                Ok(())
            }
            Op::WriteListener { slot, value } => {
                self.listener_slots.write(*slot, *value);
                Ok(())
            }
            Op::SetListener {
                key,
                prefix_length: EXACT,
                slot,
            } => refused(map::LISTENERS, self.listeners.insert(key, slot, ANY)),
            Op::SetListener {
                key,
                prefix_length,
                slot,
            } => {
                let entry = Key::new(LISTENER_KEY_BITS + u32::from(*prefix_length), *key);
                refused(map::PREFIXES, self.prefixes.insert(&entry, slot, ANY))
            }
            Op::RemoveListener {
                key,
                prefix_length: EXACT,
            } => removed(map::LISTENERS, self.listeners.remove(key)),
            Op::RemoveListener { key, prefix_length } => {
                let entry = Key::new(LISTENER_KEY_BITS + u32::from(*prefix_length), *key);
                removed(map::PREFIXES, self.prefixes.remove(&entry))
            }
            Op::SetNextHop { upstream, slot } => {
                self.upstreams.store(*upstream, NEXT_HOP, *slot);
                Ok(())
            }
            Op::SetForward { forward, slot } => {
                self.forwards.store(*forward, 0, *slot);
                Ok(())
            }
            Op::SetPort { port, word } => {
                self.ports.store(0, usize::from(*port) * 4, word.0);
                Ok(())
            }
            Op::SetVlan { key, device } => refused(map::VLANS, self.vlans.insert(key, device, ANY)),
            Op::RemoveVlan { key } => removed(map::VLANS, self.vlans.remove(key)),
            Op::RetireUpstream {
                destination,
                counters,
            } => self.retire(*destination, *counters),
            Op::RemoveRetired { destination } => {
                removed(map::RETIRED, self.retired.remove(destination))
            }
            Op::ClearForwardCounters { slot } => self.clear_forward(*slot),
            Op::ClearDestinationCounters { slot } => self.clear_destination(*slot),
            Op::ClearUpstreamCounters { slot } => self.clear_upstream(*slot),
            Op::RemoveName { id } => removed(map::NAMES, self.names.remove(id)),
            Op::Attach { .. }
            | Op::Detach { .. }
            | Op::Grace
            | Op::ManageNeighbour { .. }
            | Op::ReleaseNeighbour { .. } => Err(MapOpError::NotAMap { op: op.to_string() }),
        }
    }

    /// With another stamp, so that what a program remembers of the slot's last meaning is not taken for this one.
    fn write_forward(&self, slot: u32, value: &ForwardSlot) {
        let stamp = self.forward_stamps.load(slot, 0).wrapping_add(1);
        self.forward_stamps.store(slot, 0, stamp);
        self.forward_slots.write(slot, *value);
        self.own(value);
    }

    fn write_table(&self, first: u32, entries: &[u8]) {
        let (values, rest) = entries.as_chunks::<{ TABLE_ENTRIES_PER_VALUE as usize }>();
        let mut index = first;
        for value in values {
            self.tables.write(index, *value);
            index += 1;
        }
        if !rest.is_empty() {
            let mut value = [0; TABLE_ENTRIES_PER_VALUE as usize];
            value[..rest.len()].copy_from_slice(rest);
            self.tables.write(index, value);
        }
    }

    fn retire(&mut self, destination: u64, counters: u32) -> Result<(), MapOpError> {
        let sent = refused(
            map::UPSTREAM_COUNTERS,
            self.upstream_counters.get(&counters, ANY),
        )?;
        let before = absent(map::RETIRED, self.retired.get(&destination, ANY))?;
        let mut total = before.unwrap_or_default();
        for of_cpu in sent.iter() {
            total.packets += of_cpu.packets;
            total.bytes += of_cpu.bytes;
        }
        refused(map::RETIRED, self.retired.insert(&destination, &total, ANY))?;
        self.clear_upstream(counters)
    }
}

pub(super) fn refused<T>(name: &'static str, result: Result<T, MapError>) -> Result<T, MapOpError> {
    result.map_err(|source| MapOpError::Refused { name, source })
}

/// Removing what is gone already is fine: ops are idempotent.
pub(super) fn removed(name: &'static str, result: Result<(), MapError>) -> Result<(), MapOpError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        result => refused(name, result),
    }
}

/// A value that may be missing.
pub(super) fn absent<T>(
    name: &'static str,
    result: Result<T, MapError>,
) -> Result<Option<T>, MapOpError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(None),
        result => refused(name, result).map(Some),
    }
}

/// A zero for every CPU.
pub(super) fn zeros<T: aya::Pod + Default>() -> Result<PerCpuValues<T>, MapError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    let cpus = cpus.get() as usize;
    Ok(PerCpuValues::try_from(vec![T::default(); cpus])?)
}

fn packed(name: &str) -> Name {
    // The planner keeps names within the bound.
    let length = name.len().min(MAX_NAME);
    let mut bytes = [0; MAX_NAME];
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    Name {
        length: u8::try_from(length).unwrap_or(u8::MAX),
        bytes,
    }
}
