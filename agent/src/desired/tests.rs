//! Hosts and forwards, and what becomes of them.

mod upstreams;

use std::net::IpAddr;

use udplb_abi::{
    address,
    address::Address,
    forward::{ADDRESS_PRESERVE, ADDRESS_REWRITE},
    hash::Strategy,
};

use super::{
    group::Place,
    input::{DestinationSpec, RateLimit, UpstreamSpec},
    *,
};
use crate::facts::{Link, LinkKind, Neighbour, NeighbourState, Route, Vlan};

const ETH0: u32 = 2;
const ETH1: u32 = 3;

fn link(name: &str, kind: LinkKind) -> Link {
    Link {
        name: name.to_owned(),
        kind,
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
        up: true,
        master: None,
        vlan: None,
    }
}

/// A host with lo, eth0 (default route), eth1, a bond over eth2, a tunnel, and a VLAN on eth0.
fn host() -> Facts {
    let member = Link {
        master: Some(5),
        ..link("eth2", LinkKind::Ethernet)
    };
    let vlan = Vlan {
        parent: ETH0,
        protocol: 0x8100,
        id: 100,
    };
    let vlan = Link {
        vlan: Some(vlan),
        ..link("eth0.100", LinkKind::Ethernet)
    };
    let addresses = [
        (1, "127.0.0.1/8"),
        (1, "::1/128"),
        (1, "198.51.100.1/32"),
        (ETH0, "192.0.2.10/24"),
        (ETH0, "fe80::10/64"),
        (ETH0, "2001:db8::10/64"),
        (ETH1, "10.0.0.1/8"),
        (ETH1, "fe80::11/64"),
    ];
    Facts {
        links: [
            (1, link("lo", LinkKind::Loopback)),
            (ETH0, link("eth0", LinkKind::Ethernet)),
            (ETH1, link("eth1", LinkKind::Ethernet)),
            (4, member),
            (5, link("bond0", LinkKind::Ethernet)),
            (6, link("tun0", LinkKind::Ip)),
            (7, vlan),
        ]
        .into(),
        addresses: addresses
            .map(|(index, net)| (index, net.parse().unwrap()))
            .into(),
        default_route_interfaces: [ETH0].into(),
        ..Facts::default()
    }
}

fn spec(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        paused: false,
        interfaces: Vec::new(),
        addresses: Vec::new(),
        ports: std::iter::once(514..=514).collect(),
        sources: Vec::new(),
        action: 0,
        when_unavailable: 0,
        destinations: vec![DestinationSpec {
            name: "out".to_owned(),
            options: Options {
                strategy: Strategy::SourceIp,
                source_address: 0,
                destination_address: 1,
                sampling_one_in: 1,
                sampling_per: 0,
                rate_limit: None,
            },
            upstreams: vec![upstream("203.0.113.1", Some(514))],
        }],
    }
}

fn upstream(address: &str, port: Option<u16>) -> UpstreamSpec {
    UpstreamSpec {
        address: ip(address),
        port,
        weight: 1,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn on(mut spec: Spec, interfaces: &[&str]) -> Spec {
    spec.interfaces = interfaces
        .iter()
        .map(|one| InterfacePattern((*one).to_owned()))
        .collect();
    spec
}

fn at(mut spec: Spec, addresses: &[&str]) -> Spec {
    spec.addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
    spec
}

fn settle(forwards: &[Spec], facts: &Facts) -> Desired {
    let input = Input {
        forwards: forwards.to_vec(),
    };
    Desired::settle(&input, None, facts)
}

/// Where the first group listens, as interface and address.
fn places(desired: &Desired) -> Vec<(u32, String)> {
    let group = desired.groups.first().unwrap();
    let mut places: Vec<_> = group
        .listeners
        .keys()
        .map(|place| (place.interface, place.prefix.to_string()))
        .collect();
    places.sort();
    places
}

fn source_at(desired: &Desired, interface: u32, prefix: &str) -> Option<Address> {
    let net: ipnet::IpNet = prefix.parse().unwrap();
    let place = Place {
        interface,
        prefix: Prefix::from_net(net),
    };
    desired
        .groups
        .first()?
        .listeners
        .get(&place)
        .map(|listener| listener.source)
}

#[test]
fn without_interfaces_and_addresses_it_is_every_own_address_on_the_default_route() {
    let desired = settle(&[spec("a/a")], &host());
    assert_eq!(desired.notices, []);
    assert_eq!(desired.attachments, [ETH0].into());
    let expected = [
        "10.0.0.1",
        "192.0.2.10",
        "198.51.100.1",
        "2001:db8::10",
        "fe80::10",
    ];
    assert_eq!(
        places(&desired),
        expected.map(|text| (ETH0, text.to_owned()))
    );
    let key = VlanKey {
        interface: ETH0,
        protocol: 0x8100,
        vlan: 100,
    };
    assert_eq!(desired.vlans, [(key, 7)].into());
}

#[test]
fn what_cannot_be_listened_on_is_a_notice_and_the_rest_runs() {
    let forward = at(
        on(spec("a/a"), &["eth?", "bond*", "tun0", "gone*"]),
        &["192.0.2.10/32"],
    );
    let desired = settle(&[forward], &host());
    assert_eq!(desired.attachments, [ETH0, ETH1, 5, 6].into());
    let texts: Vec<_> = desired.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "forward a/a: interface eth2 is a member of bond0; name bond0 instead",
            "forward a/a: no interface matches gone*; it waits for one",
        ]
    );
}

#[test]
fn interfaces_from_the_command_line_take_the_place_of_the_forwards_own() {
    let input = Input {
        forwards: vec![on(spec("a/a"), &["eth0"])],
    };
    let only = [InterfacePattern("eth1".to_owned())];
    let desired = Desired::settle(&input, Some(&only), &host());
    assert_eq!(desired.attachments, [ETH1].into());
}

#[test]
fn multicast_and_broadcast_listeners_have_an_address_of_the_interface_as_source() {
    let mut facts = host();
    assert!(
        facts
            .addresses
            .insert((ETH0, "169.254.1.1/16".parse().unwrap()))
    );
    let groups = [
        "239.1.2.3/32",
        "192.0.2.255/32",
        "255.255.255.255/32",
        "ff02::1/128",
        "192.0.2.10/32",
    ];
    let desired = settle(&[at(spec("a/a"), &groups)], &facts);
    let own = Some(address::mapped([192, 0, 2, 10]));
    assert_eq!(source_at(&desired, ETH0, "239.1.2.3/32"), own);
    assert_eq!(source_at(&desired, ETH0, "192.0.2.255/32"), own);
    assert_eq!(source_at(&desired, ETH0, "255.255.255.255/32"), own);
    let own = address::from_ip(ip("2001:db8::10"));
    assert_eq!(source_at(&desired, ETH0, "ff02::1/128"), Some(own));
    assert_eq!(source_at(&desired, ETH0, "192.0.2.10/32"), Some([0; 16]));
}

#[test]
fn without_an_address_for_the_source_only_a_preserved_source_can_be_multicast() {
    let mut forward = at(on(spec("a/a"), &["bond0"]), &["239.1.2.3/32"]);
    assert_eq!(
        source_at(&settle(&[forward.clone()], &host()), 5, "239.1.2.3/32"),
        Some([0; 16])
    );
    forward.destinations[0].options.source_address = ADDRESS_REWRITE;
    let desired = settle(&[forward], &host());
    assert_eq!(desired.groups, []);
    assert!(matches!(
        desired.notices[..],
        [Notice::NoSourceAddress { .. }]
    ));
}

#[test]
fn the_earlier_forward_keeps_a_listener_and_the_notice_names_it() {
    let mut second = at(spec("a/b"), &["192.0.2.10/32", "192.0.2.0/24"]);
    second.ports = std::iter::once(500..=600).collect();
    let desired = settle(&[spec("a/a"), second], &host());
    let texts: Vec<_> = desired.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "forward a/b does not listen on 192.0.2.10 port 514 of eth0: a/a does; change one of them"
        ]
    );
    let at_514 = desired
        .groups
        .iter()
        .find(|group| group.ports.contains(514))
        .unwrap();
    let owners: Vec<_> = at_514
        .listeners
        .values()
        .map(|listener| listener.forward)
        .collect();
    assert_eq!(
        owners.iter().filter(|owner| **owner == 1).count(),
        1,
        "the prefix is free"
    );
    let others = desired
        .groups
        .iter()
        .find(|group| group.ports.contains(513))
        .unwrap();
    assert!(others.ports.contains(515) && others.listeners.len() == 2);
}

#[test]
fn a_paused_forward_is_planned_and_listens_nowhere() {
    let paused = Spec {
        paused: true,
        ..spec("a/a")
    };
    let desired = settle(&[paused, spec("a/b")], &host());
    assert_eq!(desired.forwards[0].matches, []);
    assert!(
        desired.groups[0]
            .listeners
            .values()
            .all(|listener| listener.forward == 1)
    );
    assert_eq!(desired.notices, []);
}

#[test]
fn the_second_of_two_equal_names_is_left_out() {
    let desired = settle(&[spec("a/a"), spec("a/a")], &host());
    assert_eq!(desired.forwards.len(), 1);
    assert!(matches!(desired.notices[..], [Notice::SameIdentity { .. }]));
}

#[test]
fn a_rate_becomes_an_interval_and_a_tolerance() {
    let limit = RateLimit::new(50_000, 5_000);
    assert_eq!((limit.interval, limit.tolerance), (20_000, 4_999 * 20_000));
    assert_eq!(RateLimit::new(1, 1).tolerance, 0);
}
