//! Lists of the kernel's state, and its answers for single addresses. **IO**

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::AddressMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage},
    neighbour::NeighbourMessage,
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage},
};
use nix::errno::Errno;

use super::{
    Error,
    conversation::Conversation,
    decode::{self, Event},
    neighbour,
};
use crate::facts::{InterfaceIndex, Route};

/// Every link, address and neighbour entry, as if announced now.
pub(super) async fn state() -> Result<Vec<Event>, Error> {
    let mut conversation = Conversation::open()?;
    let mut links = LinkMessage::default();
    links
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let lists = [
        ("links", RouteNetlinkMessage::GetLink(links)),
        (
            "addresses",
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        ),
        (
            "neighbours",
            RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
        ),
    ];
    let mut events = Vec::new();
    for (what, request) in lists {
        let list = conversation.list(what, &request).await?;
        events.extend(list.into_iter().filter_map(decode::state));
    }
    Ok(events)
}

/// Single neighbour entries, as if announced now; without those that are gone.
pub(super) async fn neighbours(keys: &[(InterfaceIndex, IpAddr)]) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    if keys.is_empty() {
        return Ok(events);
    }
    let mut conversation = Conversation::open()?;
    for &(interface, address) in keys {
        match neighbour::look(&mut conversation, interface, address).await {
            Ok(found) => {
                events.extend(
                    found
                        .map(RouteNetlinkMessage::NewNeighbour)
                        .and_then(decode::state),
                );
            }
            // Its interface is gone.
            Err(Error::Neighbour { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

/// The interfaces that hold a default route of either family in the main table.
pub(super) async fn default_routes() -> Result<BTreeSet<InterfaceIndex>, Error> {
    let mut conversation = Conversation::open()?;
    let mut interfaces = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        let request = RouteNetlinkMessage::GetRoute(message);
        let list = match conversation.list("routes", &request).await {
            Ok(list) => list,
            // A host that never had a route of the family has no table, or not even the family.
            Err(Error::List {
                source: Errno::ENOENT | Errno::EAFNOSUPPORT,
                ..
            }) => continue,
            Err(error) => return Err(error),
        };
        for message in list {
            if let RouteNetlinkMessage::NewRoute(route) = message {
                interfaces.extend(decode::default_route(&route));
            }
        }
    }
    Ok(interfaces)
}

/// Where the kernel would send a packet for each of the addresses.
pub(super) async fn routes(addresses: &BTreeSet<IpAddr>) -> Result<BTreeMap<IpAddr, Route>, Error> {
    if addresses.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut conversation = Conversation::open()?;
    let requests: Vec<_> = addresses.iter().copied().map(question).collect();
    let answers = conversation.ask(&requests, 0).await?;
    addresses
        .iter()
        .zip(answers)
        .map(|(&address, answer)| {
            let route = match answer {
                Ok(Some(RouteNetlinkMessage::NewRoute(route))) => decode::route(&route),
                // No route; a route of type unreachable, prohibit, blackhole; or an answer that
                // we cannot read.
                Ok(_)
                | Err(
                    Errno::ENETUNREACH
                    | Errno::EHOSTUNREACH
                    | Errno::EACCES
                    | Errno::EINVAL
                    | Errno::EBADMSG,
                ) => Route::None,
                Err(source) => return Err(Error::Route { address, source }),
            };
            Ok((address, route))
        })
        .collect()
}

fn question(address: IpAddr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    let (family, length, destination) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = length;
    message
        .attributes
        .push(RouteAttribute::Destination(destination));
    RouteNetlinkMessage::GetRoute(message)
}
