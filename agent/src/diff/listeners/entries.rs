//! The entries and port words that turn observed groups into desired ones. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{
    address::Address,
    listener::{ListenerKey, ListenerSlot, PortWord},
    map,
};

use super::{Fate, LiveGroup, Matching, live::Entry, word};
use crate::{
    desired::group::{Place, PortGroup},
    diff::{
        ledger::{Ledger, Room},
        plan::{Plan, Standing},
        pool::Full,
    },
    op::Op,
    tables::Tables,
};

/// The ops, by when they run.
#[derive(Debug, Default)]
pub(in crate::diff) struct Emitted {
    /// Fills slots and groups that nobody can reach.
    pub(in crate::diff) prepare: Vec<Op>,
    /// Changes what packets meet.
    pub(in crate::diff) publish: Vec<Op>,
    /// Removes entries of groups that no port names any more.
    pub(in crate::diff) prune: Vec<Op>,
}

/// Something of a desired group that a map has no room for.
#[derive(Debug)]
pub(in crate::diff) struct Overflow {
    /// Index of the desired group.
    pub(in crate::diff) group: usize,
    /// The forward whose entry it is, where the group stays.
    pub(in crate::diff) in_place: Option<usize>,
    /// The map.
    pub(in crate::diff) full: Full,
}

/// An entry that must be written.
struct Demand {
    forward: usize,
    group: u16,
    /// Index of the desired group.
    wanted: usize,
    place: Place,
    source: Address,
    /// Whether the group is in use, so that its entry is seen at once.
    is_live: bool,
    /// Whether the map has an entry under this key.
    replaces: bool,
}

/// What emitting needs to know.
pub(in crate::diff) struct Emitter<'a> {
    pub(in crate::diff) groups: &'a [PortGroup],
    pub(in crate::diff) live: &'a BTreeMap<u16, LiveGroup>,
    pub(in crate::diff) matching: &'a Matching,
    pub(in crate::diff) plan: &'a Plan,
    pub(in crate::diff) tables: &'a Tables,
}

impl Emitter<'_> {
    /// Emits everything, or says what does not fit.
    pub(in crate::diff) fn emit(&self, ledger: &mut Ledger) -> Result<Emitted, Vec<Overflow>> {
        let numbers = self.numbers(ledger)?;
        let mut emitted = Emitted::default();
        let mut demands = self.demands(&numbers);
        // What runs goes first, then in order of precedence: the youngest does not fit.
        demands.sort_by_key(|demand| {
            let standing = self
                .plan
                .get(demand.forward)
                .map(|planned| planned.standing);
            (standing == Some(Standing::New), demand.forward)
        });
        let mut sets = Vec::new();
        let mut overflows = Vec::new();
        for of_one in demands.chunk_by(|a, b| a.forward == b.forward) {
            let mark = ledger.mark();
            for demand in of_one {
                match self.listener(demand, ledger) {
                    Ok(ops) if demand.is_live => {
                        let [write, set] = ops;
                        emitted.prepare.push(write);
                        sets.push(set);
                    }
                    Ok(ops) => emitted.prepare.extend(ops),
                    Err(full) => {
                        ledger.roll_back(&mark);
                        overflows.push(Overflow {
                            group: demand.wanted,
                            in_place: demand.is_live.then_some(demand.forward),
                            full,
                        });
                        break;
                    }
                }
            }
        }
        if !overflows.is_empty() {
            return Err(overflows);
        }
        sets.sort_by_key(|op| std::cmp::Reverse(prefix_length(op)));
        let mut removals = self.removals();
        removals.sort_by_key(prefix_length);
        emitted.publish = sets;
        emitted.publish.extend(self.words(&numbers));
        emitted.publish.extend(removals);
        let kept = self.matching.kept();
        let gone = self
            .live
            .iter()
            .filter(|(number, _)| !kept.contains(number));
        emitted.prune = gone
            .flat_map(|(&number, group)| {
                group
                    .entries
                    .iter()
                    .map(move |&(place, _)| remove(number, place))
            })
            .collect();
        Ok(emitted)
    }

    /// The number of each desired group.
    fn numbers(&self, ledger: &mut Ledger) -> Result<Vec<u16>, Vec<Overflow>> {
        let mut overflows = Vec::new();
        let mut numbers = Vec::with_capacity(self.groups.len());
        for (group, fate) in self.matching.fates.iter().enumerate() {
            let fresh = || {
                let number = ledger.groups.take(1)?;
                u16::try_from(number).map_err(|_| Full(map::PORTS))
            };
            match fate.number().map_or_else(fresh, Ok) {
                Ok(number) => numbers.push(number),
                Err(full) => overflows.push(Overflow {
                    group,
                    in_place: None,
                    full,
                }),
            }
        }
        if overflows.is_empty() {
            Ok(numbers)
        } else {
            Err(overflows)
        }
    }

    fn demands(&self, numbers: &[u16]) -> Vec<Demand> {
        let mut demands = Vec::new();
        let wanted = self.groups.iter().zip(numbers).zip(&self.matching.fates);
        for (index, ((group, &number), fate)) in wanted.enumerate() {
            let old: &[(Place, Entry)] = match fate {
                Fate::SameListeners(_) => continue,
                Fate::InPlace(_) => self.live.get(&number).map_or(&[], |live| &live.entries),
                Fate::Fresh => &[],
            };
            let mut old = old.iter().peekable();
            for (&place, &listener) in &group.listeners {
                while old.next_if(|(other, _)| *other < place).is_some() {}
                let entry = old
                    .next_if(|(other, _)| *other == place)
                    .map(|&(_, entry)| entry);
                if !self.plan.is_same(entry, Some(listener)) {
                    demands.push(Demand {
                        forward: listener.forward,
                        group: number,
                        wanted: index,
                        place,
                        source: listener.source,
                        is_live: matches!(fate, Fate::InPlace(_)),
                        replaces: entry.is_some(),
                    });
                }
            }
        }
        demands
    }

    /// Writes a slot and names it under its key.
    fn listener(&self, demand: &Demand, ledger: &mut Ledger) -> Result<[Op; 2], Full> {
        let (left, map) = if demand.place.prefix.is_exact() {
            (&mut ledger.room.listeners, map::LISTENERS)
        } else {
            (&mut ledger.room.prefixes, map::PREFIXES)
        };
        Room::take(left, usize::from(!demand.replaces), map)?;
        let slot = ledger.listener_slots.take(1)?;
        let key = key(demand.group, demand.place);
        let prefix_length = demand.place.prefix.length();
        let value = ListenerSlot {
            key,
            source: demand.source,
            forward: self
                .plan
                .number(demand.forward)
                .ok_or(Full(map::FORWARDS))?,
            prefix_length,
            padding: [0; 3],
        };
        Ok([
            Op::WriteListener { slot, value },
            Op::SetListener {
                key,
                prefix_length,
                slot,
            },
        ])
    }

    fn removals(&self) -> Vec<Op> {
        let mut removals = Vec::new();
        for (group, fate) in self.groups.iter().zip(&self.matching.fates) {
            if let Fate::InPlace(number) = *fate {
                let entries = self.live.get(&number).map_or(&[][..], |live| &live.entries);
                let gone = entries
                    .iter()
                    .filter(|(place, _)| !group.listeners.contains_key(place));
                removals.extend(gone.map(|&(place, _)| remove(number, place)));
            }
        }
        removals
    }

    fn words(&self, numbers: &[u16]) -> Vec<Op> {
        let mut words: BTreeMap<u16, PortWord> = BTreeMap::new();
        for (group, &number) in self.groups.iter().zip(numbers) {
            let word = word(number, group);
            words.extend(group.ports.iter().map(|port| (port, word)));
        }
        let ports: BTreeSet<u16> = words
            .keys()
            .chain(self.tables.ports.keys())
            .copied()
            .collect();
        ports
            .into_iter()
            .filter_map(|port| {
                let word = words.get(&port).copied().unwrap_or(PortWord::NOBODY);
                (self.tables.port(port) != word).then_some(Op::SetPort { port, word })
            })
            .collect()
    }
}

const fn key(group: u16, place: Place) -> ListenerKey {
    ListenerKey {
        interface: place.interface,
        group,
        padding: 0,
        address: place.prefix.address(),
    }
}

const fn remove(group: u16, place: Place) -> Op {
    Op::RemoveListener {
        key: key(group, place),
        prefix_length: place.prefix.length(),
    }
}

const fn prefix_length(op: &Op) -> u8 {
    match op {
        Op::SetListener { prefix_length, .. } | Op::RemoveListener { prefix_length, .. } => {
            *prefix_length
        }
        _ => 0,
    }
}
