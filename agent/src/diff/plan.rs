//! What a pass has settled about each forward before it looks at listeners. **pure**

use std::collections::BTreeMap;

use udplb_abi::forward::ForwardSlot;

use super::listeners::Entry;
use crate::desired::group::Listener;

/// The forwards of a pass, by their index in the desired state.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// None: refused, and it did not run before.
    pub(super) forwards: Vec<Option<Planned>>,
    /// Forwards by every number under which a version of theirs is in force.
    pub(super) owners: BTreeMap<u32, usize>,
}

/// One forward of a pass.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// Its number; that of what runs, if anything does.
    pub(super) number: u32,
    /// The slot of its treatment.
    pub(super) slot: u32,
    /// What that slot holds.
    pub(super) value: ForwardSlot,
    /// What it is to the kernel.
    pub(super) standing: Standing,
}

/// What a forward is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// What runs stays, although something else is wanted: that does not fit.
    Kept,
    /// It runs with this treatment.
    Same,
    /// It runs with another treatment, in this slot.
    Changed(u32),
    /// It does not run yet.
    New,
}

impl Plan {
    pub(super) fn get(&self, forward: usize) -> Option<&Planned> {
        self.forwards.get(forward).and_then(Option::as_ref)
    }

    /// The number under which a forward runs or will run.
    pub(super) fn number(&self, forward: usize) -> Option<u32> {
        self.get(forward).map(|planned| planned.number)
    }

    /// Whether a forward runs with another treatment than it will.
    pub(super) fn is_changed(&self, forward: usize) -> bool {
        let standing = self.get(forward).map(|planned| planned.standing);
        matches!(standing, Some(Standing::Changed(_)))
    }

    /// The forward that a number belongs to, unless that forward is not wanted any more.
    pub(super) fn owner(&self, number: u32) -> Option<usize> {
        self.owners.get(&number).copied()
    }

    /// Whether an entry already leads where it should.
    pub(super) fn is_same(&self, old: Option<Entry>, new: Option<Listener>) -> bool {
        match (old, new) {
            (Some(old), Some(new)) => {
                self.number(new.forward) == Some(old.number) && old.source == new.source
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// The forwards that a pass has settled, with their indexes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Planned)> {
        let forwards = self.forwards.iter().enumerate();
        forwards.filter_map(|(index, planned)| Some((index, planned.as_ref()?)))
    }
}
