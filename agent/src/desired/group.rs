//! Which ports share which listeners, and who wins where two forwards want the same listener. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::address::Address;

use super::{ports::PortSet, prefix::Prefix};
use crate::facts::InterfaceIndex;

/// Where a listener listens, its port aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The interface that packets arrive on.
    pub interface: InterfaceIndex,
    /// What their destination address must be in.
    pub prefix: Prefix,
}

/// Places by the source address of copies with a rewritten source; zero: the packet's destination.
pub type Places = BTreeMap<Place, Address>;

/// The listeners that one forward wants on some ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// On each of these ports
    pub ports: PortSet,
    /// it listens here.
    pub places: Places,
}

/// What listens in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// Index of the forward.
    pub forward: usize,
    /// Source address of copies with a rewritten source, or zero.
    pub source: Address,
}

/// Ports with equal listeners. No two groups have equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortGroup {
    /// The ports, at least one.
    pub ports: PortSet,
    /// The listeners, at least one.
    pub listeners: BTreeMap<Place, Listener>,
}

/// Two forwards want the same listener; the earlier one has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Index of the forward that goes without.
    pub loser: usize,
    /// Index of the forward that listens.
    pub winner: usize,
    /// The first place that both want.
    pub place: Place,
    /// The ports on which both want that place.
    pub ports: PortSet,
}

/// Groups the listeners that `matches` ask for. Each match comes with the index of its forward, in
/// order of precedence; one conflict is named for each pair of forwards.
#[must_use]
pub fn group<'a>(
    matches: impl IntoIterator<Item = (usize, &'a Match)>,
) -> (Vec<PortGroup>, Vec<Conflict>) {
    let matches: Vec<_> = matches.into_iter().collect();
    let mut groups: BTreeMap<Vec<(Place, Listener)>, Vec<PortSet>> = BTreeMap::new();
    let mut conflicts: BTreeMap<(usize, usize), Conflict> = BTreeMap::new();
    for (wanting, ports) in classes(&matches) {
        let mut listeners: BTreeMap<Place, Listener> = BTreeMap::new();
        for (forward, wanted) in wanting.iter().filter_map(|&index| matches.get(index)) {
            for (&place, &source) in &wanted.places {
                let forward = *forward;
                let winner = listeners
                    .entry(place)
                    .or_insert(Listener { forward, source })
                    .forward;
                if winner != forward {
                    let _ = conflicts
                        .entry((forward, winner))
                        .or_insert_with(|| Conflict {
                            loser: forward,
                            winner,
                            place,
                            ports: ports.clone(),
                        });
                }
            }
        }
        if !listeners.is_empty() {
            groups
                .entry(listeners.into_iter().collect())
                .or_default()
                .push(ports);
        }
    }
    let groups = groups
        .into_iter()
        .map(|(listeners, ports)| PortGroup {
            ports: ports.iter().flat_map(PortSet::ranges).collect(),
            listeners: listeners.into_iter().collect(),
        })
        .collect();
    (groups, conflicts.into_values().collect())
}

/// Ports by the positions of the matches that contain them: a sweep over the ends of all ranges.
fn classes(matches: &[(usize, &Match)]) -> BTreeMap<Vec<usize>, PortSet> {
    let mut ends: BTreeMap<u32, Vec<(usize, bool)>> = BTreeMap::new();
    for (index, (_, wanted)) in matches.iter().enumerate() {
        for range in wanted.ports.ranges() {
            let (start, end) = (u32::from(*range.start()), u32::from(*range.end()));
            ends.entry(start).or_default().push((index, true));
            ends.entry(end + 1).or_default().push((index, false));
        }
    }
    let mut classes: BTreeMap<Vec<usize>, PortSet> = BTreeMap::new();
    let mut active = BTreeSet::new();
    let mut since = 0_u32;
    for (at, changes) in ends {
        if let (false, Ok(start), Ok(end)) = (
            active.is_empty(),
            u16::try_from(since),
            u16::try_from(at.saturating_sub(1)),
        ) {
            classes
                .entry(active.iter().copied().collect())
                .or_default()
                .push(start..=end);
        }
        for (index, opens) in changes {
            let _ = if opens {
                active.insert(index)
            } else {
                active.remove(&index)
            };
        }
        since = at;
    }
    classes
}
