//! The program and a reference that shares nothing with it agree on random frames, whole and damaged: verdict, bytes,
//! copies and counters.
//!
//! `UDPLB_REFERENCE_FRAMES` says how many frames, 20,000 unless it is set; `make reference` takes ten million.
#![cfg(test)]

use std::{collections::BTreeMap, net::IpAddr};

use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame},
    lab::{Lab, Mac, shapes},
    packet::{Ethernet, Packet, Udp, damage, kinds, nonsense},
    reference::{Count, Destination, Forward, Node, Outcome, Upstream},
    rows::Family,
    scrape::{
        Metrics,
        growth::{self, Counts},
    },
    test_run::TestRun,
    traffic::Numbers,
};

const DEFAULT: usize = 20_000;
const BATCH: usize = 1_000;
const SEED: u64 = 0x5eed_0f0f_5eed;

/// What the links to the collectors carry, bytes of an IP packet. IPv6 wants no less than 1,280.
const MTUS: [usize; 2] = [1_500, 1_300];

const ETHERNET: usize = 14;

/// Where a destination sends and how.
#[derive(Clone, Copy)]
struct Sends {
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
const FORWARDS: [(u16, &str, &[Sends]); 7] = [
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

fn document((port, action, destinations): &(u16, &str, &[Sends])) -> String {
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

fn node() -> Node {
    let addresses: [IpAddr; 2] =
        [Family::V4, Family::V6].map(|family| family.node().parse().unwrap());
    Node {
        mac: Mac::of("node", "eth0"),
        addresses: addresses.to_vec(),
        forwards: FORWARDS.iter().map(told).collect(),
    }
}

fn lab() -> Lab {
    let lab = shapes::two_collectors("reference");
    for (host, interface) in [("node", "eth2"), ("collector2", "eth0")] {
        drop(
            lab.host(host)
                .ip(&format!("link set {interface} mtu {}", MTUS[1])),
        );
    }
    lab
}

/// What random frames start from: of every kind, to every port and one that nobody listens on.
fn whole_frames() -> Vec<Vec<u8>> {
    let link = Ethernet::new(Mac::of("sender", "eth0"), Mac::of("node", "eth0"));
    let ports = FORWARDS.iter().map(|(port, ..)| *port).chain([9]);
    let kinds = |port: u16| {
        [Family::V4, Family::V6].map(|family| {
            let upstream = family.collector_at(1, 5100).parse().unwrap();
            kinds(&family.datagram(port), upstream)
        })
    };
    let frame = |(_, datagram): (&str, Udp)| datagram.frame(&link);
    ports.flat_map(kinds).flatten().map(frame).collect()
}

/// A frame that the reference judges, with its judgement.
fn draw(numbers: &mut Numbers, whole: &[Vec<u8>], node: &Node) -> (Vec<u8>, Outcome) {
    loop {
        let mut frame = whole[numbers.below(whole.len())].clone();
        match numbers.below(8) {
            0 => frame = nonsense(numbers, &frame[..frame.len().min(58)]),
            1 | 2 => {}
            _ => damage(numbers, &mut frame),
        }
        if let Some(outcome) = node.judge(&frame).filter(fits) {
            return (frame, outcome);
        }
    }
}

/// Whether links carry all copies: with bytes behind the packet, a frame may be longer than its packet may be.
fn fits(outcome: &Outcome) -> bool {
    let mut copies = outcome.copies.iter();
    copies.all(|(link, copy)| copy.len() <= ETHERNET + MTUS[*link])
}

/// A copy, and not what the node's own stack says to its neighbours.
fn is_copy(packet: &Packet) -> bool {
    const ICMP_V6: u8 = 58;
    let own = match packet.ether_type {
        0x86dd => {
            packet.frame[20] == ICMP_V6 || packet.frame[20] == 0 && packet.frame[54] == ICMP_V6
        }
        0x0800 => false,
        _ => true,
    };
    !own
}

fn add(counts: &mut Counts, count: &Count, upstream: impl Fn(&str, &str) -> String) {
    let grown = match count {
        Count::Malformed => vec![(
            growth::name("interface_unmatched_packets", &["eth0", "malformed"]),
            1,
        )],
        Count::Matched(forward, bytes) => vec![
            (growth::name("matched_packets", &[forward]), 1),
            (growth::name("matched_bytes", &[forward]), *bytes),
        ],
        Count::Sent(forward, destination, bytes) => {
            let labels = [&forward[..], destination, &upstream(forward, destination)];
            vec![
                (growth::name("sent_packets", &labels), 1),
                (growth::name("sent_bytes", &labels), *bytes),
            ]
        }
        Count::Dropped(forward, destination, reason) => vec![(
            growth::name("dropped_packets", &[forward, destination, reason]),
            1,
        )],
        Count::Passed(forward, destination) => {
            vec![(growth::name("passed_packets", &[forward, destination]), 1)]
        }
    };
    for (name, grown) in grown {
        *counts.entry(name).or_default() += u64::try_from(grown).unwrap();
    }
}

/// Everything that watches.
struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    program: TestRun,
    links: [Capture; 2],
    metrics: Metrics,
    _lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = lab();
        let config: String = FORWARDS.iter().map(document).collect();
        let agent = Agent::start(lab.host("node"), &config);
        Self {
            program: TestRun::of(lab.host("node"), "eth0"),
            links: ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0")),
            metrics: agent.metrics(),
            agent,
            _lab: lab,
        }
    }

    /// Runs frames and compares everything; returns how many the kernel's test-run took, by verdict.
    fn compare(&mut self, drawn: &[(Vec<u8>, Outcome)]) -> BTreeMap<String, usize> {
        let frames: Vec<Vec<u8>> = drawn.iter().map(|(frame, _)| frame.clone()).collect();
        let (mut verdicts, mut counts) = (BTreeMap::new(), Counts::new());
        let mut copies: [Vec<&Vec<u8>>; 2] = Default::default();
        for ((frame, wanted), found) in drawn.iter().zip(self.program.try_run(&frames)) {
            let Some(found) = found else { continue };
            assert_eq!(
                found.verdict,
                wanted.verdict,
                "{}: {frame:02x?}",
                Packet::parse(frame)
            );
            assert!(
                found.frame == wanted.frame
                    || found.verdict == udplb_tests::test_run::Verdict::Drop,
                "{}\n  came  {frame:02x?}\n  wanted {:02x?}\n  found {:02x?}",
                Packet::parse(frame),
                wanted.frame,
                found.frame
            );
            *verdicts.entry(format!("{:?}", found.verdict)).or_default() += 1;
            for (link, copy) in &wanted.copies {
                copies[*link].push(copy);
            }
            let family = if frame[12] == 8 {
                Family::V4
            } else {
                Family::V6
            };
            for count in &wanted.counts {
                add(&mut counts, count, |forward, destination| {
                    label(family, forward, destination)
                });
            }
        }
        for (capture, copies) in self.links.iter_mut().zip(&copies) {
            let found: Vec<Frame> = capture.expect(copies.len(), is_copy);
            for (wanted, found) in copies.iter().zip(found) {
                assert_eq!(**wanted, found.packet.frame, "a copy");
            }
        }
        let before = std::mem::replace(&mut self.metrics, self.agent.metrics());
        let grown = growth::grown(&before, &self.metrics).unwrap();
        assert_eq!(growth::differences(&counts, &grown), [""; 0]);
        verdicts
    }
}

/// The only upstream of a destination, as metrics call it.
fn label(family: Family, forward: &str, destination: &str) -> String {
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

#[test]
fn the_program_and_the_reference_agree() {
    let count = std::env::var("UDPLB_REFERENCE_FRAMES").map_or(DEFAULT, |count| {
        count.parse().expect("UDPLB_REFERENCE_FRAMES is a number")
    });
    let (mut scene, node, whole) = (Scene::new(), node(), whole_frames());
    let mut numbers = Numbers::new(SEED);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..count.div_ceil(BATCH) {
        let drawn: Vec<(Vec<u8>, Outcome)> = (0..BATCH)
            .map(|_| draw(&mut numbers, &whole, &node))
            .collect();
        for (verdict, count) in scene.compare(&drawn) {
            *verdicts.entry(verdict).or_default() += count;
        }
    }
    println!("{verdicts:?}");
    // Every way was walked.
    for verdict in ["Next", "Drop", "Redirect"] {
        assert!(
            verdicts
                .get(verdict)
                .is_some_and(|found| *found > count / 100),
            "{verdicts:?}"
        );
    }
}
