//! What is reachable in the tables, what is free, and what is held by its content. **pure**
//!
//! Roots are the words of `PORTS` and `FORWARDS` and the entries of the hash maps. What they do not
//! lead to is free, whatever it holds: a crash leaves nothing behind but that.

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{
    NONE,
    address::Address,
    forward::{Balance, Destination, ForwardSlot},
    map,
    next_hop::NextHopSlot,
};

use super::{
    listeners::LiveGroup,
    pool::{Full, Pool, Slots},
};
use crate::{
    desired::{input::RateLimit, prefix::Prefix},
    tables::{Tables, balance::BalanceTable, capacity::Capacity, owners::UpstreamId},
};

/// What makes two upstream blocks one: the destination, then address, port and weight in order.
pub(super) type Block = (u64, Vec<(Address, [u8; 2], u16)>);

/// Entries that hash maps still have room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) sources: u32,
    pub(super) names: u32,
    pub(super) listeners: u32,
    pub(super) prefixes: u32,
}

impl Room {
    /// Takes entries of one map off what is left of it.
    pub(super) fn take(left: &mut u32, count: usize, map: &'static str) -> Result<(), Full> {
        let count = u32::try_from(count).map_err(|_| Full(map))?;
        *left = left.checked_sub(count).ok_or(Full(map))?;
        Ok(())
    }
}

/// Who uses which slot.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) numbers: Slots,
    pub(super) groups: Slots,
    pub(super) listener_slots: Slots,
    pub(super) forward_slots: Pool<ForwardSlot>,
    pub(super) sets: Pool<BTreeSet<Prefix>>,
    pub(super) balance: Pool<BalanceTable>,
    pub(super) blocks: Pool<Block>,
    pub(super) next_hops: Pool<NextHopSlot>,
    pub(super) rate_limits: Pool<(u64, RateLimit)>,
    pub(super) forward_counters: Pool<u64>,
    pub(super) destination_counters: Pool<u64>,
    pub(super) upstream_counters: Pool<UpstreamId>,
    pub(super) room: Room,
}

/// A state of the ledger to come back to.
pub(super) struct Mark {
    plain: [usize; 3],
    pools: [(usize, usize); 9],
    room: Room,
}

impl Ledger {
    /// Finds everything that is reachable.
    pub(super) fn new(
        tables: &Tables,
        live: &BTreeMap<u16, LiveGroup>,
        capacity: &Capacity,
    ) -> Self {
        let prefixes = tables
            .listeners
            .keys()
            .filter(|(_, place)| !place.prefix.is_exact())
            .count();
        let left =
            |size: u32, used: usize| size.saturating_sub(u32::try_from(used).unwrap_or(size));
        let mut ledger = Self {
            numbers: Slots::new(map::FORWARDS, capacity.forwards),
            groups: Slots::new(map::PORTS, Capacity::GROUPS),
            listener_slots: Slots::new(map::LISTENER_SLOTS, capacity.listener_slots),
            forward_slots: Pool::new(map::FORWARD_SLOTS, capacity.forward_slots),
            // Any number will do for a set that has a prefix; there are no more sets than prefixes.
            sets: Pool::new(map::SOURCES, capacity.sources.saturating_add(1)),
            balance: Pool::new(map::TABLES, capacity.tables),
            blocks: Pool::new(map::UPSTREAMS, capacity.upstreams),
            next_hops: Pool::new(map::NEXT_HOPS, capacity.next_hops),
            rate_limits: Pool::new(map::RATE_LIMITS, capacity.rate_limits),
            forward_counters: Pool::new(map::FORWARD_COUNTERS, capacity.forward_counters),
            destination_counters: Pool::new(
                map::DESTINATION_COUNTERS,
                capacity.destination_counters,
            ),
            upstream_counters: Pool::new(map::UPSTREAM_COUNTERS, capacity.upstream_counters),
            room: Room {
                sources: left(
                    capacity.sources,
                    tables.sources.values().map(BTreeSet::len).sum(),
                ),
                names: left(capacity.names, tables.names.len()),
                listeners: left(capacity.listeners, tables.listeners.len() - prefixes),
                prefixes: left(capacity.prefixes, prefixes),
            },
        };
        ledger.learn_listeners(tables, live);
        for (&number, &slot) in &tables.forwards {
            ledger.numbers.mark_used(number, 1);
            ledger.forward_slots.mark_used(slot, 1);
            if let Some(forward) = tables.forward_slots.get(&slot) {
                ledger.learn_forward(slot, forward, tables);
            }
        }
        ledger.learn_unclaimed(tables);
        ledger
    }

    /// Whoever comes back goes on being counted where it was.
    fn learn_unclaimed(&mut self, tables: &Tables) {
        for (&id, &slot) in &tables.unclaimed.forwards {
            self.forward_counters.learn(id, slot, 1);
        }
        for (&id, &slot) in &tables.unclaimed.destinations {
            self.destination_counters.learn(id, slot, 1);
        }
        for (&id, &slot) in &tables.unclaimed.upstreams {
            self.upstream_counters.learn(id, slot, 1);
        }
    }

    fn learn_listeners(&mut self, tables: &Tables, live: &BTreeMap<u16, LiveGroup>) {
        for (&group, entries) in live {
            self.groups.mark_used(group.into(), 1);
            for number in entries.numbers() {
                self.numbers.mark_used(number, 1);
            }
        }
        for &slot in tables.listeners.values() {
            self.listener_slots.mark_used(slot, 1);
        }
        for &set in tables.sources.keys() {
            self.sets.mark_used(set, 1);
        }
    }

    fn learn_forward(&mut self, slot: u32, forward: &ForwardSlot, tables: &Tables) {
        self.forward_slots.learn(*forward, slot, 1);
        self.forward_counters.learn(forward.id, forward.counters, 1);
        if forward.sources != NONE {
            let set = tables
                .sources
                .get(&forward.sources)
                .cloned()
                .unwrap_or_default();
            self.sets.learn(set, forward.sources, 1);
        }
        for destination in destinations(forward) {
            self.destination_counters
                .learn(destination.id, destination.counters, 1);
            if let Some(limit) = tables.rate_limits.get(&destination.rate_limit) {
                let content = RateLimit {
                    interval: limit.interval,
                    tolerance: limit.tolerance,
                };
                self.rate_limits
                    .learn((destination.id, content), destination.rate_limit, 1);
            }
            for balance in destination.balance {
                self.learn_balance(destination.id, balance, tables);
            }
        }
    }

    fn learn_balance(&mut self, destination: u64, balance: Balance, tables: &Tables) {
        let Balance {
            first,
            count,
            slots,
            table,
        } = balance;
        if let Some(content) = tables.balance.get(table, slots).filter(|_| slots > 0) {
            self.balance.learn(content.clone(), table, content.values());
        }
        let mut upstreams = Vec::new();
        for (_, upstream) in tables.upstreams.range(first..first.saturating_add(count)) {
            upstreams.push((upstream.address, upstream.port, upstream.weight));
            let id = (destination, upstream.address, upstream.port);
            self.upstream_counters.learn(id, upstream.counters, 1);
            if let Some(next_hop) = tables.next_hops.get(&upstream.next_hop) {
                self.next_hops.learn(*next_hop, upstream.next_hop, 1);
            }
        }
        if upstreams.len() == count as usize && count > 0 {
            self.blocks.learn((destination, upstreams), first, count);
        } else {
            self.blocks.mark_used(first, count);
        }
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark {
            plain: [
                self.numbers.mark(),
                self.groups.mark(),
                self.listener_slots.mark(),
            ],
            pools: [
                self.forward_slots.mark(),
                self.sets.mark(),
                self.balance.mark(),
                self.blocks.mark(),
                self.next_hops.mark(),
                self.rate_limits.mark(),
                self.forward_counters.mark(),
                self.destination_counters.mark(),
                self.upstream_counters.mark(),
            ],
            room: self.room,
        }
    }

    pub(super) fn roll_back(&mut self, mark: &Mark) {
        let [numbers, groups, listener_slots] = mark.plain;
        self.numbers.roll_back(numbers);
        self.groups.roll_back(groups);
        self.listener_slots.roll_back(listener_slots);
        let [
            forwards,
            sets,
            balance,
            blocks,
            next_hops,
            limits,
            forward,
            destination,
            upstream,
        ] = mark.pools;
        self.forward_slots.roll_back(forwards);
        self.sets.roll_back(sets);
        self.balance.roll_back(balance);
        self.blocks.roll_back(blocks);
        self.next_hops.roll_back(next_hops);
        self.rate_limits.roll_back(limits);
        self.forward_counters.roll_back(forward);
        self.destination_counters.roll_back(destination);
        self.upstream_counters.roll_back(upstream);
        self.room = mark.room;
    }
}

/// The destinations of a forward slot that are in use.
pub(super) fn destinations(forward: &ForwardSlot) -> impl Iterator<Item = &Destination> {
    forward
        .destinations
        .iter()
        .take(forward.destination_count.into())
}

/// Every number under which a version of a forward is in force, by the forward's identity.
pub(super) fn versions(tables: &Tables) -> BTreeMap<u64, Vec<u32>> {
    let mut versions: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for &number in tables.forwards.keys() {
        if let Some(forward) = tables.forward(number) {
            versions.entry(forward.id).or_default().push(number);
        }
    }
    versions
}
