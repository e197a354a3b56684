//! What was decided for the first fragment counts for the datagram, as long as its forward stays as it is.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame},
    lab::{Lab, shapes},
    packet::{Udp, assert_same},
    tracer::Tracer,
    traffic::send,
};

use crate::scene::{copied, datagram, framed, is_fragment, is_last, last, spec, unmatched};

/// Bytes of data in a fragment: three to a datagram.
const SIZE: usize = 1024;
const FRAGMENTS: usize = 3;

/// Datagrams that differ by their identification only.
fn datagrams(family: usize, count: u16) -> Vec<Udp> {
    let numbered = |identification| Udp {
        identification,
        ..datagram(family, 3000)
    };
    (1..=count).map(numbered).collect()
}

/// Their fragments, all first ones in front of all second ones, and so on: so decisions are made in between.
fn mixed(lab: &Lab, datagrams: &[Udp]) -> Vec<Vec<u8>> {
    let cut: Vec<Vec<Vec<u8>>> = datagrams
        .iter()
        .map(|sent| framed(lab, sent, &sent.fragments(SIZE)))
        .collect();
    (0..FRAGMENTS)
        .flat_map(|part| cut.iter().map(move |frames| frames[part].clone()))
        .collect()
}

/// How many fragments of each datagram came; the flow label or the identification tells datagrams apart.
fn by_datagram(frames: &[Frame]) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for frame in frames {
        let packet = frame.packet.ip_packet();
        let name = if packet[0] >> 4 == 4 {
            packet[4..6].to_vec()
        } else {
            packet[..4].to_vec()
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn one_destination(options: &str) -> String {
    forward(
        "large",
        &format!(
            "
  match: {{ports: [{{port: 514}}]}}
  action: Clone
  destinations:
  - name: d0
    {options}
    upstreams:
    - {{address: 10.0.2.2, port: 5514}}
    - {{address: 10.0.3.2, port: 5514}}
    - {{address: '2001:db8:2::2', port: 5514}}
    - {{address: '2001:db8:3::2', port: 5514}}
"
        ),
    )
}

/// A strategy or a sampling that knows no flows would tear datagrams apart if it were asked for each fragment.
#[test]
fn the_first_decides_for_all() {
    const COUNT: u16 = 60;
    for (name, options) in [
        ("random", "strategy: Random"),
        ("sampled", "sampling: {oneIn: 2, per: Packet}"),
        (
            "limited",
            "rateLimit: {packetsPerSecond: 1, burst: 7}\n    strategy: Random",
        ),
    ] {
        let lab = shapes::two_collectors(&format!("fragments-{name}"));
        let agent = Agent::start(lab.host("node"), &one_destination(options));
        let mut collectors =
            ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0"));
        let mut stack = Capture::stack(lab.host("node"));
        let (mut total, mut whole) = (0, 0);
        for family in [0, 1] {
            let datagrams = datagrams(family, COUNT);
            let before = sent(&agent);
            let mut frames = mixed(&lab, &datagrams);
            frames.push(last(&lab));
            send(lab.host("sender"), "eth0", &frames);
            drop(stack.until(is_fragment, is_last));
            let copies = usize::try_from(sent(&agent) - before).unwrap();
            let mut found: [Vec<Frame>; 2] = Default::default();
            while found.iter().map(Vec::len).sum::<usize>() < copies {
                for (found, capture) in found.iter_mut().zip(&mut collectors) {
                    found.extend(capture.arrived(is_fragment));
                }
            }
            let [first, second] = found.each_ref().map(|frames| by_datagram(frames));
            for counts in [&first, &second] {
                assert!(
                    counts.values().all(|count| *count == FRAGMENTS),
                    "{name}: {counts:?}"
                );
            }
            assert!(first.keys().all(|key| !second.contains_key(key)), "{name}");
            if name == "random" {
                assert!(first.len().min(second.len()) > 10, "{first:?} {second:?}");
            }
            whole += first.len() + second.len();
            total += copies;
        }
        let all = 2 * usize::from(COUNT);
        assert_eq!(whole == all, name == "random", "{name}: {whole}");
        assert!(whole > 5, "{name}: {whole}");
        let metrics = agent.metrics();
        let matched = 2 * u64::from(COUNT) * u64::try_from(FRAGMENTS).unwrap();
        let rest = metrics.count("udplb_sampled_out_packets_total", &[])
            + metrics.count("udplb_dropped_packets_total", &[("reason", "rate_limited")]);
        assert_eq!(metrics.count("udplb_matched_packets_total", &[]), matched);
        assert_eq!(u64::try_from(total).unwrap() + rest, matched, "{name}");
    }
}

fn sent(agent: &Agent) -> u64 {
    agent.metrics().count("udplb_sent_packets_total", &[])
}

/// A datagram whose forward changes between its fragments goes nowhere by halves; others go on, and so they do
/// while the agent is away and when it is back.
#[test]
fn what_changes_in_between_orphans_the_rest_of_its_own_datagrams_only() {
    let lab = shapes::two_collectors("fragments-change");
    let other = |upstream: &str| {
        forward(
            "other",
            &format!(
                "
  match: {{ports: [{{port: 515}}]}}
  action: Forward
  destinations:
  - {{name: one, upstreams: [{{address: {upstream}, port: 6514}}]}}
"
            ),
        )
    };
    let kept = spec("Forward", 1);
    let mut agent = Agent::start(lab.host("node"), &(kept.clone() + &other("10.0.2.2")));
    // Its destination changes.
    agent.without_final_identity();
    let mut stack = Capture::stack(lab.host("node"));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let large = datagram(0, 3000);
    let changed = Udp {
        destination: "10.0.1.1:515".parse().unwrap(),
        identification: 99,
        ..large.clone()
    };
    let wanted = copied(&large, 0).fragments(SIZE);
    let [frames, others] = [&large, &changed].map(|sent| framed(&lab, sent, &sent.fragments(SIZE)));

    send(
        lab.host("sender"),
        "eth0",
        &[frames[0].clone(), others[0].clone()],
    );
    let firsts = copies.expect(2, is_fragment);
    assert_same("the first", &wanted[0], firsts[0].packet.ip_packet());
    agent.reload(&(kept.clone() + &other("10.0.3.2")));
    // Back to what it was, in the same place of the maps.
    agent.reload(&(kept.clone() + &other("10.0.2.2")));
    agent.settle();
    let rest = [others[1].clone(), frames[1].clone(), last(&lab)];
    send(lab.host("sender"), "eth0", &rest);
    let left = stack.until(is_fragment, is_last);
    assert_eq!(left.len(), 1);
    assert_same(
        "the orphan",
        &changed.fragments(SIZE)[1],
        left[0].packet.ip_packet(),
    );
    let second = copies.expect(1, is_fragment).remove(0);
    assert_same("the second", &wanted[1], second.packet.ip_packet());
    assert_eq!(unmatched(&agent, "orphan_fragment"), 1);

    agent.stop();
    send(lab.host("sender"), "eth0", &frames[2..]);
    let third = copies.expect(1, is_fragment).remove(0);
    assert_same(
        "while the agent is away",
        &wanted[2],
        third.packet.ip_packet(),
    );
    agent.run();
    send(lab.host("sender"), "eth0", &frames[2..]);
    let third = copies.expect(1, is_fragment).remove(0);
    assert_same("when it is back", &wanted[2], third.packet.ip_packet());
}

/// Another version with the same tables goes on with what the first one has decided, in both directions. It counts in
/// another layout, so its counters begin anew, and it says so.
#[test]
fn another_version_with_the_same_tables_puts_datagrams_together() {
    let lab = shapes::two_collectors("fragments-version");
    let mut agent = Agent::start(lab.host("node"), &spec("Forward", 1));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let large = datagram(0, 3000);
    let wanted = copied(&large, 0).fragments(SIZE);
    let frames = framed(&lab, &large, &large.fragments(SIZE));
    for (number, frame) in frames.into_iter().enumerate() {
        send(lab.host("sender"), "eth0", &[frame]);
        let copy = copies.expect(1, is_fragment).remove(0);
        assert_same("a copy", &wanted[number], copy.packet.ip_packet());
        assert_eq!(agent.metrics().count("udplb_matched_packets_total", &[]), 1);
        agent.stop();
        // What a version leaves whose counters are otherwise.
        let totals = ["totals-1", "totals-99"].map(|name| agent.pins().join(name));
        fs::rename(&totals[0], &totals[1]).unwrap();
        agent.run();
        assert!(!totals[1].exists());
    }
    assert_eq!(unmatched(&agent, "orphan_fragment"), 0);
    let said = "counters of forwards, destinations and upstreams begin anew: the other version has another layout for them";
    assert_eq!(agent.log().matches(said).count(), FRAGMENTS);
}

/// Each fragment is a packet: one that is too long, or at the end of its life, is dropped for itself; and where the
/// first was dropped, so are the others.
#[test]
fn drops_are_counted_by_fragment() {
    let lab = shapes::two_collectors("fragments-drops");
    let _: String = lab.host("node").ip("link set eth1 mtu 1400");
    let agent = Agent::start(lab.host("node"), &spec("Forward", 1));
    let dropped = |reason: &str| {
        let labels = [("reason", reason)];
        agent
            .metrics()
            .count("udplb_dropped_packets_total", &labels)
    };
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    for family in [0, 1] {
        let round = u64::try_from(family).unwrap() + 1;
        let sent = datagram(family, 1600);
        // A long first one: the rest would fit.
        let frames = framed(&lab, &sent, &sent.fragments(1440));
        send(lab.host("sender"), "eth0", &frames);
        // Old ones.
        let old = Udp {
            identification: 6,
            ttl: 1,
            ..sent
        };
        send(
            lab.host("sender"),
            "eth0",
            &framed(&lab, &old, &old.fragments(1024)),
        );
        let fits = Udp {
            identification: 7,
            ..datagram(family, 1600)
        };
        send(
            lab.host("sender"),
            "eth0",
            &framed(&lab, &fits, &fits.fragments(1024)),
        );
        assert_eq!(copies.expect(2, is_fragment).len(), 2);
        assert_eq!(dropped("mtu_exceeded"), 3 * round - 1);
        assert_eq!(dropped("ttl_expired"), 3 * round - 1);
        // Later ones that are worse than their first.
        let aged = Udp {
            ttl: 1,
            ..fits.clone()
        };
        let worse = [
            fits.fragment(1, true, &[7; 1440]),
            aged.fragment(1, true, &[7; 8]),
        ];
        send(lab.host("sender"), "eth0", &framed(&lab, &fits, &worse));
        let good = fits.fragment(1, true, &[7; 8]);
        send(lab.host("sender"), "eth0", &framed(&lab, &fits, &[good]));
        assert_eq!(copies.expect(1, is_fragment).len(), 1);
        assert_eq!(dropped("mtu_exceeded"), 3 * round);
        assert_eq!(dropped("ttl_expired"), 3 * round);
    }
}

/// Later fragments are shown with the ports of the first, and say what they are.
#[test]
fn trace_shows_fragments_as_what_they_follow() {
    let lab = shapes::two_collectors("fragments-trace");
    let agent = Agent::start(lab.host("node"), &spec("Clone", 2));
    let mut stack = Capture::stack(lab.host("node"));
    for family in [0, 1] {
        let sent = datagram(family, 3000);
        let packets = sent.fragments(SIZE);
        let mut frames = framed(&lab, &sent, &packets);
        frames.push(last(&lab));
        let tracer = Tracer::start(lab.host("node"), &agent, &[]);
        send(lab.host("sender"), "eth0", &frames);
        drop(stack.until(is_fragment, is_last));
        let lines = tracer.finish();
        let told = |line: &Value| {
            let field = |name: &str| line[name].as_str().unwrap().to_owned();
            let bytes = line["bytes"].as_u64().unwrap();
            let names = ["source", "target", "destination", "fragment", "verdict"];
            (names.map(field), bytes)
        };
        let found: Vec<_> = lines.iter().map(told).collect();
        let mut wanted = Vec::new();
        for (number, packet) in packets.iter().enumerate() {
            for destination in ["d0", "d1"] {
                let part = if number == 0 { "first" } else { "later" };
                let (from, to) = (sent.source.to_string(), sent.destination.to_string());
                let fields = [&from, &to, destination, part, "sent"].map(str::to_owned);
                wanted.push((fields, u64::try_from(packet.len()).unwrap()));
            }
        }
        assert_eq!(found, wanted);
    }
}

/// Where the first went up the stack or nowhere because there is no upstream, so do the others.
#[test]
fn without_an_upstream_all_fragments_have_one_fate() {
    for (policy, arrive) in [("Drop", 0), ("Pass", FRAGMENTS)] {
        let lab = shapes::two_collectors(&format!("fragments-{}", policy.to_lowercase()));
        let config = format!(
            "
  match: {{ports: [{{port: 514}}]}}
  action: Forward
  whenUnavailable: {policy}
  destinations:
  - {{name: one, upstreams: [{{address: 10.0.2.2, port: 5514}}]}}
  - {{name: two, upstreams: [{{address: 10.0.3.2, port: 5514}}]}}
"
        );
        let agent = Agent::start(lab.host("node"), &forward("large", &config));
        let mut stack = Capture::stack(lab.host("node"));
        let sent = datagram(1, 3000);
        let packets = sent.fragments(SIZE);
        let mut frames = framed(&lab, &sent, &packets);
        frames.push(last(&lab));
        send(lab.host("sender"), "eth0", &frames);
        let left = stack.until(is_fragment, is_last);
        assert_eq!(left.len(), arrive, "{policy}");
        for (sent, left) in packets.iter().zip(&left) {
            assert_same("the fragment", sent, left.packet.ip_packet());
        }
        let count = |name: &str| agent.metrics().count(name, &[]);
        let dropped = if arrive == 0 { 6 } else { 0 };
        assert_eq!(count("udplb_dropped_packets_total"), dropped, "{policy}");
        assert_eq!(count("udplb_passed_packets_total"), 6 - dropped, "{policy}");
        assert_eq!(unmatched(&agent, "orphan_fragment"), 0, "{policy}");
    }
}
