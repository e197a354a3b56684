//! Which observed group becomes which desired one, and whose match changes by that. **pure**

use std::collections::{BTreeMap, BTreeSet, HashMap};

use udplb_abi::{NONE, address::Family};

use super::{
    live::{Entry, LiveGroup},
    word,
};
use crate::{
    desired::group::{Listener, Place, PortGroup},
    diff::plan::Plan,
    facts::InterfaceIndex,
};

/// Where a desired group comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diff) enum Fate {
    /// This group has the ports; its entries change in place.
    InPlace(u16),
    /// This group has the listeners; ports come and go, or nothing changes.
    SameListeners(u16),
    /// None will do.
    Fresh,
}

/// Every desired group's origin.
#[derive(Debug)]
pub(in crate::diff) struct Matching {
    /// By index of the desired group.
    pub(in crate::diff) fates: Vec<Fate>,
    /// Indexes of forwards of which some packet meets another listener than before.
    pub(in crate::diff) touched: BTreeSet<usize>,
}

/// One place of a group, before and after.
struct Pair {
    place: Place,
    old: Option<Entry>,
    new: Option<Listener>,
}

impl Matching {
    pub(in crate::diff) fn new(
        groups: &[PortGroup],
        live: &BTreeMap<u16, LiveGroup>,
        plan: &Plan,
    ) -> Self {
        let mut touched = BTreeSet::new();
        let by_ports: HashMap<_, _> = live
            .iter()
            .map(|(&number, group)| (&group.ports, number))
            .collect();
        let mut fates: Vec<_> = groups
            .iter()
            .map(|group| {
                let candidate = by_ports
                    .get(&group.ports)
                    .and_then(|number| live.get_key_value(number));
                candidate.map_or(Fate::Fresh, |(&number, old)| {
                    same_ports(number, group, old, plan, &mut touched)
                })
            })
            .collect();
        if fates.contains(&Fate::Fresh) {
            same_listeners(groups, live, plan, &mut fates);
        }
        let kept: BTreeSet<u16> = fates.iter().copied().filter_map(Fate::number).collect();
        for (fate, group) in fates.iter().zip(groups) {
            if *fate == Fate::Fresh {
                touched.extend(group.listeners.values().map(|listener| listener.forward));
            }
        }
        for (_, gone) in live.iter().filter(|(number, _)| !kept.contains(number)) {
            touched.extend(gone.numbers().filter_map(|number| plan.owner(number)));
        }
        Self { fates, touched }
    }

    /// The observed groups that stay.
    pub(in crate::diff) fn kept(&self) -> BTreeSet<u16> {
        self.fates
            .iter()
            .copied()
            .filter_map(Fate::number)
            .collect()
    }
}

impl Fate {
    /// The observed group.
    pub(in crate::diff) const fn number(self) -> Option<u16> {
        match self {
            Self::InPlace(number) | Self::SameListeners(number) => Some(number),
            Self::Fresh => None,
        }
    }
}

/// Finds groups that change their ports only. None of their forwards may change its treatment: then
/// entries would change as well, under ports that leave.
fn same_listeners(
    groups: &[PortGroup],
    live: &BTreeMap<u16, LiveGroup>,
    plan: &Plan,
    fates: &mut [Fate],
) {
    let taken: BTreeSet<u16> = fates.iter().copied().filter_map(Fate::number).collect();
    let mut by_entries: HashMap<&[(Place, Entry)], u16> = live
        .iter()
        .filter(|(number, group)| !taken.contains(number) && !group.ports.is_empty())
        .map(|(&number, group)| (group.entries.as_slice(), number))
        .collect();
    for (fate, group) in fates.iter_mut().zip(groups) {
        if *fate != Fate::Fresh
            || group
                .listeners
                .values()
                .any(|listener| plan.is_changed(listener.forward))
        {
            continue;
        }
        let entries: Vec<_> = group
            .listeners
            .iter()
            .map(|(&place, listener)| {
                let number = plan.number(listener.forward).unwrap_or(NONE);
                (
                    place,
                    Entry {
                        number,
                        source: listener.source,
                    },
                )
            })
            .collect();
        if let Some(number) = by_entries.remove(entries.as_slice()) {
            *fate = Fate::SameListeners(number);
        }
    }
}

/// What becomes of a group with these ports. Where its entries can change one by one, notes whose match
/// they change.
///
/// The program looks up the exact address, then the prefixes. Between the two lookups an exact entry may
/// come or go, so then no prefix on that interface may change as well.
fn same_ports(
    number: u16,
    group: &PortGroup,
    old: &LiveGroup,
    plan: &Plan,
    touched: &mut BTreeSet<usize>,
) -> Fate {
    // All ports of a group have the same word, also after a crash.
    if old
        .words
        .iter()
        .any(|&observed| observed != word(number, group))
    {
        return Fate::Fresh;
    }
    let pairs = pairs(&old.entries, group);
    let mut comes_or_goes: BTreeSet<(InterfaceIndex, Family)> = BTreeSet::new();
    let mut prefix_changes = BTreeSet::new();
    let mut interfaces = BTreeSet::new();
    let mut changes = false;
    for pair in &pairs {
        let (interface, prefix) = (pair.place.interface, pair.place.prefix);
        let differs = !plan.is_same(pair.old, pair.new);
        let renumbers = pair
            .new
            .is_some_and(|listener| plan.is_changed(listener.forward));
        changes |= differs || renumbers;
        if differs {
            let _ = interfaces.insert(interface);
        }
        if prefix.is_exact() && pair.old.is_some() != pair.new.is_some() {
            let _ = comes_or_goes.insert((interface, prefix.family()));
        }
        if !prefix.is_exact() && (differs || renumbers) {
            let _ = prefix_changes.insert((interface, prefix.family()));
        }
    }
    if !changes {
        return Fate::SameListeners(number);
    }
    if !comes_or_goes.is_disjoint(&prefix_changes) {
        return Fate::Fresh;
    }
    for pair in pairs
        .iter()
        .filter(|pair| interfaces.contains(&pair.place.interface))
    {
        touched.extend(pair.old.and_then(|entry| plan.owner(entry.number)));
        touched.extend(pair.new.map(|listener| listener.forward));
    }
    Fate::InPlace(number)
}

/// Both sides of a group, by place.
fn pairs(old: &[(Place, Entry)], group: &PortGroup) -> Vec<Pair> {
    let (mut old, mut new) = (old.iter().peekable(), group.listeners.iter().peekable());
    let mut pairs = Vec::with_capacity(group.listeners.len());
    loop {
        let place = match (old.peek(), new.peek()) {
            (Some(&&(left, _)), Some(&(&right, _))) => left.min(right),
            (Some(&&(left, _)), None) => left,
            (None, Some(&(&right, _))) => right,
            (None, None) => return pairs,
        };
        pairs.push(Pair {
            place,
            old: old
                .next_if(|(left, _)| *left == place)
                .map(|&(_, entry)| entry),
            new: new
                .next_if(|(right, _)| **right == place)
                .map(|(_, &listener)| listener),
        });
    }
}
