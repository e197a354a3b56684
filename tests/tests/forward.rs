//! Forward: upstreams get the packet, the node's stack does not. Packets of every kind are in `packets.rs`.

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::{Lab, shapes},
    packet::{Ethernet, Packet, Udp, assert_same},
    traffic::{Flow, Pace, Receiver, Stream, send},
};

const ENDS: [[&str; 2]; 2] = [
    ["10.0.1.2:1000", "10.0.1.1:514"],
    ["[2001:db8:1::2]:1000", "[2001:db8:1::1]:514"],
];

/// The last frame of each family: to a port that nobody listens on.
const LAST: u16 = 999;

fn frames(lab: &Lab, datagrams: &[Udp]) -> Vec<Vec<u8>> {
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let last = Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{LAST}"), b"last");
    datagrams
        .iter()
        .chain([&last])
        .map(|datagram| datagram.frame(&ethernet))
        .collect()
}

fn one_of_each() -> Vec<Udp> {
    ENDS.map(|[source, destination]| Udp::new(source, destination, b"forwarded"))
        .to_vec()
}

fn is_ours(packet: &Packet) -> bool {
    packet.is_udp_to(514)
}

fn is_last(packet: &Packet) -> bool {
    packet.is_udp_to(LAST)
}

#[test]
fn the_stack_sees_nothing_and_every_destination_a_copy() {
    let lab = shapes::two_collectors("forward");
    let agent = Agent::start(
        lab.host("node"),
        &forward(
            "move",
            "
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
  - {name: two, upstreams: [{address: 10.0.3.2, port: 6514}, {address: '2001:db8:3::2', port: 6514}]}
",
        ),
    );
    let (mut stack, mut hook) = (
        Capture::stack(lab.host("node")),
        Capture::hook(lab.host("node"), "eth0"),
    );
    let mut collectors =
        ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0"));
    send(lab.host("sender"), "eth0", &frames(&lab, &one_of_each()));
    assert_eq!(stack.until(is_ours, is_last), []);
    assert_eq!(hook.until(is_ours, is_last), []);
    let upstreams = [
        ["10.0.2.2:5514", "[2001:db8:2::2]:5514"],
        ["10.0.3.2:6514", "[2001:db8:3::2]:6514"],
    ];
    for (number, capture) in collectors.iter_mut().enumerate() {
        let port = [5514, 6514][number];
        let copies = capture.expect(2, |packet| packet.is_udp_to(port));
        for (family, (sent, copy)) in one_of_each().into_iter().zip(copies).enumerate() {
            let wanted = Udp {
                destination: upstreams[number][family].parse().unwrap(),
                ttl: 63,
                ..sent
            };
            assert_same("the copy", &wanted.packet(), copy.packet.ip_packet());
            copy.verify().unwrap();
        }
    }
    let metrics = agent.metrics();
    assert_eq!(metrics.count("udplb_matched_packets_total", &[]), 2);
    assert_eq!(metrics.count("udplb_sent_packets_total", &[]), 4);
}

#[test]
fn nothing_is_lost_at_full_rate() {
    let lab = shapes::two_collectors("forward-rate");
    let agent = Agent::start(
        lab.host("node"),
        &forward(
            "move",
            "
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
",
        ),
    );
    let collector = lab.host("collector1");
    let receiver = Receiver::start(&[
        (collector, "10.0.2.2:5514"),
        (collector, "[2001:db8:2::2]:5514"),
    ]);
    let mut flows = Flow::many("10.0.1.2", "10.0.1.1:514", 4);
    flows.extend(Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 4));
    let pace = Pace::Window(200, vec![receiver.progress()]);
    let sent = Stream::send(lab.host("sender"), &flows, pace, 100_000);
    let report = receiver.finish(&sent);
    report.assert_complete("the collector");
    assert!(report.sources_are_true());
    assert_eq!(
        agent.metrics().count("udplb_sent_packets_total", &[]),
        100_000
    );
}

#[test]
fn a_paused_forward_touches_nothing() {
    let lab = shapes::two_collectors("forward-paused");
    let active = forward(
        "move",
        "
  state: Active
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
",
    );
    let agent = Agent::start(lab.host("node"), &active.replace("Active", "Paused"));
    let (mut stack, mut copies) = (
        Capture::stack(lab.host("node")),
        Capture::link(lab.host("collector1"), "eth0"),
    );
    send(lab.host("sender"), "eth0", &frames(&lab, &one_of_each()));
    assert_eq!(stack.until(is_ours, is_last).len(), 2);
    assert_eq!(agent.metrics().count("udplb_matched_packets_total", &[]), 0);
    agent.reload(&active);
    send(lab.host("sender"), "eth0", &frames(&lab, &one_of_each()));
    assert_eq!(stack.until(is_ours, is_last), []);
    assert_eq!(copies.expect(2, |packet| packet.is_udp_to(5514)).len(), 2);
}
