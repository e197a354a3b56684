//! Small worlds in which everything collides: few names, ports, addresses, many ways to use them.

use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*, sample, sample::select};
use udplb_abi::{
    address::{self, Address},
    forward::{ADDRESS_REWRITE, SAMPLING_PER_PACKET},
    hash::Strategy as Choice,
    listener::VlanKey,
    next_hop::{LINK_HEADER, NextHopSlot, STATE_RESOLVED},
    record::identity,
};

use crate::{
    desired::{
        Desired, Destination, Forward, Treatment, Upstream,
        group::{self, Match, Place},
        input::{Options, RateLimit},
        ports::PortSet,
        prefix::{Prefix, family_of},
    },
    tables::walk::Packet,
};

pub(super) const INTERFACES: [u32; 2] = [2, 3];
pub(super) const PORTS: u16 = 7;
const LISTENERS: [&str; 10] = [
    "10.0.0.1/32",
    "10.0.0.2/32",
    "10.0.0.5/32",
    "10.0.0.0/30",
    "10.0.0.0/24",
    "0.0.0.0/0",
    "2001:db8::1/128",
    "2001:db8::2/128",
    "2001:db8::/64",
    "::/0",
];
const DESTINATIONS: [&str; 7] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.5",
    "192.0.2.1",
    "2001:db8::1",
    "2001:db8::9",
];
const SOURCES: [&str; 4] = [
    "198.51.100.0/24",
    "198.51.100.7/32",
    "2001:db8:1::/48",
    "::/0",
];
const SENDERS: [&str; 4] = [
    "198.51.100.7",
    "203.0.113.1",
    "2001:db8:1::7",
    "2001:db8:2::7",
];
const UPSTREAMS: [&str; 6] = [
    "203.0.113.1",
    "203.0.113.2",
    "203.0.113.3",
    "203.0.113.4",
    "2001:db8:f::1",
    "2001:db8:f::2",
];

fn parse(text: &str) -> Address {
    address::from_ip(text.parse().unwrap())
}

fn prefix(text: &str) -> Prefix {
    Prefix::from_net(text.parse().unwrap())
}

/// A state that a node may be told to reach.
pub(super) fn desired() -> impl Strategy<Value = Desired> {
    let forwards = collection::btree_map(0..5_usize, forward(), 0..=4);
    let order = any::<bool>();
    let next_hops = collection::vec(0..3_u8, UPSTREAMS.len());
    let neighbours = sample::subsequence(INTERFACES.to_vec(), 0..=2);
    (forwards, order, next_hops, neighbours, 0..3_u16).prop_map(
        |(forwards, reversed, next_hops, neighbours, vlan)| {
            let mut forwards: Vec<_> = forwards.into_iter().map(named).collect();
            if reversed {
                forwards.reverse();
            }
            let next_hops = UPSTREAMS
                .into_iter()
                .zip(next_hops)
                .filter(|(_, variant)| *variant > 0);
            assemble(Desired {
                vlans: (0..vlan)
                    .map(|vlan| {
                        (
                            VlanKey {
                                interface: 2,
                                protocol: 0x8100,
                                vlan,
                            },
                            9,
                        )
                    })
                    .collect(),
                forwards,
                next_hops: next_hops
                    .map(|(text, variant)| next_hop(text, variant))
                    .collect(),
                neighbours: neighbours
                    .iter()
                    .map(|&one| (one, [192, 0, 2, 1].into()))
                    .collect(),
                ..Desired::default()
            })
        },
    )
}

/// Fills in what is derived.
pub(super) fn assemble(mut desired: Desired) -> Desired {
    let forwards = desired.forwards.iter().enumerate();
    let matches =
        forwards.flat_map(|(index, forward)| forward.matches.iter().map(move |one| (index, one)));
    desired.groups = group::group(matches).0;
    let matches = desired.forwards.iter().flat_map(|forward| &forward.matches);
    let places = matches.flat_map(|one| one.places.keys());
    desired.attachments = places.map(|place| place.interface).collect();
    desired
}

fn next_hop(text: &str, variant: u8) -> (Address, NextHopSlot) {
    if variant == 1 {
        return (parse(text), NextHopSlot::LOCAL);
    }
    let slot = NextHopSlot {
        neighbour: parse("192.0.2.1"),
        interface: 2,
        mtu: 1500,
        destination_mac: [2, 0, 0, 0, 0, variant],
        source_mac: [2; 6],
        state: STATE_RESOLVED,
        link_header: LINK_HEADER,
        padding: [0; 2],
    };
    (parse(text), slot)
}

fn named((index, mut forward): (usize, Forward)) -> Forward {
    forward.name = format!("test/{index}");
    forward.id = identity(forward.name.as_bytes());
    for destination in &mut forward.treatment.destinations {
        destination.name = format!("{}/{}", forward.name, destination.name);
        destination.id = identity(destination.name.as_bytes());
    }
    forward
}

fn forward() -> impl Strategy<Value = Forward> {
    let matches = collection::vec(listens(), 0..=1);
    (matches, treatment()).prop_map(|(matches, treatment)| Forward {
        name: String::new(),
        id: 0,
        matches,
        treatment,
    })
}

fn listens() -> impl Strategy<Value = Match> {
    // Mostly the same ports, so that groups live on from state to state.
    let ranges = prop_oneof![
        3 => Just(vec![(0, 1)]),
        1 => collection::vec((0..PORTS, 0..2_u16), 1..=2),
    ];
    let places = collection::vec(
        (
            select(&INTERFACES[..]),
            select(&LISTENERS[..]),
            prop::bool::weighted(0.2),
        ),
        1..=4,
    );
    (ranges, places).prop_map(|(ranges, places)| Match {
        ports: ranges
            .into_iter()
            .map(|(start, more)| start..=start + more)
            .collect::<PortSet>(),
        places: places
            .into_iter()
            .map(|(interface, text, with_source)| {
                let source = if with_source {
                    parse("192.0.2.9")
                } else {
                    [0; 16]
                };
                (
                    Place {
                        interface,
                        prefix: prefix(text),
                    },
                    source,
                )
            })
            .collect(),
    })
}

fn treatment() -> impl Strategy<Value = Treatment> {
    let sources = collection::btree_set(select(&SOURCES[..]), 0..=2);
    let destinations = collection::vec(destination(), 1..=2);
    (0..2_u8, sources, destinations).prop_map(|(action, sources, destinations)| Treatment {
        action,
        when_unavailable: 0,
        sources: sources
            .into_iter()
            .flat_map(|text| prefix(text).without_mapped())
            .collect(),
        destinations: destinations
            .into_iter()
            .zip(["a", "b"])
            .map(|(destination, name)| Destination {
                name: name.to_owned(),
                ..destination
            })
            .collect(),
    })
}

fn destination() -> impl Strategy<Value = Destination> {
    let upstream = (
        option::of(Just(53_u16)),
        1..3_u16,
        prop::bool::weighted(0.9),
    );
    let upstreams = collection::btree_map(select(&UPSTREAMS[..]), upstream, 0..=4);
    (upstreams, option::of(1..3_u32), 0..2_u8).prop_map(|(upstreams, rate, strategy)| {
        let upstreams: BTreeMap<Address, _> = upstreams
            .into_iter()
            .map(|(text, rest)| (parse(text), rest))
            .collect();
        let of_family = |family| {
            let own = upstreams
                .iter()
                .filter(|(address, _)| family_of(address) == family);
            let mut own: Vec<_> = own
                .map(|(&address, &(port, weight, usable))| Upstream {
                    address,
                    port,
                    weight,
                    usable,
                })
                .collect();
            if let Some(first) = own.first_mut() {
                first.usable = true;
            }
            own
        };
        Destination {
            name: String::new(),
            id: 0,
            options: Options {
                strategy: if strategy == 0 {
                    Choice::SourceIp
                } else {
                    Choice::FiveTuple
                },
                source_address: ADDRESS_REWRITE,
                destination_address: ADDRESS_REWRITE,
                sampling_one_in: 1,
                sampling_per: SAMPLING_PER_PACKET,
                rate_limit: rate.map(|rate| RateLimit::new(rate, 5)),
            },
            upstreams: udplb_abi::address::Family::ALL.map(of_family),
        }
    })
}

/// Every kind of packet of this world.
pub(super) fn packets() -> Vec<Packet> {
    let mut packets = Vec::new();
    for interface in INTERFACES {
        for destination in DESTINATIONS.map(parse) {
            let senders = SENDERS.map(parse);
            let senders = senders
                .iter()
                .filter(|one| family_of(one) == family_of(&destination));
            for &source in senders {
                packets.extend((0..=PORTS).map(|port| Packet {
                    interface,
                    destination,
                    port,
                    source,
                }));
            }
        }
    }
    packets
}
