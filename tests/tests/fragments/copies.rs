//! Originals, copies, and what receivers put together.

use std::net::UdpSocket;

use udplb_tests::{
    agent::Agent,
    capture::{Capture, Frame},
    lab::shapes,
    packet::{Tag, Udp, assert_same, identification},
    traffic::send,
};

use crate::scene::{
    COLLECTORS, NODE, SENDER, collector, copied, copies, datagram, framed, is_fragment, is_last,
    last, port, receiver, rewrites, spec, towards_node, trimmed, unmatched,
};

/// Both families, both actions, one destination and eight: every fragment counts as a packet, every byte is right.
#[test]
fn every_copy_of_every_fragment_is_right() {
    const SIZE: usize = 1024;
    for (action, count) in [
        ("Clone", 1_usize),
        ("Clone", 8),
        ("Forward", 1),
        ("Forward", 8),
    ] {
        let lab = shapes::two_collectors(&format!("fragments-{}-{count}", action.to_lowercase()));
        let agent = Agent::start(lab.host("node"), &spec(action, count));
        let mut stack = Capture::stack(lab.host("node"));
        let mut collectors =
            ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0"));
        let mut bytes = 0;
        for family in [0, 1] {
            let sent = datagram(family, 3000);
            let packets = sent.fragments(SIZE);
            bytes += packets.iter().map(Vec::len).sum::<usize>();
            let mut frames = framed(&lab, &sent, &packets);
            frames.push(last(&lab));
            send(lab.host("sender"), "eth0", &frames);
            let originals = stack.until(is_fragment, is_last);
            let wanted = if action == "Clone" { packets.len() } else { 0 };
            assert_eq!(originals.len(), wanted, "{action} to {count}");
            for (sent, original) in packets.iter().zip(&originals) {
                assert_same("the original", sent, original.packet.ip_packet());
            }
            for (number, capture) in collectors.iter_mut().enumerate() {
                let numbers: Vec<usize> = (number..count).step_by(2).collect();
                let found = capture.expect(packets.len() * numbers.len(), is_fragment);
                check_copies(&sent, SIZE, &numbers, &found);
            }
        }
        let metrics = agent.metrics();
        let of = |name: &str| metrics.count(name, &[]);
        let count = u64::try_from(count).unwrap();
        let bytes = u64::try_from(bytes).unwrap();
        assert_eq!(of("udplb_matched_packets_total"), 6);
        assert_eq!(of("udplb_matched_bytes_total"), bytes);
        assert_eq!(of("udplb_sent_packets_total"), 6 * count);
        assert_eq!(of("udplb_sent_bytes_total"), bytes * count);
        assert_eq!(of("udplb_interface_unmatched_packets_total"), 0);
    }
}

/// Of each fragment, every destination sends its copy before the next fragment comes.
fn check_copies(sent: &Udp, size: usize, numbers: &[usize], found: &[Frame]) {
    let mut seen = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        let first = &found[place].packet;
        let ip = first.ip.as_ref().unwrap();
        seen.push((ip.source, identification(first.ip_packet())));
        let copies = copies(sent, *number, size, first);
        let found = found.iter().skip(place).step_by(numbers.len());
        for (wanted, found) in copies.iter().zip(found) {
            let what = format!("the copy of destination {number}");
            assert_same(&what, wanted, found.packet.ip_packet());
        }
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "two datagrams would mix: {seen:?}");
}

/// What an ordinary socket sends is what ordinary sockets receive, however many fragments that takes.
#[test]
fn receivers_put_large_datagrams_together() {
    for action in ["Clone", "Forward"] {
        let lab = shapes::two_collectors(&format!("fragments-large-{}", action.to_lowercase()));
        let agent = Agent::start(lab.host("node"), &spec(action, 8));
        for family in [0, 1] {
            let receivers: Vec<UdpSocket> = (0..8)
                .map(|number| {
                    let place = collector(number);
                    let host = lab.host(["collector1", "collector2"][place]);
                    receiver(
                        host,
                        &format!("{}:{}", COLLECTORS[place][family], port(number)),
                    )
                })
                .collect();
            let sender = format!("{}:0", SENDER[family]);
            let socket = lab
                .host("sender")
                .enter(|| UdpSocket::bind(sender))
                .unwrap();
            for length in [4_000, 65_000] {
                let sent = datagram(family, length);
                let target = format!("{}:514", NODE[family]);
                assert_eq!(socket.send_to(&sent.payload, target).unwrap(), length);
                for (number, receiver) in receivers.iter().enumerate() {
                    let mut data = vec![0; 70_000];
                    let what = format!("{action} of {length} bytes to destination {number}");
                    let (received, source) = receiver
                        .recv_from(&mut data)
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert!(data[..received] == sent.payload, "{what}");
                    let address = if rewrites(number) { NODE } else { SENDER }[family];
                    assert_eq!(source.ip().to_string(), trimmed(address), "{what}");
                }
            }
        }
        assert_eq!(unmatched(&agent, "orphan_fragment"), 0);
    }
}

/// A fragment that comes before its first, or whose first was lost, is counted and left alone.
#[test]
fn a_fragment_without_its_first_is_an_orphan() {
    let lab = shapes::two_collectors("fragments-orphans");
    let agent = Agent::start(lab.host("node"), &spec("Forward", 1));
    let mut stack = Capture::stack(lab.host("node"));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    for family in [0, 1] {
        let sent = datagram(family, 3000);
        let packets = sent.fragments(1024);
        let order = [2, 0, 1].map(|number: usize| packets[number].clone());
        let mut frames = framed(&lab, &sent, &order);
        frames.push(last(&lab));
        send(lab.host("sender"), "eth0", &frames);
        let left = stack.until(is_fragment, is_last);
        assert_eq!(left.len(), 1);
        assert_same("the orphan", &packets[2], left[0].packet.ip_packet());
        let wanted = copied(&sent, 0).fragments(1024);
        for (wanted, found) in wanted.iter().zip(copies.expect(2, is_fragment)) {
            assert_same("the copy", wanted, found.packet.ip_packet());
        }
        // Now that the first is known, the same again follows it.
        send(lab.host("sender"), "eth0", &frames[..1]);
        let found = copies.expect(1, is_fragment).remove(0);
        assert_same("the copy", &wanted[2], found.packet.ip_packet());
        // Another one that lost its first.
        let other = Udp {
            identification: 77,
            ..sent
        };
        let mut frames = framed(&lab, &other, &other.fragments(1024)[1..]);
        frames.push(last(&lab));
        send(lab.host("sender"), "eth0", &frames);
        assert_eq!(stack.until(is_fragment, is_last).len(), 2);
    }
    assert_eq!(unmatched(&agent, "orphan_fragment"), 6);
    let matched = agent.metrics().count("udplb_matched_packets_total", &[]);
    assert_eq!(matched, 6);
}

/// With a rewritten source, two senders become one, and their identifications may be the same.
#[test]
fn datagrams_of_two_senders_do_not_mix() {
    let lab = shapes::two_collectors("fragments-senders");
    let spec = spec("Clone", 1).replace("Preserve", "Rewrite");
    let agent = Agent::start(lab.host("node"), &spec);
    for (family, others) in ["10.0.1.3:1000", "[2001:db8:1::3]:1000"].iter().enumerate() {
        let address = format!("{}:{}", COLLECTORS[0][family], port(0));
        let receiver = receiver(lab.host("collector1"), &address);
        let one = datagram(family, 3000);
        let other = Udp {
            source: others.parse().unwrap(),
            payload: one.payload.iter().map(|byte| !byte).collect(),
            ..one.clone()
        };
        let [first, second] = [&one, &other].map(|sent| framed(&lab, sent, &sent.fragments(1024)));
        let frames: Vec<Vec<u8>> = first
            .iter()
            .zip(&second)
            .flat_map(|(one, other)| [one.clone(), other.clone()])
            .collect();
        send(lab.host("sender"), "eth0", &frames);
        let mut found: Vec<Vec<u8>> = (0..2)
            .map(|_| {
                let mut data = vec![0; 70_000];
                let length = receiver.recv(&mut data).expect("a whole datagram");
                data.truncate(length);
                data
            })
            .collect();
        found.sort();
        let mut wanted = vec![one.payload, other.payload];
        wanted.sort();
        assert!(found == wanted, "datagrams were mixed");
    }
    assert_eq!(unmatched(&agent, "orphan_fragment"), 0);
}

/// Frames with one tag and with two, of which fragments know their firsts apart.
#[test]
fn tagged_fragments_follow_the_first_of_their_vlan() {
    let lab = shapes::two_collectors("fragments-vlan");
    let agent = Agent::start(lab.host("node"), &spec("Clone", 1));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let mut hook = Capture::hook(lab.host("node"), "eth0");
    let tags: [&[Tag]; 3] = [
        &[Tag::vlan(7)],
        &[Tag::service(7), Tag::vlan(8)],
        &[Tag::service(7), Tag::vlan(9)],
    ];
    for family in [0, 1] {
        let sent = datagram(family, 2000);
        let packets = sent.fragments(1024);
        for tags in tags {
            let ethernet = towards_node(&lab).tagged(tags);
            let frames: Vec<Vec<u8>> = packets
                .iter()
                .rev()
                .map(|packet| ethernet.frame(sent.ether_type(), packet))
                .collect();
            // The last one first: an orphan, whatever came in the other VLANs.
            send(lab.host("sender"), "eth0", &frames);
            send(lab.host("sender"), "eth0", &frames[..1]);
            let wanted = copied(&sent, 0).fragments(1024);
            let found = copies.expect(2, is_fragment);
            for (wanted, found) in wanted.iter().zip(&found) {
                assert_same("the copy", wanted, found.packet.ip_packet());
                assert_eq!(found.packet.tags, []);
            }
            let originals = hook.expect(3, is_fragment);
            for (original, number) in originals.iter().zip([0, 1, 0]) {
                assert_eq!(original.packet.frame, frames[number]);
            }
        }
    }
    assert_eq!(unmatched(&agent, "orphan_fragment"), 6);
}
