//! Clone where the network is of another shape.

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::shapes,
    packet::{Ethernet, Udp, assert_same},
    traffic::send,
};

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
