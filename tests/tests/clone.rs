//! Clone: the original is untouched, the copies are right. Packets of every kind are in `packets.rs`.

use std::net::SocketAddr;

use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame},
    lab::{Lab, shapes},
    packet::{Ethernet, Udp, assert_same},
    traffic::send,
};

const SENDER: [&str; 2] = ["10.0.1.2", "[2001:db8:1::2]"];
const NODE: [&str; 2] = ["10.0.1.1", "[2001:db8:1::1]"];
const COLLECTOR1: [&str; 2] = ["10.0.2.2", "[2001:db8:2::2]"];
const COLLECTOR2: [&str; 2] = ["10.0.3.2", "[2001:db8:3::2]"];

/// `kept` shows the sender's address, `changed` the node's.
fn two_destinations() -> String {
    forward(
        "syslog",
        "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - name: kept
    upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]
  - name: changed
    sourceAddress: Rewrite
    upstreams: [{address: 10.0.3.2, port: 6514}, {address: '2001:db8:3::2', port: 6514}]
",
    )
}

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
    stack: Capture,
    collectors: [Capture; 2],
}

impl Scene {
    fn new(name: &str) -> Self {
        let lab = shapes::two_collectors(name);
        let agent = Agent::start(lab.host("node"), &two_destinations());
        let stack = Capture::stack(lab.host("node"));
        let collectors =
            ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0"));
        Self {
            agent,
            lab,
            stack,
            collectors,
        }
    }

    fn towards_node(&self) -> Ethernet {
        Ethernet::new(
            self.lab.host("sender").mac("eth0"),
            self.lab.host("node").mac("eth0"),
        )
    }

    /// What came of `count` datagrams: originals, and copies by destination.
    fn outcome(&mut self, count: usize) -> [Vec<Frame>; 3] {
        let [first, second] = &mut self.collectors;
        [
            self.stack.expect(count, |packet| packet.is_udp_to(514)),
            first.expect(count, |packet| packet.is_udp_to(5514)),
            second.expect(count, |packet| packet.is_udp_to(6514)),
        ]
    }
}

/// Checks the copies of one datagram, byte for byte.
fn check_copies(sent: &Udp, copies: [&Frame; 2]) {
    let family = usize::from(sent.source.is_ipv6());
    let upstreams = [(COLLECTOR1[family], 5514), (COLLECTOR2[family], 6514)];
    let sources = [
        sent.source,
        SocketAddr::new(sent.destination.ip(), sent.source.port()),
    ];
    for (number, copy) in copies.into_iter().enumerate() {
        let (address, port) = upstreams[number];
        let wanted = Udp {
            source: sources[number],
            destination: format!("{address}:{port}").parse().unwrap(),
            ttl: sent.ttl - 1,
            ..sent.clone()
        };
        assert_same("the copy", &wanted.packet(), copy.packet.ip_packet());
    }
}

#[test]
fn ten_thousand_datagrams_give_ten_thousand_originals_and_copies() {
    const COUNT: u32 = 10_000;
    let mut scene = Scene::new("clone-many");
    let datagram = |number: u32| {
        let number = u16::try_from(number).unwrap();
        let family = usize::from(number % 2);
        let length = usize::from(number % 1400);
        Udp {
            identification: number,
            payload: number
                .to_be_bytes()
                .into_iter()
                .cycle()
                .take(length)
                .collect(),
            ..Udp::new(
                &format!("{}:{}", SENDER[family], 1024 + number),
                &format!("{}:514", NODE[family]),
                &[],
            )
        }
    };
    let sent: Vec<Udp> = (0..COUNT).map(datagram).collect();
    let frames: Vec<Vec<u8>> = sent
        .iter()
        .map(|datagram| datagram.frame(&scene.towards_node()))
        .collect();
    send(scene.lab.host("sender"), "eth0", &frames);
    let [originals, first, second] = scene.outcome(sent.len());
    for (number, sent) in sent.iter().enumerate() {
        assert_same(
            "the original",
            &sent.packet(),
            originals[number].packet.ip_packet(),
        );
        check_copies(sent, [&first[number], &second[number]]);
    }
    let metrics = scene.agent.metrics();
    let bytes: usize = sent.iter().map(|datagram| datagram.packet().len()).sum();
    assert_eq!(
        metrics.count("udplb_matched_packets_total", &[("forward", "syslog")]),
        u64::from(COUNT)
    );
    assert_eq!(
        metrics.count("udplb_matched_bytes_total", &[("forward", "syslog")]),
        u64::try_from(bytes).unwrap()
    );
    for destination in ["kept", "changed"] {
        let at = [("forward", "syslog"), ("destination", destination)];
        assert_eq!(
            metrics.count("udplb_sent_packets_total", &at),
            u64::from(COUNT)
        );
        assert_eq!(
            metrics.count("udplb_sent_bytes_total", &at),
            u64::try_from(bytes).unwrap()
        );
    }
}

/// What cannot be copied is counted with its reason, and the original goes on.
#[test]
fn a_copy_that_cannot_be_sent_is_counted() {
    let mut scene = Scene::new("clone-drops");
    drop(scene.lab.host("node").ip("link set eth2 mtu 1400"));
    let plain = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello");
    let reason = |scene: &Scene, destination: &str, reason: &str| {
        let labels = [("destination", destination), ("reason", reason)];
        scene
            .agent
            .metrics()
            .count("udplb_dropped_packets_total", &labels)
    };
    let spent = Udp {
        ttl: 1,
        ..plain.clone()
    };
    let large = Udp {
        payload: vec![7; 1472],
        ..plain
    };
    // The agent hears of the MTU by an event: wait until it counts.
    udplb_tests::wait::until(
        std::time::Duration::from_secs(5),
        "the smaller MTU to count",
        || {
            send(
                scene.lab.host("sender"),
                "eth0",
                &[large.frame(&scene.towards_node())],
            );
            let original = scene
                .stack
                .expect(1, |packet| packet.is_udp_to(514))
                .remove(0);
            assert_same("the original", &large.packet(), original.packet.ip_packet());
            (reason(&scene, "changed", "mtu_exceeded") > 0).then_some(())
        },
    );
    assert_eq!(reason(&scene, "kept", "mtu_exceeded"), 0);
    send(
        scene.lab.host("sender"),
        "eth0",
        &[spent.frame(&scene.towards_node())],
    );
    let original = scene
        .stack
        .expect(1, |packet| packet.is_udp_to(514))
        .remove(0);
    assert_same("the original", &spent.packet(), original.packet.ip_packet());
    assert_eq!(reason(&scene, "kept", "ttl_expired"), 1);
    assert_eq!(reason(&scene, "changed", "ttl_expired"), 1);
}
