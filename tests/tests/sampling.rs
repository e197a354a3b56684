//! Sampling on the wire: its share, flows as a whole, and the balance of what it leaves.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame},
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    traffic::{Numbers, send},
};

/// The port of the first destination's upstreams; the others follow.
const FIRST_PORT: u16 = 1001;

/// Upstreams of a destination.
const UPSTREAMS: u8 = 16;

/// Critical value of chi-square with 15 degrees of freedom at p = 0.001.
const CHI_SQUARE: f64 = 37.70;

/// Standard deviations within which a share must be: one of 1.7 million fair draws is not.
const DEVIATIONS: f64 = 5.0;

/// Clones port 514 to one destination for each of these options, all with the same upstreams at a port of its own.
fn config(options: &[&str]) -> String {
    let mut spec =
        "  match: {ports: [{port: 514}]}\n  action: Forward\n  destinations:\n".to_owned();
    for (port, options) in (FIRST_PORT..).zip(options) {
        let upstreams: Vec<String> = (2..2 + UPSTREAMS)
            .map(|number| format!("{{address: 10.0.2.{number}, port: {port}}}"))
            .collect();
        spec += &format!(
            "  - {{name: d{port}, {options}, upstreams: [{}]}}\n",
            upstreams.join(", ")
        );
    }
    forward("sampled", &spec)
}

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
    copies: Capture,
    options: usize,
}

impl Scene {
    fn new(name: &str, options: &[&str]) -> Self {
        let lab = shapes::on_switch(name, UPSTREAMS);
        // The last destination takes everything: when it has all, the others have theirs.
        let options = [options, &["sampling: {oneIn: 1, per: Packet}"]].concat();
        let agent = Agent::start(lab.host("node"), &config(&options));
        let copies = Capture::link(lab.host("collector1"), "eth0");
        Self {
            agent,
            lab,
            copies,
            options: options.len(),
        }
    }

    /// Sends a datagram from each source and returns the copies of each destination but the last one.
    fn copies(&mut self, sources: &[SocketAddr]) -> Vec<Vec<Frame>> {
        let ethernet = Ethernet::new(
            self.lab.host("sender").mac("eth0"),
            self.lab.host("node").mac("eth0"),
        );
        let frame = |source: &SocketAddr| {
            Udp {
                source: *source,
                ..Udp::new("10.0.1.2:1", "10.0.1.1:514", b"sampled")
            }
            .frame(&ethernet)
        };
        let ports = FIRST_PORT..FIRST_PORT + u16::try_from(self.options).unwrap();
        let mut copies = vec![Vec::new(); self.options];
        // In parts, so that no queue on the way overflows.
        for part in sources.chunks(10_000) {
            send(
                self.lab.host("sender"),
                "eth0",
                &part.iter().map(frame).collect::<Vec<_>>(),
            );
            let mut whole = 0;
            while whole < part.len() {
                let copy = self
                    .copies
                    .expect(1, |packet| ports.clone().any(|port| packet.is_udp_to(port)))
                    .remove(0);
                let number = usize::from(copy.packet.destination().port() - FIRST_PORT);
                whole += usize::from(number + 1 == self.options);
                copies[number].push(copy);
            }
        }
        let _whole = copies.pop();
        copies
    }

    /// Fails unless what was left out is counted.
    fn check_counts(&self, sent: usize, copies: &[Vec<Frame>]) {
        let metrics = self.agent.metrics();
        for (port, copies) in (FIRST_PORT..).zip(copies) {
            let destination = format!("d{port}");
            let labels = [("destination", &destination[..])];
            let left_out = metrics.count("udplb_sampled_out_packets_total", &labels);
            assert_eq!(
                left_out,
                u64::try_from(sent - copies.len()).unwrap(),
                "{destination}"
            );
        }
    }
}

fn random_flows(count: usize, seed: u64) -> Vec<SocketAddr> {
    let mut numbers = Numbers::new(seed);
    let mut flow = || {
        let number = numbers.next();
        let address = Ipv4Addr::from(0x0a80_0000 | u32::try_from(number >> 41).unwrap());
        SocketAddr::new(
            address.into(),
            1024 | u16::try_from(number & 0xffff).unwrap(),
        )
    };
    let distinct: BTreeSet<SocketAddr> = (0..count).map(|_| flow()).collect();
    distinct.into_iter().collect()
}

/// Fails unless `found` of `all` is what one in `one_in` gives.
#[expect(clippy::cast_precision_loss, reason = "counts of packets")]
fn assert_share(what: &str, found: usize, all: usize, one_in: u32) {
    let (found, all) = (found as f64, all as f64);
    let share = 1.0 / f64::from(one_in);
    let deviation = (all * share * (1.0 - share)).sqrt();
    let off = (found - all * share) / deviation;
    println!("{what}, one in {one_in}: {found} of {all}, {off:+.2} standard deviations");
    assert!(
        off.abs() <= DEVIATIONS,
        "{what}, one in {one_in}: {found} of {all}"
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets")]
fn chi_square(copies: &[Frame]) -> f64 {
    let mut shares: BTreeMap<IpAddr, u32> = BTreeMap::new();
    for copy in copies {
        *shares.entry(copy.packet.destination().ip()).or_default() += 1;
    }
    let mean = copies.len() as f64 / f64::from(UPSTREAMS);
    let missing = f64::from(UPSTREAMS) - shares.len() as f64;
    let came = shares
        .values()
        .map(|share| (f64::from(*share) - mean).powi(2) / mean);
    came.sum::<f64>() + missing * mean
}

#[test]
fn packets_are_sampled_one_by_one() {
    const PACKETS: usize = 50_000;
    let one_in = [2, 10, 100];
    let options = one_in.map(|one_in| format!("sampling: {{oneIn: {one_in}, per: Packet}}"));
    let mut scene = Scene::new(
        "sampling-packets",
        &options.each_ref().map(|options| &options[..]),
    );
    // One flow: no hash of it can play a part.
    let source = "10.0.1.2:1000".parse().unwrap();
    let copies = scene.copies(&vec![source; PACKETS]);
    for (one_in, copies) in one_in.into_iter().zip(&copies) {
        assert_share("packets", copies.len(), PACKETS, one_in);
    }
    scene.check_counts(PACKETS, &copies);
}

#[test]
fn flows_are_sampled_as_a_whole() {
    const ROUNDS: usize = 3;
    let one_in = [2, 10, 100];
    let options = one_in.map(|one_in| format!("sampling: {{oneIn: {one_in}, per: Flow}}"));
    let mut scene = Scene::new(
        "sampling-flows",
        &options.each_ref().map(|options| &options[..]),
    );
    let flows = random_flows(10_000, 5);
    let copies = scene.copies(&flows.repeat(ROUNDS));
    for (one_in, copies) in one_in.into_iter().zip(&copies) {
        let mut sampled: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for copy in copies {
            *sampled.entry(copy.packet.source()).or_default() += 1;
        }
        assert!(
            sampled.values().all(|packets| *packets == ROUNDS),
            "one in {one_in}: a flow was sampled in part"
        );
        assert_share("flows", sampled.len(), flows.len(), one_in);
    }
    scene.check_counts(flows.len() * ROUNDS, &copies);
}

/// What is sampled by flow and what is balanced by flow are hashes of the same fields: they must not be the same hash.
#[test]
fn sampling_does_not_thin_out_some_upstreams() {
    let strategies = ["SourceIP", "SourcePort", "SourceIPPort", "FiveTuple"];
    let options = strategies
        .map(|strategy| format!("strategy: {strategy}, sampling: {{oneIn: 16, per: Flow}}"));
    let options = options.each_ref().map(|options| &options[..]);
    let mut scene = Scene::new("sampling-balance", &options);
    let flows = random_flows(30_000, 6);
    let copies = scene.copies(&flows);
    for (strategy, copies) in strategies.iter().zip(&copies) {
        let value = chi_square(copies);
        println!(
            "{strategy}: {} sampled, chi-square {value:.1}",
            copies.len()
        );
        assert!(value < CHI_SQUARE, "{strategy}: chi-square {value:.1}");
    }
    scene.check_counts(flows.len(), &copies);
}
