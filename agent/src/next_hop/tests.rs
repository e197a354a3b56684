use std::collections::BTreeMap;

use super::*;
use crate::facts::{Keeper, Link, Neighbour};

const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(kind: LinkKind, mtu: u32) -> Link {
    let mac = if kind == LinkKind::Ethernet {
        SOURCE_MAC
    } else {
        [0; 6]
    };
    Link {
        name: "eth0".into(),
        kind,
        mac,
        mtu,
        up: true,
        master: None,
        vlan: None,
    }
}

/// One upstream, 192.0.2.9, by way of interface 3.
fn facts(kind: LinkKind, gateway: Option<&str>, mtu: Option<u32>) -> Facts {
    let route = Route::Unicast {
        interface: 3,
        gateway: gateway.map(ip),
        mtu,
    };
    Facts {
        links: BTreeMap::from([(3, link(kind, 1500))]),
        routes: BTreeMap::from([(ip("192.0.2.9"), route)]),
        ..Facts::default()
    }
}

fn with_neighbour(mut facts: Facts, address: &str, state: NeighbourState) -> Facts {
    let neighbour = Neighbour {
        state,
        keeper: Keeper::Ours,
    };
    assert_eq!(facts.neighbours.insert((3, ip(address)), neighbour), None);
    facts
}

fn slot(neighbour: &str, mtu: u32, state: u8, destination_mac: [u8; 6]) -> NextHopSlot {
    NextHopSlot {
        neighbour: address::from_ip(ip(neighbour)),
        interface: 3,
        mtu,
        destination_mac,
        source_mac: SOURCE_MAC,
        state,
        link_header: LINK_HEADER,
        padding: [0; 2],
    }
}

#[test]
fn on_link_upstream_is_its_own_neighbour() {
    let facts = with_neighbour(
        facts(LinkKind::Ethernet, None, None),
        "192.0.2.9",
        NeighbourState::Valid(GATEWAY_MAC),
    );
    assert_eq!(
        next_hop(ip("192.0.2.9"), &facts),
        NextHop::Resolved(slot("192.0.2.9", 1500, STATE_RESOLVED, GATEWAY_MAC))
    );
    assert_eq!(
        neighbour_of(ip("192.0.2.9"), &facts),
        Some((3, ip("192.0.2.9")))
    );
}

/// An IPv4 route may name an IPv6 gateway (RFC 5549): its entry is the one that counts.
#[test]
fn gateway_of_the_other_family() {
    let facts = with_neighbour(
        facts(LinkKind::Ethernet, Some("fe80::1"), Some(1400)),
        "fe80::1",
        NeighbourState::Valid(GATEWAY_MAC),
    );
    assert_eq!(
        next_hop(ip("192.0.2.9"), &facts),
        NextHop::Resolved(slot("fe80::1", 1400, STATE_RESOLVED, GATEWAY_MAC))
    );
    assert_eq!(
        neighbour_of(ip("192.0.2.9"), &facts),
        Some((3, ip("fe80::1")))
    );
}

#[test]
fn neighbour_states() {
    let absent = facts(LinkKind::Ethernet, Some("192.0.2.1"), None);
    let unresolved = slot("192.0.2.1", 1500, STATE_UNRESOLVED, [0; 6]);
    let of = |facts: &Facts| next_hop(ip("192.0.2.9"), facts);
    assert_eq!(of(&absent), NextHop::Unresolved(unresolved));
    let resolving = with_neighbour(absent.clone(), "192.0.2.1", NeighbourState::Resolving);
    assert_eq!(of(&resolving), NextHop::Unresolved(unresolved));
    let failed = with_neighbour(absent, "192.0.2.1", NeighbourState::Failed);
    assert_eq!(of(&failed), NextHop::Failed(unresolved));
}

/// A route's MTU only ever lowers the link's.
#[test]
fn link_mtu_is_the_upper_bound() {
    let facts = facts(LinkKind::Ethernet, None, Some(9000));
    assert_eq!(
        next_hop(ip("192.0.2.9"), &facts)
            .slot()
            .map(|slot| slot.mtu),
        Some(1500)
    );
}

#[test]
fn links_without_neighbours_are_always_resolved() {
    let facts = facts(LinkKind::Ip, Some("192.0.2.1"), None);
    let expected = NextHopSlot {
        source_mac: [0; 6],
        link_header: 0,
        ..slot("192.0.2.1", 1500, STATE_RESOLVED, [0; 6])
    };
    assert_eq!(
        next_hop(ip("192.0.2.9"), &facts),
        NextHop::Resolved(expected)
    );
    assert_eq!(neighbour_of(ip("192.0.2.9"), &facts), None);
}

#[test]
fn what_needs_no_neighbour() {
    let mut facts = facts(LinkKind::Ethernet, None, None);
    assert_eq!(next_hop(ip("192.0.2.10"), &facts), NextHop::Unknown);

    facts.routes.extend([
        (ip("192.0.2.11"), Route::Local),
        (ip("192.0.2.12"), Route::None),
        (
            ip("192.0.2.13"),
            Route::Unicast {
                interface: 4,
                gateway: None,
                mtu: None,
            },
        ),
    ]);
    assert_eq!(next_hop(ip("192.0.2.11"), &facts), NextHop::Local);
    assert_eq!(NextHop::Local.slot(), Some(NextHopSlot::LOCAL));
    assert_eq!(next_hop(ip("192.0.2.12"), &facts), NextHop::NoRoute);
    assert_eq!(next_hop(ip("192.0.2.13"), &facts), NextHop::NoRoute);

    facts.links.get_mut(&3).unwrap().kind = LinkKind::Other;
    assert_eq!(next_hop(ip("192.0.2.9"), &facts), NextHop::NoRoute);
    facts.links.get_mut(&3).unwrap().kind = LinkKind::Ethernet;
    facts.links.get_mut(&3).unwrap().up = false;
    assert_eq!(next_hop(ip("192.0.2.9"), &facts), NextHop::NoRoute);
    for last in 9..14 {
        assert_eq!(neighbour_of(ip(&format!("192.0.2.{last}")), &facts), None);
    }
}
