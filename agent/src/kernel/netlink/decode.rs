//! The kernel's messages as facts. Part of **IO**, opens nothing itself.

mod link;
mod neighbour;
mod route;

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::messages::Raw;
use crate::facts::{InterfaceIndex, Link, Neighbour};

pub(super) use neighbour::{OURS, keeper, protocol};
pub(super) use route::{default_route, route};

/// One announced change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A link is there, or differs.
    Link(InterfaceIndex, Link),
    /// A link is gone.
    LinkGone(InterfaceIndex),
    /// An address is there.
    Address(InterfaceIndex, IpNet),
    /// An address is gone.
    AddressGone(InterfaceIndex, IpNet),
    /// A neighbour entry is there, or differs.
    Neighbour((InterfaceIndex, IpAddr), Neighbour),
    /// A neighbour entry is gone.
    NeighbourGone((InterfaceIndex, IpAddr)),
    /// A route for this prefix came or went.
    Route(IpNet),
    /// Routing changed in a way that may concern any address.
    Routing,
}

/// What a message of a multicast group announces, if it is of interest.
pub(super) fn event(message: Raw<'_>) -> Option<Event> {
    match message.kind {
        // Rules and next-hop objects: any address may take another way.
        libc::RTM_NEWRULE | libc::RTM_DELRULE | RTM_NEWNEXTHOP | RTM_DELNEXTHOP => {
            Some(Event::Routing)
        }
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => match message.decode() {
            Some(RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route)) => {
                Some(route::prefix(&route).map_or(Event::Routing, Event::Route))
            }
            _ => Some(Event::Routing),
        },
        libc::RTM_NEWLINK
        | libc::RTM_DELLINK
        | libc::RTM_NEWADDR
        | libc::RTM_DELADDR
        | libc::RTM_NEWNEIGH
        | libc::RTM_DELNEIGH => state(message.decode()?),
        _ => None,
    }
}

// Not in libc.
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;

/// What a message says about a link, an address or a neighbour, announced or listed.
pub(super) fn state(message: RouteNetlinkMessage) -> Option<Event> {
    use RouteNetlinkMessage as Message;
    match message {
        // A bridge announces that a member left as the member's deletion, in its own family.
        Message::NewLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(Event::Link(message.header.index, link::link(&message)?))
        }
        Message::DelLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(Event::LinkGone(message.header.index))
        }
        Message::NewAddress(message) => Some(Event::Address(
            message.header.index,
            link::address(&message)?,
        )),
        Message::DelAddress(message) => Some(Event::AddressGone(
            message.header.index,
            link::address(&message)?,
        )),
        Message::NewNeighbour(message) => Some(Event::Neighbour(
            neighbour::key(&message)?,
            neighbour::neighbour(&message)?,
        )),
        Message::DelNeighbour(message) => Some(Event::NeighbourGone(neighbour::key(&message)?)),
        _ => None,
    }
}
