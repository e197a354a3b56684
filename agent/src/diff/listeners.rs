//! Who listens: port groups, their entries, and the words of the ports. **pure**
//!
//! A packet has one port and reads its word once, then one or two entries of that port's group. So that
//! it meets the old or the new listener and nothing between, an observed group meets one of three fates:
//!
//! 1. Its ports stay: entries change in place, the most specific first, then removals, the least
//!    specific first.
//! 2. Its listeners stay: only the words of ports change.
//! 3. It goes: a new group is filled first, then the words of the ports change to it.

mod entries;
mod live;
mod matching;

pub(super) use entries::{Emitter, Overflow};
pub(super) use live::{Entry, LiveGroup, groups};
use matching::Fate;
pub(super) use matching::Matching;

use udplb_abi::{address::Family, listener::PortWord};

use crate::desired::group::PortGroup;

/// The word of a group's ports.
fn word(number: u16, group: &PortGroup) -> PortWord {
    let has = |family| {
        let prefixes = group.listeners.keys().map(|place| place.prefix);
        prefixes
            .filter(|prefix| !prefix.is_exact())
            .any(|prefix| prefix.family() == family)
    };
    PortWord::new(number, has(Family::V4), has(Family::V6))
}
