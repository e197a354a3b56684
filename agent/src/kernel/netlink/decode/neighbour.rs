//! Neighbour entries from the kernel's messages. Part of **IO**, opens nothing itself.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
        NeighbourState as Nud,
    },
    route::RouteProtocol,
};
use udplb_abi::record::NEIGHBOUR_PROTOCOL;

use crate::facts::{InterfaceIndex, Keeper, Neighbour, NeighbourState};

/// The protocol number of our neighbour entries, as netlink's types say it.
pub(in super::super) const OURS: RouteProtocol = RouteProtocol::Other(NEIGHBOUR_PROTOCOL);

pub(super) fn key(message: &NeighbourMessage) -> Option<(InterfaceIndex, IpAddr)> {
    // Entries of a bridge's forwarding table are something else.
    if !matches!(
        message.header.family,
        AddressFamily::Inet | AddressFamily::Inet6
    ) {
        return None;
    }
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
            _ => None,
        })
        .map(|address| (message.header.ifindex, address))
}

/// `None`: the link's addresses are not Ethernet's.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let mac = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
    let state = match message.header.state {
        Nud::Failed => NeighbourState::Failed,
        Nud::Incomplete | Nud::None | Nud::Other(_) => NeighbourState::Resolving,
        _ => NeighbourState::Valid(mac?.try_into().ok()?),
    };
    Some(Neighbour {
        state,
        keeper: keeper(message),
    })
}

/// A managed entry of ours that somebody gave a state of their own is no longer managed: then it is
/// the kernel's again, and may be upgraded again.
pub(in super::super) fn keeper(message: &NeighbourMessage) -> Keeper {
    let managed = message.attributes.iter().any(|attribute| {
        matches!(attribute, NeighbourAttribute::ExtFlags(flags)
            if flags.contains(NeighbourExtFlags::Managed))
    });
    let foreign = message.header.state == Nud::Permanent
        || message.header.flags.contains(NeighbourFlags::ExtLearned);
    match protocol(message) {
        _ if foreign => Keeper::Other,
        OURS if managed => Keeper::Ours,
        OURS => Keeper::Kernel,
        RouteProtocol::Unspec | RouteProtocol::Kernel if !managed => Keeper::Kernel,
        _ => Keeper::Other,
    }
}

pub(in super::super) fn protocol(message: &NeighbourMessage) -> RouteProtocol {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Protocol(protocol) => Some(*protocol),
            _ => None,
        })
        .unwrap_or_default()
}
