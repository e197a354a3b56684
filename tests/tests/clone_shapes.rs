//! Clone where the network or the forward is of another shape.

use std::net::{IpAddr, SocketAddr};

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::shapes,
    packet::{Ethernet, Udp, assert_same},
    traffic::send,
};

const SENDER: [&str; 2] = ["10.0.1.2", "[2001:db8:1::2]"];
const NODE: [&str; 2] = ["10.0.1.1", "[2001:db8:1::1]"];

#[test]
fn without_ipv4_all_is_the_same() {
    let lab = shapes::ipv6_only("clone-ipv6");
    let spec = "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: '2001:db8:2::2', port: 5514}]}
";
    let _agent = Agent::start(lab.host("node"), &forward("syslog", spec));
    let sent = Udp::new("[2001:db8:1::2]:1000", "[2001:db8:1::1]:514", b"six");
    let (mut stack, mut copies) = (
        Capture::stack(lab.host("node")),
        Capture::link(lab.host("collector1"), "eth0"),
    );
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    send(lab.host("sender"), "eth0", &[sent.frame(&ethernet)]);
    let original = stack.expect(1, |packet| packet.is_udp_to(514)).remove(0);
    assert_same("the original", &sent.packet(), original.packet.ip_packet());
    let copy = copies.expect(1, |packet| packet.is_udp_to(5514)).remove(0);
    let wanted = Udp {
        destination: "[2001:db8:2::2]:5514".parse().unwrap(),
        ttl: 63,
        ..sent
    };
    assert_same("the copy", &wanted.packet(), copy.packet.ip_packet());
}

#[test]
fn eight_destinations_each_get_a_copy() {
    let lab = shapes::on_switch("clone-eight", 8);
    let mut spec = "  match: {ports: [{port: 514}]}\n  action: Clone\n  destinations:\n".to_owned();
    for number in 2..10 {
        spec += &format!(
            "  - {{name: d{number}, upstreams: [{{address: 10.0.2.{number}}}, {{address: '2001:db8:2::{number}'}}]}}\n"
        );
    }
    let _agent = Agent::start(lab.host("node"), &forward("fan-out", &spec));
    let (mut stack, mut copies) = (
        Capture::stack(lab.host("node")),
        Capture::link(lab.host("collector1"), "eth0"),
    );
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    for (family, prefix) in ["10.0.2.", "2001:db8:2::"].into_iter().enumerate() {
        let sent = Udp::new(
            &format!("{}:1000", SENDER[family]),
            &format!("{}:514", NODE[family]),
            b"eight",
        );
        send(lab.host("sender"), "eth0", &[sent.frame(&ethernet)]);
        let original = stack.expect(1, |packet| packet.is_udp_to(514)).remove(0);
        assert_same("the original", &sent.packet(), original.packet.ip_packet());
        let found = copies.expect(8, |packet| packet.is_udp_to(514));
        for (number, copy) in (2..).zip(&found) {
            let wanted: IpAddr = format!("{prefix}{number}").parse().unwrap();
            let wanted = Udp {
                destination: SocketAddr::new(wanted, 514),
                ttl: 63,
                ..sent.clone()
            };
            assert_same("the copy", &wanted.packet(), copy.packet.ip_packet());
        }
    }
}
