//! The hosts that are measured: a node with the agent's program, and one like it for bare programs. IO.

use std::{fmt::Write as _, time::Duration};

use crate::{
    agent::Agent,
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    test_run::{TestRun, Verdict},
    wait,
};

/// Nobody listens.
pub(super) const UNUSED: u16 = 9999;
/// The destination port of the reference program's frames.
pub(super) const REFERENCE_PORT: u16 = UNUSED;

/// A forward: its port is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) port: u16,
    clones: bool,
    destinations: u8,
    /// Its collector, 1 or 2.
    collector: u8,
}

const fn forward_of(port: u16, clones: bool, destinations: u8, collector: u8) -> Forward {
    Forward {
        port,
        clones,
        destinations,
        collector,
    }
}

// Whose interface is gone when time is measured.
pub(super) const CLONE_ONE: Forward = forward_of(514, true, 1, 1);
pub(super) const CLONE_EIGHT: Forward = forward_of(518, true, 8, 1);
pub(super) const FORWARD_ONE: Forward = forward_of(2051, false, 1, 1);
pub(super) const FORWARD_TWO: Forward = forward_of(2052, false, 2, 1);
pub(super) const FORWARD_EIGHT: Forward = forward_of(2058, false, 8, 1);
// Whose packets arrive.
pub(super) const CLONE: Forward = forward_of(3514, true, 1, 2);
pub(super) const FORWARD: Forward = forward_of(3051, false, 1, 2);

const ALL: [Forward; 7] = [
    CLONE_ONE,
    CLONE_EIGHT,
    FORWARD_ONE,
    FORWARD_TWO,
    FORWARD_EIGHT,
    CLONE,
    FORWARD,
];

/// Upstreams of each destination in each family; from two on there is a balance table.
const UPSTREAMS: u16 = 4;

pub(super) struct Scene {
    /// Does not run any more; its program does.
    pub(super) agent: Agent,
    pub(super) program: TestRun,
    /// With the agent's program on the node.
    pub(super) lab: Lab,
    /// Without.
    pub(super) bare: Lab,
}

impl Scene {
    pub(super) fn new() -> Self {
        let lab = shapes::two_collectors("bench");
        let bare = shapes::two_collectors("bench-bare");
        let config: String = ALL.into_iter().map(document).collect();
        let agent = Agent::start(lab.host("node"), &config);
        wait::until(Duration::from_secs(10), "reachable upstreams", || {
            let metrics = agent.metrics();
            let mut upstreams = metrics.matching("udplb_upstream_reachable", &[]).peekable();
            (upstreams.peek().is_some() && upstreams.all(|(_, value)| value > 0.5)).then_some(())
        });
        let program = TestRun::of(lab.host("node"), "eth0");
        let mut scene = Self {
            agent,
            program,
            lab,
            bare,
        };
        scene.check_matches();
        scene.agent.kill();
        scene
    }

    /// Takes away the interface to the first collector, so that copies go nowhere.
    pub(super) fn remove_egress(&self) {
        drop(self.lab.host("node").ip("link delete eth1"));
    }

    /// The frame of a datagram to the node of either lab; their hosts have the same addresses.
    pub(super) fn frame(&self, datagram: &Udp) -> Vec<u8> {
        datagram.frame(&self.towards_node())
    }

    pub(super) fn towards_node(&self) -> Ethernet {
        Ethernet::new(
            self.lab.host("sender").mac("eth0"),
            self.lab.host("node").mac("eth0"),
        )
    }

    /// Fails unless every forward does what is measured later: send to all of its destinations.
    fn check_matches(&self) {
        let mut sent = 0;
        for forward in ALL {
            for family in [0, 1] {
                let frame = self.frame(&datagram(family, forward.port));
                let outcome = &self.program.run(&[frame])[0];
                let wanted = if forward.clones {
                    Verdict::Next
                } else {
                    Verdict::Redirect
                };
                assert_eq!(outcome.verdict, wanted, "port {}", forward.port);
                sent += u64::from(forward.destinations);
            }
        }
        let metrics = self.agent.metrics();
        assert_eq!(metrics.count("udplb_sent_packets_total", &[]), sent);
    }
}

/// A datagram to a port of the node, IPv4 for family 0; with IPv4, the frame has 64 bytes.
pub(super) fn datagram(family: usize, port: u16) -> Udp {
    let source = ["10.0.1.2:1000", "[2001:db8:1::2]:1000"][family];
    let node = ["10.0.1.1", "[2001:db8:1::1]"][family];
    Udp::new(source, &format!("{node}:{port}"), &[0x55; 22])
}

fn document(forward: Forward) -> String {
    let action = if forward.clones { "Clone" } else { "Forward" };
    let (port, collector) = (forward.port, forward.collector + 1);
    let mut spec =
        format!("  match: {{ports: [{{port: {port}}}]}}\n  action: {action}\n  destinations:\n");
    for number in 0..forward.destinations {
        let upstreams: Vec<String> = (0..UPSTREAMS)
            .flat_map(|upstream| {
                let port = 20_000 + upstream;
                [
                    format!("{{address: 10.0.{collector}.2, port: {port}}}"),
                    format!("{{address: '2001:db8:{collector}::2', port: {port}}}"),
                ]
            })
            .collect();
        let upstreams = upstreams.join(", ");
        writeln!(
            spec,
            "  - {{name: number{number}, upstreams: [{upstreams}]}}"
        )
        .unwrap();
    }
    crate::agent::forward(&format!("port{port}"), &spec)
}
