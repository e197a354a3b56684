//! One node whose forwards differ by port, and what becomes of a datagram by rules written a second time.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Lab, shapes},
    packet::{Checksum, Ethernet, Packet, Udp, checksum, kinds},
    test_run::{Outcome, TestRun, Verdict},
    wait,
};

pub(crate) const SENDER: [&str; 2] = ["10.0.1.2", "[2001:db8:1::2]"];
pub(crate) const NODE: [&str; 2] = ["10.0.1.1", "[2001:db8:1::1]"];
const COLLECTORS: [[&str; 2]; 2] = [
    ["10.0.2.2", "[2001:db8:2::2]"],
    ["10.0.3.2", "[2001:db8:3::2]"],
];

/// Cloned to one destination.
pub(crate) const CLONE: u16 = 514;
/// Cloned to eight.
pub(crate) const CLONE_MANY: u16 = 518;
/// Forwarded to one.
pub(crate) const FORWARD: u16 = 2051;
/// Forwarded to eight.
pub(crate) const FORWARD_MANY: u16 = 2058;
/// Nobody listens.
pub(crate) const UNUSED: u16 = 9999;

/// The port that destination `number` of a forward sends to.
pub(crate) const fn target(port: u16, number: u16) -> u16 {
    port + 10_000 * (number % 5 + 1) + number
}

/// Which collector that destination sends to.
const fn collector(number: u16) -> usize {
    (number % 2) as usize
}

/// Whether that destination shows the node's address as the source.
const fn changes_source(number: u16) -> bool {
    number % 4 >= 2
}

/// How many destinations the forward on a port has.
pub(crate) const fn destinations(port: u16) -> u16 {
    match port {
        CLONE_MANY | FORWARD_MANY => 8,
        _ => 1,
    }
}

pub(crate) struct Scene {
    // Dropped in this order: the agent is asked once more for its metrics.
    pub(crate) program: TestRun,
    pub(crate) agent: Agent,
    pub(crate) lab: Lab,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        let lab = shapes::two_collectors(name);
        let config: String = [CLONE, CLONE_MANY, FORWARD, FORWARD_MANY]
            .into_iter()
            .map(document)
            .collect();
        let agent = Agent::start(lab.host("node"), &config);
        wait::until(Duration::from_secs(10), "reachable upstreams", || {
            let metrics = agent.metrics();
            let mut upstreams = metrics.matching("udplb_upstream_reachable", &[]).peekable();
            (upstreams.peek().is_some() && upstreams.all(|(_, value)| value > 0.5)).then_some(())
        });
        let program = TestRun::of(lab.host("node"), "eth0");
        Self {
            program,
            agent,
            lab,
        }
    }

    pub(crate) fn towards_node(&self) -> Ethernet {
        Ethernet::new(
            self.lab.host("sender").mac("eth0"),
            self.lab.host("node").mac("eth0"),
        )
    }

    pub(crate) fn frame(&self, datagram: &Udp) -> Vec<u8> {
        datagram.frame(&self.towards_node())
    }

    /// Fails unless the program lets every frame go as it is.
    pub(crate) fn assert_untouched(&self, frames: &[Vec<u8>]) {
        for (frame, outcome) in frames.iter().zip(self.program.run(frames)) {
            let wanted = Outcome {
                verdict: Verdict::Next,
                frame: frame.clone(),
            };
            assert_eq!(outcome, wanted, "{}", Packet::parse(frame));
        }
    }

    /// The frame that destination `number` of the datagram's port sends.
    pub(crate) fn copy(&self, sent: &Udp, number: u16) -> Vec<u8> {
        copied(sent, number).frame(&self.towards_collector(number))
    }

    /// The link header of what that destination sends.
    pub(crate) fn towards_collector(&self, number: u16) -> Ethernet {
        let collector = collector(number);
        Ethernet::new(
            self.lab.host("node").mac(["eth1", "eth2"][collector]),
            self.lab
                .host(["collector1", "collector2"][collector])
                .mac("eth0"),
        )
    }
}

/// The datagram that destination `number` of its port sends.
pub(crate) fn copied(sent: &Udp, number: u16) -> Udp {
    let family = usize::from(sent.source.is_ipv6());
    let port = sent.destination.port();
    let address = COLLECTORS[collector(number)][family];
    let mut copy = sent.clone();
    copy.destination = format!("{address}:{}", target(port, number))
        .parse()
        .unwrap();
    copy.ttl -= 1;
    if changes_source(number) {
        copy.source = SocketAddr::new(sent.destination.ip(), sent.source.port());
    }
    if let Checksum::Is(_) = sent.checksum {
        copy.checksum = checksum::as_wrong_as(sent, &copy);
    }
    copy
}

/// Whether that destination's copies of fragments have an identification of their own: for the source, or for the
/// destination of the same collector that comes before it.
pub(crate) const fn changes_identification(number: u16) -> bool {
    changes_source(number) || number >= 2
}
fn document(port: u16) -> String {
    let addresses = NODE
        .map(|address| format!("'{}'", address.trim_matches(['[', ']'])))
        .join(", ");
    let action = if port < 1000 { "Clone" } else { "Forward" };
    let mut spec = format!(
        "  match: {{addresses: [{addresses}], ports: [{{port: {port}}}]}}\n  action: {action}\n  destinations:\n"
    );
    for number in 0..destinations(port) {
        let upstreams = COLLECTORS[collector(number)].map(|address| {
            let address: IpAddr = address.trim_matches(['[', ']']).parse().unwrap();
            format!("{{address: '{address}', port: {}}}", target(port, number))
        });
        let source = if changes_source(number) {
            "Rewrite"
        } else {
            "Preserve"
        };
        writeln!(
            spec,
            "  - {{name: number{number}, sourceAddress: {source}, upstreams: [{}]}}",
            upstreams.join(", ")
        )
        .unwrap();
    }
    forward(&format!("port{port}"), &spec)
}

/// A plain datagram to a port of the node, IPv4 for family 0.
pub(crate) fn datagram(family: usize, port: u16) -> Udp {
    let (source, destination) = (SENDER[family], NODE[family]);
    Udp::new(
        &format!("{source}:1000"),
        &format!("{destination}:{port}"),
        b"<13>hello, world",
    )
}

/// Datagrams of every kind to a port of the node, in both families.
pub(crate) fn all_kinds(port: u16) -> Vec<(&'static str, Udp)> {
    let family = |family: usize| {
        let upstream = format!("{}:{}", COLLECTORS[0][family], target(port, 0));
        kinds(&datagram(family, port), upstream.parse().unwrap())
    };
    [family(0), family(1)].concat()
}
