//! The forwards, for the agent and for the reference.

use std::net::IpAddr;

use udplb_tests::{
    agent::forward,
    lab::Mac,
    reference::{Destination, Forward, Node, Upstream},
    rows::Family,
};

/// What the links to the collectors carry, bytes of an IP packet. IPv6 wants no less than 1,280.
pub(crate) const MTUS: [usize; 2] = [1_500, 1_300];

/// Where a destination sends and how.
#[derive(Clone, Copy)]
pub(crate) struct Sends {
    collector: u8,
    port: Option<u16>,
    families: &'static [Family],
    hides_source: bool,
    keeps_destination: bool,
}

const BOTH: &[Family] = &[Family::V4, Family::V6];

const fn sends(collector: u8, port: Option<u16>) -> Sends {
    Sends {
        collector,
        port,
        families: BOTH,
        hides_source: false,
        keeps_destination: false,
    }
}

const fn hidden(sends: Sends) -> Sends {
    Sends {
        hides_source: true,
        ..sends
    }
}

const fn direct(sends: Sends) -> Sends {
    Sends {
        keeps_destination: true,
        ..sends
    }
}

const fn only(family: &'static [Family], sends: Sends) -> Sends {
    Sends {
        families: family,
        ..sends
    }
}

const V4: &[Family] = &[Family::V4];
const V6: &[Family] = &[Family::V6];

/// Port, action, and destinations.
pub(crate) const FORWARDS: [(u16, &str, &[Sends]); 7] = [
    (100, "Clone", &[sends(1, Some(5100))]),
    (
        101,
        "Clone",
        &[
            hidden(sends(2, Some(5101))),
            direct(sends(1, None)),
            only(V4, sends(1, None)),
        ],
    ),
    (102, "Forward", &[hidden(sends(2, Some(5102)))]),
    (
        103,
        "Forward\n  whenUnavailable: Pass",
        &[only(V4, sends(1, Some(5103)))],
    ),
    (
        104,
        "Forward",
        &[
            direct(sends(1, None)),
            only(V6, sends(1, Some(5104))),
            sends(2, None),
        ],
    ),
    (105, "Forward", &[only(V6, hidden(sends(1, None)))]),
    (
        106,
        "Clone",
        &[
            sends(1, Some(1)),
            sends(2, Some(2)),
            hidden(sends(1, Some(3))),
            hidden(sends(2, Some(4))),
            direct(sends(1, None)),
            sends(1, Some(6)),
            only(V4, sends(2, Some(7))),
            sends(1, Some(65_535)),
        ],
    ),
];

fn name(port: u16) -> String {
    format!("port{port}")
}

pub(crate) fn document((port, action, destinations): &(u16, &str, &[Sends])) -> String {
    let destination = |(number, sends): (usize, &Sends)| {
        let upstreams: Vec<String> = sends
            .families
            .iter()
            .map(|family| {
                let port = sends
                    .port
                    .map_or_else(String::new, |port| format!(", port: {port}"));
                format!("{{address: '{}'{port}}}", family.collector(sends.collector))
            })
            .collect();
        let source = if sends.hides_source {
            "sourceAddress: Rewrite, "
        } else {
            ""
        };
        let target = if sends.keeps_destination {
            "destinationAddress: Preserve, "
        } else {
            ""
        };
        format!(
            "  - {{name: d{number}, {source}{target}upstreams: [{}]}}\n",
            upstreams.join(", ")
        )
    };
    let destinations: String = destinations.iter().enumerate().map(destination).collect();
    let [v4, v6] = [Family::V4, Family::V6].map(Family::node);
    let matched = format!("{{addresses: [{v4}, '{v6}'], ports: [{{port: {port}}}]}}");
    forward(
        &name(*port),
        &format!("  match: {matched}\n  action: {action}\n  destinations:\n{destinations}"),
    )
}

/// The same for the reference.
fn told((port, action, destinations): &(u16, &str, &[Sends])) -> (u16, Forward) {
    let destination = |(number, sends): (usize, &Sends)| Destination {
        name: format!("d{number}"),
        hides_source: sends.hides_source,
        keeps_destination: sends.keeps_destination,
        upstreams: [Family::V4, Family::V6].map(|family| {
            sends.families.contains(&family).then(|| Upstream {
                address: family.collector(sends.collector).parse().unwrap(),
                port: sends.port,
                link: usize::from(sends.collector - 1),
                macs: [
                    Mac::of("node", &format!("eth{}", sends.collector)),
                    Mac::of(&format!("collector{}", sends.collector), "eth0"),
                ],
                mtu: MTUS[usize::from(sends.collector - 1)],
            })
        }),
    };
    let forward = Forward {
        name: name(*port),
        clones: action.starts_with("Clone"),
        passes: action.ends_with("Pass"),
        destinations: destinations.iter().enumerate().map(destination).collect(),
    };
    (*port, forward)
}

/// The node as the reference is told of it.
pub(crate) fn node() -> Node {
    let addresses: [IpAddr; 2] =
        [Family::V4, Family::V6].map(|family| family.node().parse().unwrap());
    Node {
        mac: Mac::of("node", "eth0"),
        addresses: addresses.to_vec(),
        forwards: FORWARDS.iter().map(told).collect(),
    }
}

/// The only upstream of a destination, as metrics call it.
pub(crate) fn label(family: Family, forward: &str, destination: &str) -> String {
    let (_, _, destinations) = FORWARDS
        .iter()
        .find(|(port, ..)| name(*port) == forward)
        .unwrap();
    let sends = destinations[destination[1..].parse::<usize>().unwrap()];
    match sends.port {
        Some(port) => family.collector_at(sends.collector, port),
        None => family.collector(sends.collector),
    }
}
