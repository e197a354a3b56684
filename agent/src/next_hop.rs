//! From an upstream's address to how its copies leave: route, link and neighbour together. **pure**

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use udplb_abi::{
    address,
    next_hop::{LINK_HEADER, NextHopSlot, STATE_RESOLVED, STATE_UNRESOLVED},
};

use crate::facts::{Facts, InterfaceIndex, LinkKind, NeighbourState, Route};

/// How copies for an address leave this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// The kernel has not been asked about this address yet.
    Unknown,
    /// No route leads there, or the route's interface is gone, down, or of a kind that we cannot use.
    NoRoute,
    /// The address is this host's own.
    Local,
    /// The neighbour has not answered yet.
    Unresolved(NextHopSlot),
    /// The neighbour does not answer.
    Failed(NextHopSlot),
    /// Frames can be sent.
    Resolved(NextHopSlot),
}

impl NextHop {
    /// What the datapath gets, where there is anything to hand to it.
    #[must_use]
    pub const fn slot(&self) -> Option<NextHopSlot> {
        match *self {
            Self::Unresolved(slot) | Self::Failed(slot) | Self::Resolved(slot) => Some(slot),
            Self::Local => Some(NextHopSlot::LOCAL),
            Self::Unknown | Self::NoRoute => None,
        }
    }
}

/// How copies for `upstream` leave this host.
#[must_use]
pub fn next_hop(upstream: IpAddr, facts: &Facts) -> NextHop {
    let (interface, neighbour, route_mtu) = match facts.routes.get(&upstream) {
        None => return NextHop::Unknown,
        Some(Route::None) => return NextHop::NoRoute,
        Some(Route::Local) => return NextHop::Local,
        Some(Route::Unicast {
            interface,
            gateway,
            mtu,
        }) => (*interface, gateway.unwrap_or(upstream), *mtu),
    };
    let Some(link) = facts.links.get(&interface).filter(|link| link.up) else {
        return NextHop::NoRoute;
    };
    let slot = NextHopSlot {
        neighbour: address::from_ip(neighbour),
        interface,
        mtu: route_mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
        destination_mac: [0; 6],
        source_mac: link.mac,
        state: STATE_UNRESOLVED,
        link_header: if link.kind == LinkKind::Ip {
            0
        } else {
            LINK_HEADER
        },
        padding: [0; 2],
    };
    let resolved = |destination_mac| {
        NextHop::Resolved(NextHopSlot {
            destination_mac,
            state: STATE_RESOLVED,
            ..slot
        })
    };
    match link.kind {
        LinkKind::Other => NextHop::NoRoute,
        // Nothing to resolve: frames carry no link-layer address, or one that nobody reads.
        LinkKind::Ip | LinkKind::Loopback => resolved([0; 6]),
        LinkKind::Ethernet => {
            match facts
                .neighbours
                .get(&(interface, neighbour))
                .map(|entry| entry.state)
            {
                Some(NeighbourState::Valid(mac)) => resolved(mac),
                Some(NeighbourState::Failed) => NextHop::Failed(slot),
                Some(NeighbourState::Resolving) | None => NextHop::Unresolved(slot),
            }
        }
    }
}

/// The neighbour entry that must be kept fresh for `upstream`, where its link has neighbours.
#[must_use]
pub fn neighbour_of(upstream: IpAddr, facts: &Facts) -> Option<(InterfaceIndex, IpAddr)> {
    let Some(Route::Unicast {
        interface, gateway, ..
    }) = facts.routes.get(&upstream)
    else {
        return None;
    };
    let link = facts.links.get(interface)?;
    (link.up && link.kind == LinkKind::Ethernet).then(|| (*interface, gateway.unwrap_or(upstream)))
}
