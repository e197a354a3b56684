//! Reads counters: the sum over all CPUs. **IO**

use aya::maps::{MapError, PerCpuValues};
use udplb_abi::{
    counters::{DestinationCounters, InterfaceCounters, Traffic},
    map,
};

use super::{Maps, ReadError, read::all};
use crate::{facts::InterfaceIndex, report::Counters};

const ANY: u64 = 0;

impl Counters for Maps {
    type Error = ReadError;

    fn forward(&self, slot: u32) -> Result<Traffic, ReadError> {
        traffic(map::FORWARD_COUNTERS, self.forward_counters.get(&slot, ANY))
    }

    fn destination(&self, slot: u32) -> Result<DestinationCounters, ReadError> {
        let of_cpus = self
            .destination_counters
            .get(&slot, ANY)
            .map_err(|source| ReadError {
                name: map::DESTINATION_COUNTERS,
                source,
            })?;
        let mut total = DestinationCounters::default();
        for of_cpu in of_cpus.iter() {
            total.sampled_out += of_cpu.sampled_out;
            total.passed += of_cpu.passed;
            for (total, of_cpu) in total.dropped.iter_mut().zip(of_cpu.dropped) {
                *total += of_cpu;
            }
        }
        Ok(total)
    }

    fn upstream(&self, slot: u32) -> Result<Traffic, ReadError> {
        traffic(
            map::UPSTREAM_COUNTERS,
            self.upstream_counters.get(&slot, ANY),
        )
    }

    fn retired(&self, destination: u64) -> Result<Traffic, ReadError> {
        match self.retired.get(&destination, ANY) {
            Err(MapError::KeyNotFound) => Ok(Traffic::default()),
            found => found.map_err(|source| ReadError {
                name: map::RETIRED,
                source,
            }),
        }
    }
}

impl Maps {
    /// What was let go on each interface.
    pub fn interfaces(&self) -> Result<Vec<(InterfaceIndex, InterfaceCounters)>, ReadError> {
        let interfaces = all(map::INTERFACE_COUNTERS, self.interface_counters.iter())?;
        let sums = interfaces.into_iter().map(|(interface, of_cpus)| {
            let mut total = InterfaceCounters::default();
            for of_cpu in of_cpus.iter() {
                for (total, of_cpu) in total.unmatched.iter_mut().zip(of_cpu.unmatched) {
                    *total += of_cpu;
                }
            }
            (interface, total)
        });
        Ok(sums.collect())
    }
}

fn traffic(
    name: &'static str,
    found: Result<PerCpuValues<Traffic>, MapError>,
) -> Result<Traffic, ReadError> {
    let of_cpus = found.map_err(|source| ReadError { name, source })?;
    let mut total = Traffic::default();
    for of_cpu in of_cpus.iter() {
        total.packets += of_cpu.packets;
        total.bytes += of_cpu.bytes;
    }
    Ok(total)
}
