//! What happens with packets of a forward: its destinations with their upstreams by family. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_abi::{
    MAX_UPSTREAMS,
    address::{self, Address, Family},
    forward::ADDRESS_PRESERVE,
    record::identity,
};

use super::{
    Destination, Treatment, Upstream,
    group::PortGroup,
    input::{DestinationSpec, Spec, UpstreamSpec},
    notice::Notice,
    ports::PortSet,
    prefix::{Prefix, family_of},
};
use crate::{
    facts::Facts,
    next_hop::{self, NextHop},
};

/// The treatment of one forward, given who listens on this host and its `own` addresses.
pub(super) fn resolve(
    forward: &Spec,
    groups: &[PortGroup],
    own: &BTreeSet<Address>,
    facts: &Facts,
    notices: &mut Vec<Notice>,
) -> Treatment {
    let destinations = forward.destinations.iter().map(|destination| {
        let name = format!("{}/{}", forward.name, destination.name);
        let upstreams = upstreams(destination, |upstream| {
            let address = address::from_ip(upstream.address);
            let is_own = own.contains(&address)
                || next_hop::next_hop(upstream.address, facts) == NextHop::Local;
            // A copy with its destination kept is for the listener that took the packet.
            let keeps_destination = destination.options.destination_address == ADDRESS_PRESERVE;
            let goes_round = is_own
                && (keeps_destination || listens(groups, &address, upstream.port, &forward.ports));
            if goes_round {
                let (destination, address) = (name.clone(), upstream.address);
                notices.push(Notice::Loop {
                    destination,
                    address,
                });
            }
            !goes_round
        });
        let upstreams = Family::ALL.map(|family| {
            let mut upstreams: Vec<_> = upstreams
                .values()
                .filter(|upstream| family_of(&upstream.address) == family)
                .copied()
                .collect();
            if upstreams.len() > MAX_UPSTREAMS {
                notices.push(Notice::TooManyUpstreams {
                    destination: name.clone(),
                    count: upstreams.len(),
                    limit: MAX_UPSTREAMS,
                });
                upstreams.truncate(MAX_UPSTREAMS);
            }
            choose_usable(&mut upstreams, facts);
            upstreams
        });
        Destination {
            id: identity(name.as_bytes()),
            name,
            options: destination.options,
            upstreams,
        }
    });
    Treatment {
        action: forward.action,
        when_unavailable: forward.when_unavailable,
        destinations: destinations.collect(),
        sources: sources(forward),
    }
}

/// Sorted by address and port; an upstream that is named twice has the weight of its first mention.
fn upstreams(
    destination: &DestinationSpec,
    mut keep: impl FnMut(&UpstreamSpec) -> bool,
) -> BTreeMap<(Address, Option<u16>), Upstream> {
    let mut sorted = BTreeMap::new();
    for upstream in &destination.upstreams {
        if keep(upstream) {
            let address = address::from_ip(upstream.address);
            let _ = sorted.entry((address, upstream.port)).or_insert(Upstream {
                address,
                port: upstream.port,
                weight: upstream.weight,
                usable: true,
            });
        }
    }
    sorted
}

/// Takes upstreams whose neighbour does not answer out of the balance, unless none would be left.
fn choose_usable(upstreams: &mut [Upstream], facts: &Facts) {
    let failed = |upstream: &Upstream| {
        let hop = next_hop::next_hop(address::to_ip(upstream.address), facts);
        matches!(hop, NextHop::Failed(_))
    };
    if upstreams.iter().all(failed) {
        return;
    }
    for upstream in upstreams {
        upstream.usable = !failed(upstream);
    }
}

/// Whether a forward of this host takes packets for an address and port; without a port, for one of
/// the ports that a packet may have come to.
fn listens(groups: &[PortGroup], address: &Address, port: Option<u16>, came_to: &PortSet) -> bool {
    groups.iter().any(|group| {
        let same_port = port.map_or_else(
            || group.ports.intersects(came_to),
            |port| group.ports.contains(port),
        );
        same_port
            && group
                .listeners
                .keys()
                .any(|place| place.prefix.covers(address))
    })
}

/// In prefixes that keep the families apart in a map that does not.
fn sources(forward: &Spec) -> BTreeSet<Prefix> {
    let prefixes = forward.sources.iter().copied().map(Prefix::from_net);
    prefixes.flat_map(Prefix::without_mapped).collect()
}
