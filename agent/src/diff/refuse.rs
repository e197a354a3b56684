//! Who goes without when listeners do not fit. **pure**

use std::collections::BTreeMap;

use super::{
    listeners::{LiveGroup, Overflow},
    pass::Refused,
    plan::{Plan, Standing},
};
use crate::desired::group::PortGroup;

/// At least one forward for each overflow, as long as there is one that is not refused yet: the one
/// whose entry does not fit in a group that stays; the youngest of a new group; one that makes the
/// group new by leaving it; any.
pub(super) fn culprits(
    overflows: &[Overflow],
    groups: &[PortGroup],
    live: &BTreeMap<u16, LiveGroup>,
    plan: &Plan,
) -> Refused {
    let may_refuse = |index: &usize| {
        plan.get(*index)
            .is_some_and(|planned| planned.standing != Standing::Kept)
    };
    let mut refused = Refused::new();
    for overflow in overflows {
        let group = groups.get(overflow.group);
        let of_group = || group.into_iter().flat_map(|group| group.listeners.values());
        let before = || {
            let ports = group.map(|group| &group.ports);
            live.values()
                .filter(move |old| ports.is_some_and(|ports| ports.intersects(&old.ports)))
                .flat_map(LiveGroup::numbers)
                .filter_map(|number| plan.owner(number))
        };
        let culprit = overflow
            .in_place
            .filter(may_refuse)
            .or_else(|| {
                of_group()
                    .map(|listener| listener.forward)
                    .filter(may_refuse)
                    .max()
            })
            .or_else(|| before().filter(may_refuse).max())
            .or_else(|| plan.iter().map(|(index, _)| index).filter(may_refuse).max());
        refused.extend(culprit.map(|index| (index, overflow.full)));
    }
    refused
}
