//! Where a forward listens: interfaces times addresses. **pure**

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use udplb_abi::{
    address::{self, Address},
    forward::ADDRESS_REWRITE,
};

use super::{
    group::{Place, Places},
    input::Spec,
    interfaces::name_of,
    notice::Notice,
    prefix::Prefix,
};
use crate::facts::{Facts, InterfaceIndex};

/// Source of copies: the packet's own destination.
const OWN_DESTINATION: Address = [0; 16];

/// The places of a forward that listens on `interfaces`.
pub(super) fn resolve(
    forward: &Spec,
    interfaces: &BTreeSet<InterfaceIndex>,
    facts: &Facts,
    notices: &mut Vec<Notice>,
) -> Places {
    let mut places = Places::new();
    for &interface in interfaces {
        if forward.addresses.is_empty() {
            places.extend(own_addresses(interface, facts).map(|address| {
                let prefix = Prefix::exact(address::from_ip(address));
                (Place { interface, prefix }, OWN_DESTINATION)
            }));
        }
        for net in &forward.addresses {
            let prefix = Prefix::from_net(*net);
            let place = Place { interface, prefix };
            if !is_group(net, interface, facts) {
                let _ = places.insert(place, OWN_DESTINATION);
            } else if let Some(source) = source_for(net.addr(), interface, facts) {
                let _ = places.insert(place, address::from_ip(source));
            } else if forward
                .destinations
                .iter()
                .any(|destination| destination.options.source_address == ADDRESS_REWRITE)
            {
                notices.push(Notice::NoSourceAddress {
                    forward: forward.name.clone(),
                    address: prefix.to_string(),
                    interface: name_of(interface, facts),
                });
            } else {
                let _ = places.insert(place, OWN_DESTINATION);
            }
        }
    }
    places
}

/// Every unicast address at which packets for this host may arrive on an interface: those of all
/// interfaces, because Linux answers for them anywhere, but link-local ones only on their own link.
fn own_addresses(interface: InterfaceIndex, facts: &Facts) -> impl Iterator<Item = IpAddr> {
    facts.addresses.iter().filter_map(move |(holder, net)| {
        let address = net.addr();
        let usable = match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
            IpAddr::V6(v6) => {
                !v6.is_loopback() && (*holder == interface || !v6.is_unicast_link_local())
            }
        };
        usable.then_some(address)
    })
}

/// Whether `net` names multicast or broadcast addresses of the interface.
fn is_group(net: &IpNet, interface: InterfaceIndex, facts: &Facts) -> bool {
    let multicast = match net {
        IpNet::V4(v4) => v4.network().is_multicast() && v4.prefix_len() >= 4,
        IpNet::V6(v6) => v6.network().is_multicast() && v6.prefix_len() >= 8,
    };
    let single = net.prefix_len() == net.max_prefix_len();
    multicast
        || single
            && (net.addr() == IpAddr::V4(Ipv4Addr::BROADCAST)
                || held_by(interface, facts).any(|own| is_broadcast(own, net.addr())))
}

/// Whether `address` is the broadcast address of an interface address's subnet.
fn is_broadcast(own: &IpNet, address: IpAddr) -> bool {
    match (own, address) {
        // RFC 3021: a /31 has no broadcast address.
        (IpNet::V4(own), IpAddr::V4(address)) => {
            own.prefix_len() < 31 && own.broadcast() == address
        }
        _ => false,
    }
}

/// The interface's address that copies carry as source: in the subnet whose broadcast address
/// `group` is, otherwise the first one of the family, link-local last.
fn source_for(group: IpAddr, interface: InterfaceIndex, facts: &Facts) -> Option<IpAddr> {
    held_by(interface, facts)
        .filter(|own| own.addr().is_ipv4() == group.is_ipv4())
        .min_by_key(|own| {
            let link_local = match own.addr() {
                IpAddr::V4(v4) => v4.is_link_local(),
                IpAddr::V6(v6) => v6.is_unicast_link_local(),
            };
            (!is_broadcast(own, group), link_local)
        })
        .map(IpNet::addr)
}

fn held_by(interface: InterfaceIndex, facts: &Facts) -> impl Iterator<Item = &IpNet> {
    let on_it = facts
        .addresses
        .iter()
        .filter(move |(holder, _)| *holder == interface);
    on_it.map(|(_, net)| net)
}
