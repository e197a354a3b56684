//! Fragments without their first and headers that lie: let go untouched, and counted for the interface only.

use udplb_tests::{packet::Udp, test_run::Verdict};

use crate::scene::{CLONE, FORWARD, Scene, datagram};

const ETHERNET: usize = 14;

fn unmatched(scene: &Scene, reason: &str) -> u64 {
    let labels = [("interface", "eth0"), ("reason", reason)];
    scene
        .agent
        .metrics()
        .count("udplb_interface_unmatched_packets_total", &labels)
}

/// Runs the frames and fails unless each is let go and counts for that reason, and for nothing else.
fn assert_counted(scene: &Scene, what: &str, reason: &str, frames: &[Vec<u8>]) {
    let [orphans, malformed] = ["orphan_fragment", "malformed"].map(|other| {
        let wanted = if other == reason { frames.len() } else { 0 };
        unmatched(scene, other) + u64::try_from(wanted).unwrap()
    });
    scene.assert_untouched(frames);
    assert_eq!(
        (
            unmatched(scene, "orphan_fragment"),
            unmatched(scene, "malformed")
        ),
        (orphans, malformed),
        "{what}: orphan fragments and malformed packets of the interface"
    );
    let metrics = scene.agent.metrics();
    for name in ["udplb_matched_packets_total", "udplb_dropped_packets_total"] {
        assert_eq!(metrics.count(name, &[]), 0, "{what}: {name}");
    }
}

#[test]
fn orphan_fragments_are_counted_and_let_go() {
    let scene = Scene::new("datapath-orphans");
    for port in [CLONE, FORWARD] {
        for family in [0, 1] {
            let whole = Udp {
                payload: vec![7; 100],
                ..datagram(family, port)
            };
            let frames: Vec<Vec<u8>> = whole
                .fragments(32)
                .iter()
                .skip(1)
                .map(|packet| scene.towards_node().frame(whole.ether_type(), packet))
                .collect();
            assert_eq!(frames.len(), 3);
            assert_counted(&scene, "orphans", "orphan_fragment", &frames);
        }
    }
}

#[test]
fn frames_that_end_too_early_are_let_go() {
    let scene = Scene::new("datapath-short");
    for port in [CLONE, FORWARD] {
        for (family, header) in [(0, 20), (1, 40)] {
            let whole = scene.frame(&datagram(family, port));
            let udp = ETHERNET + header;
            // Without its whole IP header, nobody can tell that it is UDP. The kernel's own test-run takes nothing
            // shorter than that header.
            let cut = |lengths: std::ops::Range<usize>| -> Vec<Vec<u8>> {
                lengths.map(|length| whole[..length].to_vec()).collect()
            };
            assert_counted(&scene, "a cut UDP header", "malformed", &cut(udp..udp + 8));
            assert_counted(&scene, "cut data", "malformed", &cut(udp + 8..whole.len()));
        }
    }
}

#[test]
fn headers_that_contradict_themselves_are_let_go() {
    let scene = Scene::new("datapath-lies");
    for port in [CLONE, FORWARD] {
        for family in [0, 1] {
            let whole = scene.frame(&datagram(family, port));
            let (ip, udp) = (
                ETHERNET,
                whole.len() - datagram(family, port).segment().len(),
            );
            // With room behind the packet: it is the headers that lie.
            let lie = |offset: usize, bytes: &[u8]| {
                let mut frame = [&whole[..], &[0; 32]].concat();
                frame[offset..offset + bytes.len()].copy_from_slice(bytes);
                frame
            };
            let long = u16::try_from(whole.len() - udp + 1).unwrap().to_be_bytes();
            let mut frames = vec![
                lie(udp + 4, &[0, 7]),
                lie(udp + 4, &[0, 0]),
                lie(udp + 4, &long),
                lie(udp + 4, &[0xff, 0xff]),
            ];
            if family == 0 {
                let words = |value: usize| u16::try_from(value).unwrap().to_be_bytes();
                let length = whole.len() - ETHERNET;
                frames.extend([
                    lie(ip, &[0x55]),
                    lie(ip, &[0x44]),
                    lie(ip + 2, &words(length - 1)),
                    lie(ip + 2, &words(length + 33)),
                    lie(ip + 2, &[0, 0]),
                ]);
            } else {
                let length = whole.len() - ETHERNET - 40;
                let words = |value: usize| u16::try_from(value).unwrap().to_be_bytes();
                frames.extend([
                    lie(ip, &[0x50]),
                    lie(ip + 4, &words(length - 1)),
                    lie(ip + 4, &words(length + 33)),
                    lie(ip + 4, &[0, 0]),
                ]);
            }
            for frame in frames {
                assert_counted(
                    &scene,
                    &format!("{frame:02x?}"),
                    "malformed",
                    std::slice::from_ref(&frame),
                );
            }
        }
    }
}

/// Bytes behind the packet are padding, as in every short Ethernet frame: no lie.
#[test]
fn padded_frames_are_ours() {
    let scene = Scene::new("datapath-padding");
    for family in [0, 1] {
        let padded = |port| [&scene.frame(&datagram(family, port))[..], &[0xa5; 32]].concat();
        scene.assert_untouched(&[padded(CLONE)]);
        let outcome = &scene.program.run(&[padded(FORWARD)])[0];
        assert_eq!(outcome.verdict, Verdict::Redirect);
        let wanted = scene.copy(&datagram(family, FORWARD), 0);
        assert_eq!(outcome.frame, [&wanted[..], &[0xa5; 32]].concat());
    }
    let matched = scene
        .agent
        .metrics()
        .count("udplb_matched_packets_total", &[]);
    assert_eq!(matched, 4);
}
