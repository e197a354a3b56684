//! What the final state uses, and what is left over when it is reached. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{
    NONE,
    forward::{ForwardSlot, SourceKey, UpstreamSlot},
};

use super::{ledger::destinations, pass::Written, plan::Plan};
use crate::{
    op::Op,
    tables::{Tables, owners::UpstreamId},
};

/// Everything that the final state refers to.
#[derive(Debug, Default)]
pub(super) struct Finals {
    forwards: BTreeSet<u64>,
    destinations: BTreeSet<u64>,
    upstreams: BTreeSet<UpstreamId>,
    sets: BTreeSet<u32>,
    written: Written,
}

impl Finals {
    pub(super) fn new(plan: &Plan, tables: &Tables, written: Written) -> Self {
        let mut finals = Self {
            written,
            ..Self::default()
        };
        for (_, planned) in plan.iter() {
            let forward = &planned.value;
            let _ = finals.forwards.insert(forward.id);
            let _ = finals.sets.insert(forward.sources);
            finals
                .destinations
                .extend(destinations(forward).map(|destination| destination.id));
            let upstreams = block_slots(forward).filter_map(|(destination, slot)| {
                let upstream = finals
                    .written
                    .get(&slot)
                    .or_else(|| tables.upstreams.get(&slot))?;
                Some((destination, upstream.address, upstream.port))
            });
            finals.upstreams.extend(upstreams);
        }
        finals
    }

    /// The upstreams of a final forward whose slots are in use already.
    pub(super) fn staying_upstreams<'a>(
        &'a self,
        forward: &'a ForwardSlot,
        tables: &'a Tables,
    ) -> impl Iterator<Item = (u32, &'a UpstreamSlot)> {
        block_slots(forward)
            .filter(|(_, slot)| !self.written.contains_key(slot))
            .filter_map(|(_, slot)| tables.upstreams.get_key_value(&slot))
            .map(|(&slot, value)| (slot, value))
    }

    /// Whether a version has counters that the final state has not.
    pub(super) fn leaves_behind(&self, slot: u32, tables: &Tables) -> bool {
        tables.forward_slots.get(&slot).is_some_and(|forward| {
            !self.forwards.contains(&forward.id)
                || destinations(forward).any(|one| !self.destinations.contains(&one.id))
                || upstreams(forward, tables).any(|(id, _)| !self.upstreams.contains(&id))
        })
    }

    /// Cleans up what observed versions have and the final state has not.
    pub(super) fn prune(&self, tables: &Tables, ops: &mut Vec<Op>) {
        for (&set, prefixes) in tables
            .sources
            .iter()
            .filter(|(set, _)| !self.sets.contains(set))
        {
            ops.extend(prefixes.iter().map(|prefix| Op::RemoveSource {
                key: SourceKey {
                    set,
                    address: prefix.address(),
                },
                prefix_length: prefix.length(),
            }));
        }
        self.counters(tables, ops);
        let retired = tables.retired.difference(&self.destinations);
        ops.extend(retired.map(|&destination| Op::RemoveRetired { destination }));
        let is_final = |id: &u64| self.forwards.contains(id) || self.destinations.contains(id);
        let names = tables.names.keys().filter(|id| !is_final(id));
        ops.extend(names.map(|&id| Op::RemoveName { id }));
    }

    fn counters(&self, tables: &Tables, ops: &mut Vec<Op>) {
        let mut forwards = BTreeSet::new();
        let mut gone_destinations = BTreeSet::new();
        let mut gone_upstreams = BTreeMap::new();
        for &number in tables.forwards.keys() {
            let Some(forward) = tables.forward(number) else {
                continue;
            };
            if !self.forwards.contains(&forward.id) {
                let _ = forwards.insert(forward.counters);
            }
            for destination in destinations(forward) {
                if !self.destinations.contains(&destination.id) {
                    let _ = gone_destinations.insert(destination.counters);
                }
            }
            let upstreams =
                upstreams(forward, tables).filter(|(id, _)| !self.upstreams.contains(id));
            gone_upstreams.extend(upstreams.map(|((destination, ..), slot)| (slot, destination)));
        }
        let unclaimed = &tables.unclaimed;
        let gone =
            |(id, slot): (&u64, &u32), stay: &BTreeSet<u64>| (!stay.contains(id)).then_some(*slot);
        forwards.extend(
            unclaimed
                .forwards
                .iter()
                .filter_map(|one| gone(one, &self.forwards)),
        );
        let destinations = unclaimed.destinations.iter();
        gone_destinations.extend(destinations.filter_map(|one| gone(one, &self.destinations)));
        let upstreams = unclaimed.upstreams.iter();
        let upstreams = upstreams.filter(|(id, _)| !self.upstreams.contains(id));
        gone_upstreams.extend(upstreams.map(|((destination, ..), slot)| (*slot, *destination)));
        ops.extend(gone_upstreams.into_iter().map(|(counters, destination)| {
            if self.destinations.contains(&destination) {
                Op::RetireUpstream {
                    destination,
                    counters,
                }
            } else {
                Op::ClearUpstreamCounters { slot: counters }
            }
        }));
        let destinations = gone_destinations.into_iter();
        ops.extend(destinations.map(|slot| Op::ClearDestinationCounters { slot }));
        ops.extend(
            forwards
                .into_iter()
                .map(|slot| Op::ClearForwardCounters { slot }),
        );
    }
}

/// The upstream slots of a forward, each with its destination's identity.
fn block_slots(forward: &ForwardSlot) -> impl Iterator<Item = (u64, u32)> {
    destinations(forward).flat_map(|destination| {
        destination.balance.iter().flat_map(|balance| {
            let slots = balance.first..balance.first.saturating_add(balance.count);
            slots
                .filter(|&slot| slot != NONE)
                .map(|slot| (destination.id, slot))
        })
    })
}

/// The upstreams of an observed forward, each with its counters.
fn upstreams(forward: &ForwardSlot, tables: &Tables) -> impl Iterator<Item = (UpstreamId, u32)> {
    block_slots(forward).filter_map(|(destination, slot)| {
        let upstream = tables.upstreams.get(&slot)?;
        Some((
            (destination, upstream.address, upstream.port),
            upstream.counters,
        ))
    })
}
