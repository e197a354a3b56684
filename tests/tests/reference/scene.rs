//! The program on a node, and everything that watches it.

use std::collections::BTreeMap;

use udplb_tests::{
    agent::Agent,
    capture::{Capture, Frame},
    lab::{Lab, shapes},
    packet::Packet,
    reference::{Count, Outcome},
    rows::Family,
    scrape::{
        Metrics,
        growth::{self, Counts},
    },
    test_run::{TestRun, Verdict},
};

use crate::forwards::{FORWARDS, MTUS, document, label};

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
pub(crate) struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    program: TestRun,
    links: [Capture; 2],
    metrics: Metrics,
    _lab: Lab,
}

impl Scene {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn compare(&mut self, drawn: &[(Vec<u8>, Outcome)]) -> BTreeMap<String, usize> {
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
                found.frame == wanted.frame || found.verdict == Verdict::Drop,
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
