//! Traffic through a node while something happens to its agent: nothing may be lost or doubled, and both copies of a
//! datagram must be of one version of their forward. IO.

use std::ops::Range;

use crate::{
    agent::{Agent, forward},
    lab::{Lab, shapes},
    traffic::{Flow, Pace, Progress, Receiver, Report, Sent, Stream},
};

/// Datagrams on their way to the slowest receiver, at most.
pub const WINDOW: u64 = 100;

/// Versions differ in the upstreams' ports, of which there are so many.
pub const VERSIONS: u16 = 8;

/// Flows through each forward, half of them IPv6.
pub const FLOWS: usize = 4;

/// Version `number` of a forward: what it matches and where both destinations send to.
pub fn config(number: u16) -> String {
    let matched = if number.is_multiple_of(2) {
        "{ports: [{port: 514}]}"
    } else {
        "{ports: [{port: 514}, {port: 600, endPort: 699}], addresses: ['10.0.1.1', '2001:db8:1::/64']}"
    };
    let (one, two) = (6000 + number % VERSIONS, 7000 + number % VERSIONS);
    let moving = format!(
        "
  match: {matched}
  action: Clone
  destinations:
  - {{name: one, upstreams: [{{address: 10.0.2.2, port: {one}}}, {{address: '2001:db8:2::2', port: {one}}}]}}
  - {{name: two, upstreams: [{{address: 10.0.3.2, port: {two}}}, {{address: '2001:db8:3::2', port: {two}}}]}}
"
    );
    forward("moving", &moving) + &forward("steady", STEADY)
}

/// A forward that no version touches.
const STEADY: &str = "
  match: {ports: [{port: 515}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5515}, {address: '2001:db8:2::2', port: 5515}]}
";

/// Traffic through both forwards and everybody who receives it.
pub struct Scene {
    /// The node's.
    // Dropped first: it has a last word in the lab.
    pub agent: Agent,
    /// [`shapes::two_collectors`].
    pub lab: Lab,
    /// What the forward of the versions clones.
    pub moving: Stream,
    /// What the other forward takes.
    pub steady: Stream,
    local: Receiver,
    /// Sockets in the order of versions, two families each.
    copies: [Receiver; 2],
    forwarded: Receiver,
}

/// What came of the traffic.
pub struct Outcome {
    /// What was sent to the forward of the versions.
    pub moving: Sent,
    /// What came of it at each destination.
    pub copies: [Report; 2],
}

impl Scene {
    /// Traffic through an agent with this configuration: one that [`config`] made, and maybe more.
    pub fn new(name: &str, config: &str) -> Self {
        let lab = shapes::two_collectors(name);
        let agent = Agent::start(lab.host("node"), config);
        Self::around(lab, agent)
    }

    /// The same around an agent that runs.
    pub fn around(lab: Lab, agent: Agent) -> Self {
        Self::build(lab, agent, Pace::Window)
    }

    /// The same, but not faster than so many datagrams a second and forward: for what takes long, and breaks what it
    /// breaks for long.
    pub fn gently(lab: Lab, agent: Agent, rate: u32) -> Self {
        Self::build(lab, agent, |window, receivers| {
            Pace::Gentle(rate, window, receivers)
        })
    }

    fn build(lab: Lab, agent: Agent, paced: impl Fn(u64, Vec<Progress>) -> Pace) -> Self {
        let at = |host: &str, addresses: [&str; 2], ports: Range<u16>| {
            let place = |port: u16| addresses.map(|address| format!("{address}:{port}"));
            let places: Vec<String> = ports.flat_map(place).collect();
            let places: Vec<_> = places
                .iter()
                .map(|place| (lab.host(host), &place[..]))
                .collect();
            Receiver::start(&places)
        };
        let local = at("node", ["10.0.1.1", "[2001:db8:1::1]"], 514..515);
        let first = ["10.0.2.2", "[2001:db8:2::2]"];
        let copies = [
            at("collector1", first, 6000..6000 + VERSIONS),
            at(
                "collector2",
                ["10.0.3.2", "[2001:db8:3::2]"],
                7000..7000 + VERSIONS,
            ),
        ];
        let forwarded = at("collector1", first, 5515..5516);
        let flows = |port: u16| {
            let mut flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{port}"), FLOWS / 2);
            flows.extend(Flow::many(
                "2001:db8:1::2",
                &format!("[2001:db8:1::1]:{port}"),
                FLOWS / 2,
            ));
            flows
        };
        let all = paced(
            WINDOW,
            [&local, &copies[0], &copies[1]]
                .map(Receiver::progress)
                .to_vec(),
        );
        let moving = Stream::start(lab.host("sender"), &flows(514), all);
        let its = paced(WINDOW, vec![forwarded.progress()]);
        let steady = Stream::start(lab.host("sender"), &flows(515), its);
        Self {
            agent,
            lab,
            moving,
            steady,
            local,
            copies,
            forwarded,
        }
    }

    /// Ends the traffic; nothing may be missing anywhere.
    pub fn finish(self) -> Outcome {
        let (moving, steady) = (self.moving.stop(), self.steady.stop());
        let local = self.local.finish(&moving);
        let copies = self.copies.map(|receiver| receiver.finish(&moving));
        let forwarded = self.forwarded.finish(&steady);
        println!(
            "local: {local}\none: {}\ntwo: {}\nsteady: {forwarded}",
            copies[0], copies[1]
        );
        for (who, report) in [
            ("the node", &local),
            ("one", &copies[0]),
            ("two", &copies[1]),
            ("steady", &forwarded),
        ] {
            report.assert_complete(who);
        }
        drop(self.agent);
        drop(self.lab);
        Outcome { moving, copies }
    }
}

/// The version that handled a datagram, by the socket that its copy came to.
pub fn version(report: &Report, flow: usize, number: usize) -> u16 {
    u16::from(report.places[flow][number].unwrap()) / 2
}

impl Outcome {
    /// Fails unless both copies of every datagram were handled by one version.
    pub fn assert_unmixed(&self) {
        for flow in 0..FLOWS {
            for number in 0..self.copies[0].places[flow].len() {
                let versions = self
                    .copies
                    .each_ref()
                    .map(|report| version(report, flow, number));
                assert_eq!(
                    versions[0], versions[1],
                    "datagram {number} of flow {flow} was handled half by each version"
                );
            }
        }
    }
}
