//! Whose packets the slots of counters count. **pure**

use std::collections::BTreeMap;

use udplb_abi::{address::Address, forward::ForwardSlot, record::UpstreamOwner};

use super::Tables;

/// An upstream with counters of its own: destination, address, port.
pub type UpstreamId = (u64, Address, [u8; 2]);

/// Slots of the three kinds of counters by their owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Slots of `FORWARD_COUNTERS`, by the forward's identity.
    pub forwards: BTreeMap<u64, u32>,
    /// Slots of `DESTINATION_COUNTERS`, by the destination's identity.
    pub destinations: BTreeMap<u64, u32>,
    /// Slots of `UPSTREAM_COUNTERS`.
    pub upstreams: BTreeMap<UpstreamId, u32>,
}

/// What is recorded beside the counters, from slot 0 on.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// `FORWARD_OWNERS`.
    pub forwards: &'a [u64],
    /// `DESTINATION_OWNERS`.
    pub destinations: &'a [u64],
    /// `UPSTREAM_OWNERS`.
    pub upstreams: &'a [UpstreamOwner],
}

/// Slots that are recorded for somebody who is counted elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubled {
    /// Of `FORWARD_COUNTERS`.
    pub forwards: Vec<u32>,
    /// Of `DESTINATION_COUNTERS`.
    pub destinations: Vec<u32>,
    /// Of `UPSTREAM_COUNTERS`.
    pub upstreams: Vec<u32>,
}

impl Owners {
    /// Those that no table has.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            forwards: BTreeMap::new(),
            destinations: BTreeMap::new(),
            upstreams: BTreeMap::new(),
        }
    }

    /// Those that the versions in force name.
    #[must_use]
    pub fn in_force(tables: &Tables) -> Self {
        let mut owners = Self::none();
        for forward in tables
            .forwards
            .keys()
            .filter_map(|&number| tables.forward(number))
        {
            owners.add(forward, tables);
        }
        owners
    }

    fn add(&mut self, forward: &ForwardSlot, tables: &Tables) {
        let _ = self.forwards.insert(forward.id, forward.counters);
        let count = forward.destination_count.into();
        for destination in forward.destinations.iter().take(count) {
            let _ = self
                .destinations
                .insert(destination.id, destination.counters);
            for balance in destination.balance {
                let block = balance.first..balance.first.saturating_add(balance.count);
                for (_, upstream) in tables.upstreams.range(block) {
                    let id = (destination.id, upstream.address, upstream.port);
                    let _ = self.upstreams.insert(id, upstream.counters);
                }
            }
        }
    }

    /// What is recorded and not in these tables: slots that nobody counts in under these tables although they have an
    /// owner, and slots of owners who have another one.
    #[must_use]
    pub fn unclaimed(recorded: Recorded<'_>, tables: &Tables) -> (Self, Doubled) {
        let used = Self::in_force(tables);
        let id = |owner: &UpstreamOwner| (owner.destination, owner.address, owner.port);
        let (forwards, forwards_twice) = split(slots(recorded.forwards, |id| *id), &used.forwards);
        let (destinations, destinations_twice) =
            split(slots(recorded.destinations, |id| *id), &used.destinations);
        let (upstreams, upstreams_twice) = split(slots(recorded.upstreams, id), &used.upstreams);
        let unclaimed = Self {
            forwards,
            destinations,
            upstreams,
        };
        let doubled = Doubled {
            forwards: forwards_twice,
            destinations: destinations_twice,
            upstreams: upstreams_twice,
        };
        (unclaimed, doubled)
    }

    /// Takes out what a version that comes into force names.
    pub(super) fn claim(&mut self, forward: &ForwardSlot, tables: &Tables) {
        let mut claimed = Self::none();
        claimed.add(forward, tables);
        self.forwards
            .retain(|id, _| !claimed.forwards.contains_key(id));
        self.destinations
            .retain(|id, _| !claimed.destinations.contains_key(id));
        self.upstreams
            .retain(|id, _| !claimed.upstreams.contains_key(id));
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forwards.is_empty() && self.destinations.is_empty() && self.upstreams.is_empty()
    }
}

/// Slots with an owner.
fn slots<'a, T: Default + PartialEq, K>(
    recorded: &'a [T],
    id: impl Fn(&T) -> K + 'a,
) -> impl Iterator<Item = (K, u32)> + 'a {
    let all = (0_u32..).zip(recorded).skip(1);
    all.filter(|(_, owner)| **owner != T::default())
        .map(move |(slot, owner)| (id(owner), slot))
}

/// What is recorded and not used: the first slot of each owner that uses none, and every other one.
fn split<K: Ord>(
    recorded: impl Iterator<Item = (K, u32)>,
    used: &BTreeMap<K, u32>,
) -> (BTreeMap<K, u32>, Vec<u32>) {
    let mut unclaimed = BTreeMap::new();
    let mut doubled = Vec::new();
    for (id, slot) in recorded {
        match used.get(&id) {
            Some(used) if *used == slot => {}
            None if !unclaimed.contains_key(&id) => {
                let _ = unclaimed.insert(id, slot);
            }
            _ => doubled.push(slot),
        }
    }
    (unclaimed, doubled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_keeps_one_slot() {
        let recorded = [(7, 1), (8, 2), (7, 3), (9, 4), (8, 5)].into_iter();
        let used = [(8, 5)].into();
        let (unclaimed, doubled) = split(recorded, &used);
        assert_eq!(unclaimed, [(7, 1), (9, 4)].into());
        assert_eq!(doubled, [2, 3]);
    }

    #[test]
    fn slot_zero_and_empty_ones_have_no_owner() {
        let recorded = [5_u64, 0, 6];
        let found: Vec<_> = slots(&recorded, |id| *id).collect();
        assert_eq!(found, [(6, 2)]);
    }
}
