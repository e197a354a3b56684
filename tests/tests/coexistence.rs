//! Beside others that judge or move the same packets: a balancer on the same hook, a firewall that tracks connections,
//! strict reverse-path filters.
#![cfg(test)]

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    foreign::{Place, Program},
    lab::{Host, Lab, shapes},
    packet::{Ethernet, Udp, assert_same},
    traffic::{Flow, Pace, Receiver, Stream, send},
};

const MATCHED: &str = "udplb_matched_packets_total";

fn clone_to_first(ports: &str) -> String {
    let spec = format!(
        "
  match: {{ports: [{ports}]}}
  action: Clone
  destinations: [{{name: one, upstreams: [{{address: 10.0.2.2, port: 5514}}]}}]
"
    );
    forward("syslog", &spec)
}

fn datagram(port: u16) -> Udp {
    Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{port}"), b"hello")
}

fn frame(lab: &Lab, port: u16) -> Vec<u8> {
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    datagram(port).frame(&ethernet)
}

/// Another balancer that takes port 515 away to `collector2`, before or behind us; all else is nothing to it.
fn beside_a_balancer(place: Place, seen_by_us: u64) {
    let lab = shapes::two_collectors("beside-balancer");
    let node = lab.host("node");
    let _early = (place == Place::First).then(|| balancer(node, place));
    let config = clone_to_first("{port: 514}, {port: 515}");
    let agent = Agent::start(node, &config);
    let _late = (place == Place::Last).then(|| balancer(node, place));
    let (mut stack, mut ours, mut theirs) = (
        Capture::stack(node),
        Capture::link(lab.host("collector1"), "eth0"),
        Capture::link(lab.host("collector2"), "eth0"),
    );
    send(
        lab.host("sender"),
        "eth0",
        &[frame(&lab, 515), frame(&lab, 514)],
    );
    let taken = theirs.expect(1, |packet| packet.is_udp_to(515)).remove(0);
    assert_eq!(
        taken.packet.frame,
        frame(&lab, 515),
        "what the balancer took"
    );
    let kept = stack.expect(1, |packet| packet.is_udp_to(514)).remove(0);
    assert_same(
        "the original",
        &datagram(514).packet(),
        kept.packet.ip_packet(),
    );
    let copies = usize::try_from(seen_by_us).unwrap();
    assert_eq!(
        ours.expect(copies, |packet| packet.is_udp_to(5514)).len(),
        copies
    );
    assert_eq!(stack.arrived(|packet| packet.is_udp_to(515)), []);
    assert_eq!(agent.metrics().count(MATCHED, &[]), seen_by_us);
}

fn balancer(node: &Host, place: Place) -> Program {
    Program::redirect(node, "eth0", place, 515, "eth2")
}

#[test]
fn a_balancer_before_us_keeps_what_it_takes() {
    beside_a_balancer(Place::First, 1);
}

#[test]
fn a_balancer_behind_us_takes_the_original() {
    beside_a_balancer(Place::Last, 2);
}

/// Every original is a connection of its own to the node's firewall, which sees no copy; what it drops was copied before.
#[test]
fn connection_tracking_and_reverse_path_filters_see_originals_only() {
    const COUNT: u64 = 1_000;
    let lab = shapes::two_collectors("beside-firewall");
    let node = lab.host("node");
    for interface in ["all", "eth0", "eth1", "eth2"] {
        node.sysctl(&format!("ipv4/conf/{interface}/rp_filter"), "1");
    }
    for rule in [
        "add table inet wall",
        "add chain inet wall input { type filter hook input priority 0; }",
        "add chain inet wall output { type filter hook output priority 0; }",
        "add chain inet wall forward { type filter hook forward priority 0; }",
        "add counter inet wall taken",
        "add counter inet wall sent",
        "add rule inet wall input ct state invalid drop",
        "add rule inet wall input udp dport 514 ct state new,established counter name taken accept",
        "add rule inet wall input udp dport 515 drop",
        "add rule inet wall output udp dport 5514 counter name sent",
        "add rule inet wall forward udp dport 5514 counter name sent",
    ] {
        drop(node.run(&format!("nft '{rule}'")));
    }
    let agent = Agent::start(node, &clone_to_first("{port: 514}, {port: 515}"));
    let local = Receiver::start(&[(node, "10.0.1.1:514")]);
    let copies = Receiver::start(&[(lab.host("collector1"), "10.0.2.2:5514")]);
    let flows = Flow::many("10.0.1.2", "10.0.1.1:514", 16);
    let pace = Pace::Window(50, vec![local.progress(), copies.progress()]);
    let sent = Stream::send(lab.host("sender"), &flows, pace, COUNT);
    local.finish(&sent).assert_complete("the node");
    copies.finish(&sent).assert_complete("the collector");
    let counted = |name: &str| node.run(&format!("nft list counter inet wall {name}"));
    let wanted = format!("packets {COUNT} ");
    assert!(counted("taken").contains(&wanted), "{}", counted("taken"));
    assert!(
        counted("sent").contains("packets 0 "),
        "{}",
        counted("sent")
    );

    let mut link = Capture::link(lab.host("collector1"), "eth0");
    send(lab.host("sender"), "eth0", &[frame(&lab, 515)]);
    assert_eq!(link.expect(1, |packet| packet.is_udp_to(5514)).len(), 1);
    assert_eq!(agent.metrics().count(MATCHED, &[]), COUNT + 1);
}
