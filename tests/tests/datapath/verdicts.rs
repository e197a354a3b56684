//! What is ours and what is not, and the bytes of both.

use udplb_tests::{
    capture::Capture,
    lab::Mac,
    packet::{Ethernet, Packet, Udp, assert_same},
    test_run::Verdict,
};

use crate::scene::{
    CLONE, CLONE_MANY, FORWARD, FORWARD_MANY, Scene, UNUSED, all_kinds, datagram, destinations,
    target,
};

/// Type of a frame.
const ARP: u16 = 0x0806;
/// Numbers of protocols.
const ICMP: u8 = 1;
const TCP: u8 = 6;

#[test]
fn what_is_not_ours_goes_on_untouched() {
    let scene = Scene::new("datapath-others");
    let node = scene.towards_node();
    let mut frames: Vec<Vec<u8>> = all_kinds(UNUSED)
        .iter()
        .map(|(_, kind)| scene.frame(kind))
        .collect();
    for port in [CLONE, CLONE_MANY, FORWARD, FORWARD_MANY] {
        for family in [0, 1] {
            let ours = datagram(family, port);
            // Ports where UDP has them.
            let segment = [&ours.segment()[..], &[0; 12]].concat();
            for protocol in [TCP, ICMP] {
                frames.push(node.frame(ours.ether_type(), &ours.around(protocol, &segment)));
            }
            let elsewhere = ["10.0.1.77", "[2001:db8:1::77]"][family];
            frames.push(scene.frame(&Udp {
                destination: format!("{elsewhere}:{port}").parse().unwrap(),
                ..ours.clone()
            }));
            let other_host = Ethernet::new(node.source, Mac([0x02, 1, 2, 3, 4, 5]));
            frames.push(ours.frame(&other_host));
            frames.push(node.frame(ARP, &ours.packet()));
        }
    }
    let before = scene.agent.metrics();
    scene.assert_untouched(&frames);
    let after = scene.agent.metrics();
    for name in [
        "udplb_matched_packets_total",
        "udplb_interface_unmatched_packets_total",
    ] {
        assert_eq!(after.count(name, &[]), before.count(name, &[]), "{name}");
    }
}

#[test]
fn clone_leaves_every_byte_and_sends_right_copies() {
    let scene = Scene::new("datapath-clone");
    for port in [CLONE, CLONE_MANY] {
        let mut captures =
            ["collector1", "collector2"].map(|name| Capture::link(scene.lab.host(name), "eth0"));
        let kinds = all_kinds(port);
        let frames: Vec<Vec<u8>> = kinds.iter().map(|(_, kind)| scene.frame(kind)).collect();
        scene.assert_untouched(&frames);
        for (collector, capture) in (0..).zip(&mut captures) {
            let numbers: Vec<u16> = (0..destinations(port))
                .filter(|number| number % 2 == collector)
                .collect();
            let found = capture.expect(kinds.len() * numbers.len(), |packet| {
                numbers
                    .iter()
                    .any(|number| packet.is_udp_to(target(port, *number)))
            });
            for number in numbers {
                let mut copies = found
                    .iter()
                    .filter(|copy| copy.packet.is_udp_to(target(port, number)));
                for (what, sent) in &kinds {
                    let copy = copies.next().expect("too few copies of a destination");
                    let what = format!("copy {number} of {what}");
                    assert_frame(&what, &scene.copy(sent, number), &copy.packet.frame);
                }
            }
        }
    }
}

#[test]
fn forward_leaves_exactly_the_frame_that_is_wanted() {
    let scene = Scene::new("datapath-forward");
    for port in [FORWARD, FORWARD_MANY] {
        let kinds = all_kinds(port);
        let frames: Vec<Vec<u8>> = kinds.iter().map(|(_, kind)| scene.frame(kind)).collect();
        for ((what, sent), outcome) in kinds.iter().zip(scene.program.run(&frames)) {
            assert_eq!(outcome.verdict, Verdict::Redirect, "{what}");
            // All destinations but the last got copies.
            let last = destinations(port) - 1;
            assert_frame(what, &scene.copy(sent, last), &outcome.frame);
        }
    }
}

#[test]
fn a_packet_at_the_end_of_its_life_is_dropped_by_forward_and_kept_by_clone() {
    let scene = Scene::new("datapath-ttl");
    let mut count = 0;
    for (ttl, family) in [(1, 0), (1, 1), (0, 0), (0, 1)] {
        let old = |port| {
            scene.frame(&Udp {
                ttl,
                ..datagram(family, port)
            })
        };
        scene.assert_untouched(&[old(CLONE), old(CLONE_MANY)]);
        for port in [FORWARD, FORWARD_MANY] {
            let outcome = &scene.program.run(&[old(port)])[0];
            assert_eq!(outcome.verdict, Verdict::Drop, "port {port}, ttl {ttl}");
        }
        count += [CLONE, CLONE_MANY, FORWARD, FORWARD_MANY]
            .map(destinations)
            .iter()
            .sum::<u16>();
    }
    let metrics = scene.agent.metrics();
    let dropped = metrics.count("udplb_dropped_packets_total", &[("reason", "ttl_expired")]);
    assert_eq!(dropped, u64::from(count));
    assert_eq!(metrics.count("udplb_sent_packets_total", &[]), 0);
}

/// Fails unless two frames are equal byte for byte, and says in which field they are not.
fn assert_frame(what: &str, wanted: &[u8], found: &[u8]) {
    let [wanted_packet, found_packet] = [wanted, found].map(Packet::parse);
    assert_same(what, wanted_packet.ip_packet(), found_packet.ip_packet());
    assert_eq!(wanted, found, "{what}");
}
