//! Routes from the kernel's messages. Part of **IO**, opens nothing itself.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily,
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteType, RouteVia,
    },
};

use crate::facts::{InterfaceIndex, Route};

/// What a route is for.
pub(super) fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let unspecified = match message.header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let destination = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(value) => ip(value),
            _ => None,
        })
        .unwrap_or(unspecified);
    IpNet::new(destination, message.header.destination_prefix_length).ok()
}

const fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

/// The kernel's answer for one address.
pub(in super::super) fn route(message: &RouteMessage) -> Route {
    match message.header.kind {
        RouteType::Local | RouteType::Anycast => Route::Local,
        RouteType::Unicast => unicast(&message.attributes).unwrap_or(Route::None),
        _ => Route::None,
    }
}

fn unicast(attributes: &[RouteAttribute]) -> Option<Route> {
    let mut interface = None;
    let mut gateway = None;
    let mut mtu = None;
    for attribute in attributes {
        match attribute {
            // What the route would wrap packets in, we cannot.
            RouteAttribute::Encap(_) | RouteAttribute::EncapType(_) => return None,
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(v4)) => gateway = Some(IpAddr::V4(*v4)),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => gateway = Some(IpAddr::V6(*v6)),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(bytes) if *bytes > 0 => Some(*bytes),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(Route::Unicast {
        interface: interface?,
        gateway,
        mtu,
    })
}

/// Interfaces of a default route in the main table.
pub(in super::super) fn default_route(message: &RouteMessage) -> Vec<InterfaceIndex> {
    let header = &message.header;
    if header.destination_prefix_length != 0
        || header.kind != RouteType::Unicast
        || header.table != RouteHeader::RT_TABLE_MAIN
    {
        return Vec::new();
    }
    let mut interfaces = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interfaces.push(*index),
            RouteAttribute::MultiPath(hops) => {
                interfaces.extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    interfaces
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::route::RouteLwEnCapType;

    use super::*;

    #[test]
    fn a_route_that_wraps_packets_leads_nowhere() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Oif(3));
        let plain = Route::Unicast {
            interface: 3,
            gateway: None,
            mtu: None,
        };
        assert_eq!(route(&message), plain);
        message
            .attributes
            .push(RouteAttribute::EncapType(RouteLwEnCapType::Mpls));
        assert_eq!(route(&message), Route::None);
    }
}
