//! Whose packets each slot of the counters counts: recorded beside them, for a version with other tables. **IO**

use aya::maps::{MapData, PerCpuArray};
use udplb_abi::{forward::ForwardSlot, map, record::UpstreamOwner};

use super::{
    MapOpError, Maps,
    ops::{refused, zeros},
};
use crate::tables::{
    Tables,
    owners::{Owners, Recorded},
};

const ANY: u64 = 0;
const NOBODY: UpstreamOwner = UpstreamOwner {
    destination: 0,
    address: [0; 16],
    port: [0; 2],
    padding: [0; 6],
};

impl Maps {
    /// Records whose the counters of a version of a forward are.
    pub(super) fn own(&self, forward: &ForwardSlot) {
        self.forward_owners.write(forward.counters, forward.id);
        let count = usize::from(forward.destination_count);
        for destination in forward.destinations.iter().take(count) {
            self.destination_owners
                .write(destination.counters, destination.id);
            for balance in destination.balance {
                for slot in balance.first..balance.first.saturating_add(balance.count) {
                    let upstream = self.upstreams.read(slot);
                    let owner = UpstreamOwner {
                        destination: destination.id,
                        address: upstream.address,
                        port: upstream.port,
                        ..NOBODY
                    };
                    self.upstream_owners.write(upstream.counters, owner);
                }
            }
        }
    }

    /// Makes the records what the tables say. Slots of somebody who is counted elsewhere are given up: a run ended before
    /// it published what it had prepared.
    pub fn settle_owners(&mut self, tables: &Tables) -> Result<(), MapOpError> {
        for forward in tables
            .forwards
            .keys()
            .filter_map(|&number| tables.forward(number))
        {
            self.own(forward);
        }
        let recorded = Recorded {
            forwards: &self.forward_owners.copy(),
            destinations: &self.destination_owners.copy(),
            upstreams: &self.upstream_owners.copy(),
        };
        let (_, doubled) = Owners::unclaimed(recorded, tables);
        doubled
            .forwards
            .into_iter()
            .try_for_each(|slot| self.clear_forward(slot))?;
        doubled
            .destinations
            .into_iter()
            .try_for_each(|slot| self.clear_destination(slot))?;
        doubled
            .upstreams
            .into_iter()
            .try_for_each(|slot| self.clear_upstream(slot))
    }

    pub(super) fn clear_forward(&mut self, slot: u32) -> Result<(), MapOpError> {
        clear(map::FORWARD_COUNTERS, &mut self.forward_counters, slot)?;
        self.forward_owners.write(slot, 0);
        Ok(())
    }

    pub(super) fn clear_destination(&mut self, slot: u32) -> Result<(), MapOpError> {
        clear(
            map::DESTINATION_COUNTERS,
            &mut self.destination_counters,
            slot,
        )?;
        self.destination_owners.write(slot, 0);
        Ok(())
    }

    pub(super) fn clear_upstream(&mut self, slot: u32) -> Result<(), MapOpError> {
        clear(map::UPSTREAM_COUNTERS, &mut self.upstream_counters, slot)?;
        self.upstream_owners.write(slot, NOBODY);
        Ok(())
    }
}

fn clear<T: aya::Pod + Default>(
    name: &'static str,
    counters: &mut PerCpuArray<MapData, T>,
    slot: u32,
) -> Result<(), MapOpError> {
    refused(
        name,
        zeros().and_then(|zeros| counters.set(slot, zeros, ANY)),
    )
}
