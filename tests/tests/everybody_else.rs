//! Everybody else: packets that are not ours pass unchanged and uncounted, and so do other people's programs,
//! filters and qdiscs.

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    foreign::{self, Counter, Place},
    lab::{Host, Lab, Mac, shapes},
    packet::{Ethernet, Udp},
    traffic::send,
};

const FORWARD: &str = "
  match: {ports: [{port: 514}], addresses: ['10.0.1.1', '2001:db8:1::1']}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
";

fn towards_node(lab: &Lab) -> Ethernet {
    Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"))
}

/// Frames that are nobody's business but the stack's. None of them is a fragment or malformed.
fn foreign_frames(lab: &Lab) -> Vec<(&'static str, Vec<u8>)> {
    let [tcp, icmp, icmp_v6, sctp] = [6, 1, 58, 132];
    let ethernet = towards_node(lab);
    let v4 = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"not yours");
    let v6 = Udp::new("[2001:db8:1::2]:1000", "[2001:db8:1::1]:514", b"not yours");
    let to = |datagram: &Udp, destination: &str| Udp {
        destination: destination.parse().unwrap(),
        ..datagram.clone()
    };
    let group = |last| Mac([0x01, 0, 0x5e, 0, 0, last]);
    let towards = |destination| Ethernet::new(ethernet.source, destination);
    // The same ports in the same places as UDP has them.
    let ports = [&v4.segment()[..4], &[0; 20]].concat();
    let around = |datagram: &Udp, protocol| {
        ethernet.frame(datagram.ether_type(), &datagram.around(protocol, &ports))
    };
    vec![
        ("TCP", around(&v4, tcp)),
        ("TCP over IPv6", around(&v6, tcp)),
        ("ICMP", around(&v4, icmp)),
        ("ICMPv6", around(&v6, icmp_v6)),
        ("SCTP", around(&v4, sctp)),
        ("ARP", ethernet.frame(0x0806, &[0; 28])),
        ("LLDP", ethernet.frame(0x88cc, &[0; 60])),
        ("an unknown protocol", ethernet.frame(0x88b5, &ports)),
        ("another port", to(&v4, "10.0.1.1:515").frame(&ethernet)),
        (
            "another port over IPv6",
            to(&v6, "[2001:db8:1::1]:515").frame(&ethernet),
        ),
        ("another address", to(&v4, "10.0.1.99:514").frame(&ethernet)),
        (
            "another address over IPv6",
            to(&v6, "[2001:db8:1::99]:514").frame(&ethernet),
        ),
        (
            "a group that nobody named",
            to(&v4, "224.0.0.9:514").frame(&towards(group(9))),
        ),
        (
            "a broadcast that nobody named",
            to(&v4, "10.0.1.255:514").frame(&towards(Mac::BROADCAST)),
        ),
        (
            "another host's frame",
            v4.frame(&towards(Mac([2, 0, 0, 0, 0, 9]))),
        ),
        (
            "another host's frame over IPv6",
            v6.frame(&towards(Mac([2, 0, 0, 0, 0, 9]))),
        ),
    ]
}

#[test]
fn foreign_packets_pass_unchanged_and_uncounted() {
    let lab = shapes::two_collectors("else-packets");
    let agent = Agent::start(lab.host("node"), &forward("ours", FORWARD));
    let mut hook = Capture::hook(lab.host("node"), "eth0");
    let frames = foreign_frames(&lab);
    send(
        lab.host("sender"),
        "eth0",
        &frames
            .iter()
            .map(|(_, frame)| frame.clone())
            .collect::<Vec<_>>(),
    );
    for (what, sent) in &frames {
        // In the order in which they were sent, with what the stacks say to each other between them.
        let passed = hook.expect(1, |packet| packet.frame == *sent);
        assert_eq!(passed.len(), 1, "{what}");
    }
    let metrics = agent.metrics();
    assert_eq!(metrics.count("udplb_matched_packets_total", &[]), 0);
    assert_eq!(
        metrics.count("udplb_interface_unmatched_packets_total", &[]),
        0
    );
}

/// Fragments without their first and broken packets to our port: left alone, but counted.
#[test]
fn orphan_fragments_and_broken_packets_pass_and_are_counted() {
    let lab = shapes::two_collectors("else-broken");
    let agent = Agent::start(lab.host("node"), &forward("ours", FORWARD));
    let mut hook = Capture::hook(lab.host("node"), "eth0");
    let ethernet = towards_node(&lab);
    let mut frames = Vec::new();
    let mut broken = 0;
    for ends in [
        ["10.0.1.2:1000", "10.0.1.1:514"],
        ["[2001:db8:1::2]:1000", "[2001:db8:1::1]:514"],
    ] {
        let large = Udp::new(ends[0], ends[1], &[7; 3000]);
        frames.extend(
            large
                .fragments(1024)
                .iter()
                .skip(1)
                .map(|fragment| ethernet.frame(large.ether_type(), fragment)),
        );
        let plain = Udp::new(ends[0], ends[1], b"hello, world");
        // A datagram that claims to be longer than its packet, and one shorter than its own header.
        for length in [9999_u16, 7] {
            let mut segment = plain.segment();
            segment[4..6].copy_from_slice(&length.to_be_bytes());
            frames.push(ethernet.frame(plain.ether_type(), &plain.around(17, &segment)));
            broken += 1;
        }
        // A packet that claims to be longer than its frame.
        let packet = plain.packet();
        frames.push(ethernet.frame(plain.ether_type(), &packet[..packet.len() - 4]));
        broken += 1;
    }
    send(lab.host("sender"), "eth0", &frames);
    for sent in &frames {
        assert_eq!(hook.expect(1, |packet| packet.frame == *sent).len(), 1);
    }
    let metrics = agent.metrics();
    assert_eq!(metrics.count("udplb_matched_packets_total", &[]), 0);
    let unmatched = |reason| {
        let labels = [("interface", "eth0"), ("reason", reason)];
        metrics.count("udplb_interface_unmatched_packets_total", &labels)
    };
    let found = (unmatched("orphan_fragment"), unmatched("malformed"));
    assert_eq!(found, (4, broken));
}

/// Programs before ours see everything, programs behind it all that was not consumed.
#[test]
fn foreign_programs_keep_seeing_their_packets() {
    let lab = shapes::two_collectors("else-programs");
    let node = lab.host("node");
    // One is there before we come, the other comes later.
    let first = Counter::attach(node, "eth0", Place::First);
    let clone = FORWARD
        .replace("Forward", "Clone")
        .replace("514}]", "515}]");
    let _agent = Agent::start(
        node,
        &(forward("ours", FORWARD) + &forward("copied", &clone)),
    );
    let last = Counter::attach(node, "eth0", Place::Last);
    // A filter of a clsact qdisc, behind all programs.
    let mut hook = Capture::hook(node, "eth0");
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let before = [&first, &last].map(Counter::seen);
    let frames = |port: u16| {
        vec![
            Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{port}"), b"hello")
                .frame(&towards_node(&lab));
            100
        ]
    };
    send(lab.host("sender"), "eth0", &frames(514));
    send(lab.host("sender"), "eth0", &frames(515));
    send(lab.host("sender"), "eth0", &frames(516));
    assert_eq!(
        copies.expect(200, |packet| packet.is_udp_to(5514)).len(),
        200
    );
    // A few frames of the hosts' own, neighbour discovery and the like, come on top.
    let seen = [&first, &last].map(Counter::seen);
    assert!(
        (300..320).contains(&(seen[0] - before[0])),
        "the first saw {}",
        seen[0] - before[0]
    );
    assert!(
        (200..220).contains(&(seen[1] - before[1])),
        "the last saw {}",
        seen[1] - before[1]
    );
    let passed = hook.expect(200, |packet| packet.is_udp_to(515) || packet.is_udp_to(516));
    assert_eq!(passed.len(), 200);
    assert_eq!(hook.arrived(|packet| packet.is_udp_to(514)), []);
}

/// A qdisc with filters that was there first is the same after every step of the agent's life.
fn check_qdisc(hook: &str, programs: u32) {
    let lab = shapes::two_collectors(&format!("else-qdisc-{hook}"));
    let node = lab.host("node");
    for command in [
        "tc qdisc add dev eth0 clsact",
        "tc filter add dev eth0 ingress protocol ip prio 1 handle 800::1 u32 match ip dport 514 0xffff flowid 1:1",
        "tc filter add dev eth0 ingress protocol all prio 60000 u32 match u32 0 0 flowid 1:1",
        "tc filter add dev eth0 egress protocol ipv6 prio 5 u32 match u32 0 0 flowid 1:1",
    ] {
        drop(node.run(command));
    }
    let first = Counter::attach(node, "eth0", Place::First);
    let before = filters(node);
    let mut agent = Agent::new(node, &["--keep", "--hook", hook]);
    let config = forward("ours", FORWARD);
    agent.write(&config);
    let check = |step: &str| assert_eq!(without_ours(&filters(node)), before, "after {step}");
    agent.run();
    check("start");
    assert_eq!(foreign::attached(node, "eth0"), programs);
    agent.reload(&config.replace("5514", "5515"));
    check("reload");
    agent.stop();
    check("stop");
    agent.run();
    check("another start");
    agent.kill();
    check("kill");
    agent.cleanup();
    assert_eq!(filters(node), before, "after cleanup");
    assert_eq!(foreign::attached(node, "eth0"), 1);
    drop(first);
}

#[test]
fn a_foreign_qdisc_stays_as_it_is_beside_a_link() {
    check_qdisc("tcx", 2);
}

#[test]
fn a_foreign_qdisc_stays_as_it_is_around_a_filter() {
    check_qdisc("clsact", 1);
}

fn filters(node: &Host) -> String {
    [
        "tc qdisc show dev eth0",
        "tc filter show dev eth0 ingress",
        "tc filter show dev eth0 egress",
    ]
    .map(|command| node.run(command))
    .concat()
}

/// The listing without filters of type `bpf`, of which ours is the only one.
fn without_ours(listing: &str) -> String {
    let ours = |line: &&str| line.starts_with("filter") && line.contains(" bpf ");
    listing
        .lines()
        .filter(|line| !ours(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Other hosts, seen from the node: nothing of what they say to it is lost while the agent works.
#[test]
fn the_hosts_still_talk_to_each_other() {
    let lab = shapes::two_collectors("else-talk");
    let _agent = Agent::start(lab.host("node"), &forward("ours", FORWARD));
    for address in ["10.0.1.1", "2001:db8:1::1"] {
        lab.host("sender").reach(lab.host("node"), address);
    }
}
