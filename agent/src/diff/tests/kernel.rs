//! A kernel that never lies: the tables, counters with what packets left in them, and every rule of the
//! maps checked at each op.

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{forward::Balance, hash::Flow};

use super::{reread::reread, view::in_use};
use crate::{
    op::Op,
    tables::{
        Tables,
        walk::{self, Choice, Packet},
    },
};

/// Slots of every map that something leads to.
#[derive(Clone, Debug, Default)]
struct Reach(BTreeSet<(&'static str, u32)>);

#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) tables: Tables,
    forward_counters: BTreeMap<u32, u64>,
    upstream_counters: BTreeMap<u32, u64>,
    retired: BTreeMap<u64, u64>,
    /// Packets that each forward matched and each destination sent, by identity.
    matched: BTreeMap<u64, u64>,
    sent: BTreeMap<u64, u64>,
    /// What packets could read at some time since the last grace period.
    readable: Reach,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::empty(),
            forward_counters: BTreeMap::new(),
            upstream_counters: BTreeMap::new(),
            retired: BTreeMap::new(),
            matched: BTreeMap::new(),
            sent: BTreeMap::new(),
            readable: Reach::default(),
        }
    }

    /// Carries out an op, if it breaks no rule.
    pub(super) fn apply(&mut self, op: &Op) {
        if let Some(target) = written(op) {
            let rooted = Reach::from_roots(&self.tables);
            for slot in target {
                assert!(!rooted.0.contains(&slot), "{op:?} writes what is in use");
                assert!(
                    !self.readable.0.contains(&slot),
                    "{op:?} writes what packets may read"
                );
            }
        }
        if let Some(slot) = cleared(op) {
            assert!(
                !self.readable.0.contains(&slot),
                "{op:?} takes what packets may read"
            );
        }
        match op {
            Op::RemoveListener { key, .. }
                if self.readable.0.contains(&("group", key.group.into())) =>
            {
                let in_use = self
                    .tables
                    .ports
                    .values()
                    .any(|word| word.group() == key.group);
                assert!(in_use, "{op:?} before readers of the group have gone");
            }
            Op::SetForward { forward, slot: 0 } => {
                assert!(
                    !self.readable.0.contains(&("number", *forward)),
                    "{op:?} is in use"
                );
            }
            Op::RetireUpstream {
                destination,
                counters,
            } => {
                let packets = self.upstream_counters.remove(counters).unwrap_or(0);
                *self.retired.entry(*destination).or_default() += packets;
            }
            Op::ClearUpstreamCounters { slot } => {
                let lost = self.upstream_counters.remove(slot).unwrap_or(0);
                let id = self.destination_of(*slot);
                let _ = self.sent.entry(id).and_modify(|sent| *sent -= lost);
            }
            Op::ClearForwardCounters { slot } => {
                let lost = self.forward_counters.remove(slot).unwrap_or(0);
                let mut forwards = self
                    .tables
                    .forwards
                    .keys()
                    .filter_map(|&one| self.tables.forward(one));
                let id = forwards.find(|one| one.counters == *slot).unwrap().id;
                let _ = self
                    .matched
                    .entry(id)
                    .and_modify(|matched| *matched -= lost);
            }
            Op::RemoveRetired { destination } => {
                let lost = self.retired.remove(destination).unwrap_or(0);
                let _ = self
                    .sent
                    .entry(*destination)
                    .and_modify(|sent| *sent -= lost);
            }
            Op::ReleaseNeighbour { interface, address } => {
                assert!(
                    self.tables.neighbours.contains_key(&(*interface, *address)),
                    "not ours"
                );
            }
            Op::Detach { interface } => {
                assert!(self.tables.attachments.contains_key(interface), "not ours");
            }
            _ => {}
        }
        self.tables.apply(op);
        if *op == Op::Grace {
            self.readable = Reach::default();
        }
        self.readable
            .0
            .append(&mut Reach::from_ports(&self.tables).0);
    }

    /// The process dies and another one reads the maps.
    pub(super) fn crash(&mut self) {
        self.tables = reread(&self.tables);
    }

    /// A packet arrives and is counted.
    pub(super) fn receive(&mut self, packet: &Packet) {
        let Some(hit) = walk::walk(&self.tables, packet) else {
            return;
        };
        let flow = Flow {
            source: packet.source,
            destination: packet.destination,
            source_port: 4000,
            destination_port: packet.port,
        };
        *self
            .forward_counters
            .entry(hit.forward.counters)
            .or_default() += 1;
        *self.matched.entry(hit.forward.id).or_default() += 1;
        for destination in in_use(hit.forward) {
            if let Choice::Upstream { slot, .. } = walk::choose(&self.tables, destination, &flow) {
                *self.upstream_counters.entry(slot.counters).or_default() += 1;
                *self.sent.entry(destination.id).or_default() += 1;
            }
        }
    }

    /// The destination that an upstream's counters belong to, as long as one of its versions is in force.
    fn destination_of(&self, counters: u32) -> u64 {
        let forwards = self
            .tables
            .forwards
            .keys()
            .filter_map(|&one| self.tables.forward(one));
        let mut destinations = forwards.flat_map(in_use);
        let has = |balance| {
            walk::upstreams(&self.tables, balance).any(|(one, _)| one.counters == counters)
        };
        destinations
            .find(|one| one.balance.into_iter().any(has))
            .unwrap()
            .id
    }

    /// Every packet is accounted for, and counters of what is gone are zero.
    pub(super) fn check_counters(&self) {
        let mut forwards = BTreeMap::new();
        let mut destinations: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for &number in self.tables.forwards.keys() {
            let forward = self.tables.forward(number).unwrap();
            assert_eq!(
                forwards.insert(forward.id, forward.counters),
                None,
                "two versions"
            );
            for destination in in_use(forward) {
                let own = destinations.entry(destination.id).or_default();
                for balance in destination.balance {
                    own.extend(walk::upstreams(&self.tables, balance).map(|(one, _)| one.counters));
                }
            }
        }
        let known = |id: &u64| forwards.contains_key(id) || destinations.contains_key(id);
        let expected = self.matched.iter().chain(&self.sent);
        assert!(
            expected
                .filter(|(id, _)| !known(id))
                .all(|(_, count)| *count == 0),
            "uncleared"
        );
        let slots: BTreeSet<_> = forwards.values().collect();
        assert_eq!(slots.len(), forwards.len(), "two forwards share counters");
        for (id, slot) in &forwards {
            let counted = self.forward_counters.get(slot).copied().unwrap_or(0);
            assert_eq!(
                counted,
                self.matched.get(id).copied().unwrap_or(0),
                "matched packets"
            );
        }
        let mut used = BTreeSet::new();
        for (id, own) in &destinations {
            assert!(own.is_disjoint(&used), "two destinations share counters");
            let live: u64 = own
                .iter()
                .filter_map(|slot| self.upstream_counters.get(slot))
                .sum();
            let retired = self.retired.get(id).copied().unwrap_or(0);
            assert_eq!(
                live + retired,
                self.sent.get(id).copied().unwrap_or(0),
                "sent packets"
            );
            used.extend(own);
        }
        assert!(
            self.upstream_counters
                .keys()
                .all(|slot| used.contains(slot)),
            "left behind"
        );
        assert!(
            self.forward_counters
                .keys()
                .all(|slot| slots.contains(slot)),
            "left behind"
        );
        assert!(
            self.retired.keys().all(|id| destinations.contains_key(id)),
            "left behind"
        );
    }
}

impl Reach {
    /// Everything that a port leads to.
    fn from_ports(tables: &Tables) -> Self {
        let mut reach = Self::default();
        let groups: BTreeSet<u16> = tables.ports.values().map(|word| word.group()).collect();
        for (&(group, _), &slot) in &tables.listeners {
            if groups.contains(&group) {
                let _ = reach.0.insert(("group", group.into()));
                let _ = reach.0.insert(("listener", slot));
                let number = tables.listener_slots[&slot].forward;
                reach.number(number, tables);
            }
        }
        reach
    }

    /// Everything that a port, an entry or a forward number leads to.
    fn from_roots(tables: &Tables) -> Self {
        let mut reach = Self::from_ports(tables);
        reach
            .0
            .extend(tables.listeners.values().map(|&slot| ("listener", slot)));
        for &number in tables.forwards.keys() {
            reach.number(number, tables);
        }
        reach
    }

    fn number(&mut self, number: u32, tables: &Tables) {
        let _ = self.0.insert(("number", number));
        let Some(forward) = tables.forward(number) else {
            return;
        };
        self.0.extend([
            ("forward", tables.forwards[&number]),
            ("set", forward.sources),
            ("forward counters", forward.counters),
        ]);
        for destination in in_use(forward) {
            self.0.extend([
                ("limit", destination.rate_limit),
                ("destination counters", destination.counters),
            ]);
            for Balance {
                first,
                count,
                slots,
                table,
            } in destination.balance
            {
                if slots > 0 {
                    self.0
                        .extend((table..table + slots.div_ceil(8)).map(|value| ("table", value)));
                }
                for slot in first..first + count {
                    let upstream = tables.upstreams[&slot];
                    self.0.extend([
                        ("upstream", slot),
                        ("next hop", upstream.next_hop),
                        ("upstream counters", upstream.counters),
                    ]);
                }
            }
        }
    }
}

/// The slots that an op fills.
fn written(op: &Op) -> Option<Vec<(&'static str, u32)>> {
    let one = |map, slot: &u32| {
        assert_ne!(*slot, 0, "{op:?}: slot 0 is never used");
        Some(vec![(map, *slot)])
    };
    match op {
        Op::WriteSource { key, .. } => one("set", &key.set),
        Op::WriteTable { first, entries } => {
            assert_ne!(*first, 0, "{op:?}: value 0 is never used");
            let values = u32::try_from(entries.len().div_ceil(8)).unwrap();
            Some(
                (*first..first + values)
                    .map(|value| ("table", value))
                    .collect(),
            )
        }
        Op::WriteNextHop { slot, .. } => one("next hop", slot),
        Op::WriteRateLimit { slot, .. } => one("limit", slot),
        Op::WriteUpstream { slot, .. } => one("upstream", slot),
        Op::WriteForward { slot, .. } => one("forward", slot),
        Op::WriteListener { slot, .. } => one("listener", slot),
        _ => None,
    }
}

/// What an op takes away or zeroes.
fn cleared(op: &Op) -> Option<(&'static str, u32)> {
    match op {
        Op::RemoveSource { key, .. } => Some(("set", key.set)),
        Op::RetireUpstream { counters: slot, .. } | Op::ClearUpstreamCounters { slot } => {
            Some(("upstream counters", *slot))
        }
        Op::ClearForwardCounters { slot } => Some(("forward counters", *slot)),
        Op::ClearDestinationCounters { slot } => Some(("destination counters", *slot)),
        _ => None,
    }
}
