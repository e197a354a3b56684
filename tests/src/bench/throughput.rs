//! Packets a second on one CPU, from one veth to another. IO.
//!
//! The kernel makes packets out of one frame and hands them to the node's `eth0` as its driver would
//! (`BPF_F_TEST_XDP_LIVE_FRAMES`), so that no sender's system calls are in the numbers. From there everything is as
//! always: tc, `eth2`, its peer at the collector. There, and behind the programs on the node, a program drops what
//! comes, so that no stack is measured. The kernel's own clock does not run while another process has the CPU.

use std::{collections::BTreeMap, io, os::fd::OwnedFd};

use super::{
    numbers::Sample,
    programs::{self, DROP},
    scene::{self, Forward, Scene, datagram},
};
use crate::{
    agent::Agent,
    lab::{Host, Lab},
    packet::Udp,
    sys::bpf::{
        self,
        run::{self, Arrival},
    },
    tracer::Tracer,
};

/// Packets of one measurement.
pub(super) const PACKETS: u32 = 10_000;
/// Measurements of each subject.
pub(super) const ROUNDS: usize = 90;

/// One line of the report.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Millions of packets a second.
    pub(super) rate: Sample,
    /// For our programs.
    pub(super) against: Option<Comparison>,
}

/// A rate over that of a bare program.
pub(super) struct Comparison {
    pub(super) name: &'static str,
    /// Of the fastest rounds.
    pub(super) fastest: f64,
    /// Of each round.
    pub(super) rounds: Sample,
}

const BARE_REDIRECT: &str = "bare redirect";
const BARE_CLONE: &str = "bare clone";
const FORWARD: &str = "Forward, IPv4";
const CLONE: &str = "Clone, IPv4";

/// What is measured.
struct Subject<'a> {
    name: &'static str,
    lab: &'a Lab,
    /// A program that is attached for the measurement only.
    bare: Option<OwnedFd>,
    /// Whose packets `trace` is asked about, in vain.
    traced: Option<&'a Agent>,
    /// Name of what it is compared with.
    against: Option<&'static str>,
    frame: Vec<u8>,
    /// The program that makes packets of it.
    source: OwnedFd,
    rates: Vec<f64>,
}

pub(super) fn measure(scene: &Scene, progress: fn(&str)) -> Vec<Row> {
    let _drops = [&scene.lab, &scene.bare].map(swallow);
    let mut subjects = subjects(scene);
    let count = subjects.len();
    for round in 0..ROUNDS {
        if round % (ROUNDS / 3) == 0 {
            progress(&format!("  round {round} of {ROUNDS}"));
        }
        // Each is first, second and so on equally often.
        for turn in 0..count {
            subjects[(round + turn) % count].round();
        }
    }
    let rates: BTreeMap<&str, Vec<f64>> = subjects
        .iter()
        .map(|subject| (subject.name, subject.rates.clone()))
        .collect();
    let row = |subject: Subject<'_>| {
        let ours = Sample::new(subject.rates.clone());
        let against = subject.against.map(|name| {
            let bare = &rates[name];
            let ratios = subject
                .rates
                .iter()
                .zip(bare)
                .map(|(ours, bare)| ours / bare);
            Comparison {
                name,
                fastest: ours.maximum() / Sample::new(bare.clone()).maximum(),
                rounds: Sample::new(ratios.collect()),
            }
        });
        Row {
            name: subject.name,
            rate: ours,
            against,
        }
    };
    subjects.into_iter().map(row).collect()
}

fn subjects(scene: &Scene) -> Vec<Subject<'_>> {
    let node = scene.bare.host("node");
    let egress = node.index("eth2");
    let subject = |name, lab, datagram: &Udp| {
        let frame = scene.frame(datagram);
        let source = programs::pass(&frame)
            .unwrap_or_else(|error| panic!("a program that makes packets: {error}"));
        Subject {
            name,
            lab,
            bare: None,
            traced: None,
            against: None,
            frame,
            source,
            rates: Vec::new(),
        }
    };
    let bare = |name, program: fn(u32) -> io::Result<OwnedFd>| {
        let program = program(egress).unwrap_or_else(|error| panic!("{name}: {error}"));
        Subject {
            bare: Some(program),
            ..subject(name, &scene.bare, &datagram(0, scene::UNUSED))
        }
    };
    let ours = |name, against, forward: Forward, family| Subject {
        against: Some(against),
        ..subject(name, &scene.lab, &datagram(family, forward.port))
    };
    // A filter that lets nothing through: what tracing costs those that are not traced.
    let in_vain = |name, against, forward| Subject {
        traced: Some(&scene.agent),
        ..ours(name, against, forward, 0)
    };
    vec![
        bare(BARE_REDIRECT, programs::redirect),
        ours(FORWARD, BARE_REDIRECT, scene::FORWARD, 0),
        ours("Forward, IPv6", BARE_REDIRECT, scene::FORWARD, 1),
        bare(BARE_CLONE, programs::clone),
        ours(CLONE, BARE_CLONE, scene::CLONE, 0),
        ours("Clone, IPv6", BARE_CLONE, scene::CLONE, 1),
        in_vain("Forward, IPv4, traced in vain", FORWARD, scene::FORWARD),
        in_vain("Clone, IPv4, traced in vain", CLONE, scene::CLONE),
    ]
}

/// Drops what is left of the packets, on the node behind every other program and at the collector.
fn swallow(lab: &Lab) -> [OwnedFd; 2] {
    [("node", false), ("collector2", true)].map(|(host, first)| {
        let host = lab.host(host);
        attach(host, &programs::verdict(DROP).unwrap(), first)
    })
}

fn attach(host: &Host, program: &OwnedFd, first: bool) -> OwnedFd {
    let interface = host.index("eth0");
    host.enter(|| bpf::attach_tcx_ingress(program, interface, first))
        .unwrap_or_else(|error| panic!("{}: a program on eth0: {error}", host.name()))
}

impl Subject<'_> {
    fn round(&mut self) {
        let node = self.lab.host("node");
        let _link = self
            .bare
            .as_ref()
            .map(|program| attach(node, program, true));
        let _tracer = self
            .traced
            .map(|agent| Tracer::start(node, agent, &["--source", "203.0.113.99"]));
        let arrival = Arrival {
            interface: node.index("eth0"),
            frame: &self.frame,
            repeat: PACKETS,
        };
        let before = sent(node);
        let nanoseconds = node
            .enter(|| run::receive(&self.source, arrival))
            .unwrap_or_else(|error| panic!("live frames: {error}"));
        let sent = sent(node) - before;
        assert!(
            (u64::from(PACKETS)..u64::from(PACKETS) + 10).contains(&sent),
            "{}: {sent} of {PACKETS} packets left the node",
            self.name
        );
        self.rates.push(1e3 / f64::from(nanoseconds));
    }
}

/// Packets that have left by `eth2` and were not refused.
fn sent(node: &Host) -> u64 {
    let text = node.ip("-json -statistics link show dev eth2");
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}
