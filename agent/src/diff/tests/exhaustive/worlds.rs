//! Small states in which every kind of change is a step from one to another.

use udplb_abi::{
    address::{self, Address},
    forward::{ADDRESS_REWRITE, SAMPLING_PER_PACKET},
    hash::Strategy,
    next_hop::{LINK_HEADER, NextHopSlot, STATE_RESOLVED},
    record::identity,
};

use crate::{
    desired::{
        Desired, Destination, Forward, Treatment, Upstream,
        group::{Match, Place},
        input::{Options, RateLimit},
        prefix::Prefix,
    },
    diff::tests::generate::assemble,
    tables::walk::Packet,
};

const INTERFACE: u32 = 2;

/// What a forward listens to: its last port, and its addresses. The first is always 1.
const MATCHES: [(u16, &[&str]); 9] = [
    (1, &["10.0.0.1/32"]),
    (1, &["10.0.0.0/24"]),
    (1, &["10.0.0.1/32", "10.0.0.0/24"]),
    (1, &["10.0.0.0/28", "10.0.0.0/24"]),
    (2, &["10.0.0.1/32"]),
    (1, &["10.0.0.0/16"]),
    (1, &["10.0.0.0/28", "10.0.0.0/16"]),
    (2, &["10.0.0.0/28", "10.0.0.0/24", "10.0.0.0/16"]),
    (1, &["10.0.0.1/32", "10.0.0.2/32"]),
];

/// How a forward treats packets: the upstreams of each destination; whether sources are filtered, and destinations
/// limited.
const TREATMENTS: [(&[&[u8]], bool); 4] = [
    (&[&[1]], false),
    (&[&[2]], false),
    (&[&[1, 2]], true),
    (&[&[2], &[1, 3]], false),
];

/// A state, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct World {
    /// For each forward: its match, or none while it is paused, and its treatment.
    forwards: [Option<(Option<usize>, usize)>; 2],
    /// The last byte of the neighbours' link-layer addresses.
    neighbour: u8,
}

impl World {
    pub(super) fn desired(&self) -> Desired {
        let forwards = self.forwards.iter().zip(["a", "b"]);
        let forwards = forwards.filter_map(|(one, name)| Some(forward(name, (*one)?)));
        assemble(Desired {
            forwards: forwards.collect(),
            next_hops: (1..=3)
                .map(|last| (upstream(last), next_hop(self.neighbour)))
                .collect(),
            ..Desired::default()
        })
    }
}

const fn upstream(last: u8) -> Address {
    address::mapped([203, 0, 113, last])
}

fn next_hop(last: u8) -> NextHopSlot {
    NextHopSlot {
        neighbour: address::mapped([192, 0, 2, 1]),
        interface: INTERFACE,
        mtu: 1500,
        destination_mac: [2, 0, 0, 0, 0, last],
        source_mac: [2; 6],
        state: STATE_RESOLVED,
        link_header: LINK_HEADER,
        padding: [0; 2],
    }
}

fn forward(name: &str, (matched, treatment): (Option<usize>, usize)) -> Forward {
    let listens = |matched: usize| {
        let (last, prefixes) = MATCHES[matched];
        let place = |text: &&str| Place {
            interface: INTERFACE,
            prefix: Prefix::from_net(text.parse().unwrap()),
        };
        Match {
            ports: std::iter::once(1..=last).collect(),
            places: prefixes.iter().map(|text| (place(text), [0; 16])).collect(),
        }
    };
    let (destinations, is_strict) = TREATMENTS[treatment];
    let source: Prefix = Prefix::from_net("198.51.100.0/24".parse().unwrap());
    Forward {
        name: name.to_owned(),
        id: identity(name.as_bytes()),
        matches: matched.map(listens).into_iter().collect(),
        treatment: Treatment {
            action: 0,
            when_unavailable: 0,
            sources: is_strict.then_some(source).into_iter().collect(),
            destinations: destinations
                .iter()
                .zip(["one", "two"])
                .map(|(upstreams, own)| destination(&format!("{name}/{own}"), upstreams, is_strict))
                .collect(),
        },
    }
}

fn destination(name: &str, upstreams: &[u8], is_limited: bool) -> Destination {
    let upstreams = upstreams.iter().map(|last| Upstream {
        address: upstream(*last),
        port: Some(514),
        weight: 1,
        usable: true,
    });
    Destination {
        id: identity(name.as_bytes()),
        name: name.to_owned(),
        options: Options {
            strategy: Strategy::SourceIp,
            source_address: ADDRESS_REWRITE,
            destination_address: ADDRESS_REWRITE,
            sampling_one_in: 1,
            sampling_per: SAMPLING_PER_PACKET,
            rate_limit: is_limited.then(|| RateLimit::new(1000, 10)),
        },
        upstreams: [upstreams.collect(), Vec::new()],
    }
}

/// Every kind of packet that these worlds can tell apart.
pub(super) fn packets() -> Vec<Packet> {
    let [inside, outside] = [[198, 51, 100, 7], [192, 0, 2, 7]].map(address::mapped);
    let packet = |port, last: [u8; 2], source| Packet {
        interface: INTERFACE,
        destination: address::mapped([10, 0, last[0], last[1]]),
        port,
        source,
    };
    vec![
        packet(1, [0, 1], inside),
        packet(1, [0, 1], outside),
        packet(1, [0, 2], inside),
        packet(1, [0, 99], inside),
        packet(1, [1, 1], inside),
        packet(2, [0, 1], inside),
    ]
}

const NOTHING: World = World {
    forwards: [None, None],
    neighbour: 1,
};

/// One forward in every match and treatment, paused, gone, and with other neighbours.
pub(super) fn of_one_forward() -> Vec<World> {
    let mut worlds = vec![NOTHING];
    for treatment in 0..TREATMENTS.len() {
        let matches = (0..MATCHES.len()).map(Some).chain([None]);
        worlds.extend(matches.map(|matched| World {
            forwards: [Some((matched, treatment)), None],
            neighbour: 1 + u8::try_from(treatment % 2).unwrap(),
        }));
    }
    worlds
}

/// Two forwards with few treatments each, that take packets from one another.
pub(super) fn of_two_forwards() -> Vec<World> {
    let first = [
        None,
        Some((Some(0), 0)),
        Some((Some(5), 3)),
        Some((Some(3), 2)),
    ];
    let second = [
        None,
        Some((Some(1), 1)),
        Some((Some(8), 2)),
        Some((Some(7), 0)),
        Some((None, 1)),
    ];
    let mut worlds = Vec::new();
    for a in first {
        worlds.extend(second.map(|b| World {
            forwards: [a, b],
            neighbour: 1,
        }));
    }
    worlds
}

/// A few of all.
pub(super) fn few() -> Vec<World> {
    let one = |matched, treatment, neighbour| World {
        forwards: [Some((matched, treatment)), None],
        neighbour,
    };
    vec![
        NOTHING,
        one(Some(0), 0, 1),
        one(Some(0), 1, 1),
        one(Some(2), 2, 1),
        one(Some(3), 2, 2),
        one(Some(4), 3, 1),
        one(Some(5), 0, 2),
        one(Some(7), 3, 1),
        World {
            forwards: [Some((Some(1), 0)), Some((Some(6), 1))],
            neighbour: 2,
        },
        World {
            forwards: [Some((Some(6), 2)), Some((Some(1), 1))],
            neighbour: 2,
        },
    ]
}

/// Each of them to each.
pub(super) fn pairs(worlds: &[World]) -> impl Iterator<Item = Vec<World>> {
    let from = worlds.iter();
    from.flat_map(|one| worlds.iter().map(|other| vec![*one, *other]))
}

/// Each of them to each, and on to each.
pub(super) fn triples(worlds: &[World]) -> impl Iterator<Item = Vec<World>> {
    pairs(worlds).flat_map(|pair| worlds.iter().map(move |last| vec![pair[0], pair[1], *last]))
}
