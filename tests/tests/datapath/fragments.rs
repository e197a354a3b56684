//! Fragments: later ones follow their first, byte for byte and with fitting sums; what contradicts itself is let go.

use udplb_tests::{
    packet::{Packet, Udp, difference, identification, reidentified},
    test_run::{Outcome, Verdict},
};

use crate::scene::{
    CLONE, CLONE_MANY, FORWARD, FORWARD_MANY, Scene, UNUSED, all_kinds, changes_identification,
    copied, datagram, destinations,
};

/// Bytes of data in a fragment: as few as there can be, so that the first has the UDP header and nothing else.
const SIZE: usize = 8;

fn frames(scene: &Scene, sent: &Udp) -> Vec<Vec<u8>> {
    framed(scene, sent, &sent.fragments(SIZE))
}

fn framed(scene: &Scene, sent: &Udp, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let frame = |packet: &Vec<u8>| scene.towards_node().frame(sent.ether_type(), packet);
    packets.iter().map(frame).collect()
}

/// Fails unless Forward has left what the last destination of the datagram's port sends.
fn assert_forwarded(scene: &Scene, what: &str, sent: &Udp, outcomes: &[Outcome]) {
    let last = destinations(sent.destination.port()) - 1;
    let wanted = copied(sent, last).fragments(SIZE);
    assert_eq!(wanted.len(), outcomes.len(), "{what}");
    let own = identification(&wanted[0]);
    let found = identification(Packet::parse(&outcomes[0].frame).ip_packet());
    if !changes_identification(last) || outcomes.len() == 1 {
        assert_eq!(found, own, "{what}");
    }
    for (wanted, outcome) in wanted.iter().zip(outcomes) {
        assert_eq!(outcome.verdict, Verdict::Redirect, "{what}");
        let wanted = match found {
            Some(found) => reidentified(wanted, found),
            None => wanted.clone(),
        };
        let packet = Packet::parse(&outcome.frame);
        if let Some(difference) = difference(&wanted, packet.ip_packet()) {
            panic!("{what}:\n{difference}");
        }
        let frame = scene
            .towards_collector(last)
            .frame(sent.ether_type(), &wanted);
        assert_eq!(outcome.frame, frame, "{what}");
    }
}

#[test]
fn forward_leaves_fragments_as_wanted_and_their_sums_fit() {
    let scene = Scene::new("datapath-fragments-forward");
    for port in [FORWARD, FORWARD_MANY] {
        for (what, sent) in all_kinds(port) {
            let frames = frames(&scene, &sent);
            assert_forwarded(&scene, what, &sent, &scene.program.run(&frames));
            let summed = scene.program.run_summed(&frames).into_iter();
            let summed: Option<Vec<Outcome>> = summed.collect();
            let summed = summed.unwrap_or_else(|| panic!("{what}: a sum does not fit any more"));
            assert_forwarded(&scene, what, &sent, &summed);
        }
    }
}

#[test]
fn clone_leaves_fragments_and_their_sums_as_they_are() {
    let scene = Scene::new("datapath-fragments-clone");
    for port in [CLONE, CLONE_MANY] {
        for (what, sent) in all_kinds(port) {
            let frames = frames(&scene, &sent);
            scene.assert_untouched(&frames);
            for (frame, outcome) in frames.iter().zip(scene.program.run_summed(&frames)) {
                let wanted = Outcome {
                    verdict: Verdict::Next,
                    frame: frame.clone(),
                };
                assert_eq!(outcome, Some(wanted), "{what}");
            }
        }
    }
}

/// Whatever the checksum in the first fragment is, and whatever the data of the later ones are.
#[test]
fn sums_of_fragments_fit_whatever_is_in_them() {
    let scene = Scene::new("datapath-fragments-sums");
    for (family, port) in [
        (0, CLONE_MANY),
        (1, CLONE_MANY),
        (0, FORWARD_MANY),
        (1, FORWARD_MANY),
    ] {
        for value in (0..=u16::MAX).step_by(13) {
            let sent = Udp {
                payload: value.to_be_bytes().repeat(8),
                ..datagram(family, port)
            };
            let frames = frames(&scene, &sent);
            let outcomes = scene.program.run_summed(&frames);
            assert!(outcomes.iter().all(Option::is_some), "{sent:?}");
        }
    }
}

/// The only fragment of an IPv6 packet is a whole datagram, whatever its identification (RFC 6946). What follows
/// it under the same one has no first.
#[test]
fn an_atomic_fragment_is_a_whole_datagram() {
    let scene = Scene::new("datapath-fragments-atomic");
    let sent = datagram(1, FORWARD_MANY);
    let atomic = sent.fragments(64);
    assert_eq!(atomic.len(), 1);
    let outcome = &scene.program.run(&framed(&scene, &sent, &atomic))[0];
    let wanted = &copied(&sent, 7).fragments(64)[0];
    assert_eq!(outcome.verdict, Verdict::Redirect);
    assert_eq!(Packet::parse(&outcome.frame).ip_packet(), *wanted);
    scene.assert_untouched(&frames(&scene, &sent)[1..]);
    assert_eq!(unmatched(&scene), [2, 0]);
}

/// Destination options may be behind the fragment header as well (RFC 8200, 4.1): then UDP starts behind them.
#[test]
fn options_may_be_in_the_first_fragment() {
    const FRAGMENT: u8 = 44;
    const DESTINATION_OPTIONS: u8 = 60;
    let scene = Scene::new("datapath-fragments-options");
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let cut = |datagram: &Udp| {
        let segment = datagram.segment();
        let part = |units: u8, more: u8, data: &[u8]| {
            let mut part = datagram.clone();
            let header = vec![0, 0, 0, units << 3 | more, 0, 0, 0, 1];
            part.extensions = vec![(FRAGMENT, header)];
            part.around(DESTINATION_OPTIONS, data)
        };
        let first = part(0, 1, &[&options, &segment[..8]].concat());
        [first, part(2, 0, &segment[8..])]
    };
    let sent = datagram(1, FORWARD);
    let outcomes = scene.program.run(&framed(&scene, &sent, &cut(&sent)));
    for (outcome, wanted) in outcomes.iter().zip(cut(&copied(&sent, 0))) {
        assert_eq!(outcome.verdict, Verdict::Redirect);
        assert_eq!(Packet::parse(&outcome.frame).ip_packet(), wanted);
    }
    // Without room for the UDP header behind them.
    let mut short = framed(&scene, &sent, &cut(&sent)[..1]);
    short[0].truncate(14 + 40 + 8 + 8 + 7);
    short[0][14 + 5] = 8 + 8 + 7;
    scene.assert_untouched(&short);
    assert_eq!(unmatched(&scene), [0, 1]);
}

/// Orphan fragments and malformed packets of the interface.
pub(crate) fn unmatched(scene: &Scene) -> [u64; 2] {
    let metrics = scene.agent.metrics();
    ["orphan_fragment", "malformed"].map(|reason| {
        let labels = [("interface", "eth0"), ("reason", reason)];
        metrics.count("udplb_interface_unmatched_packets_total", &labels)
    })
}

/// A first fragment without the whole UDP header, or whose header lies, has no ports: it is let go, and what was
/// remembered under its key is forgotten.
#[test]
fn a_first_fragment_without_a_whole_header_is_let_go() {
    let scene = Scene::new("datapath-fragments-tiny");
    let (mut orphans, mut malformed) = (0, 0);
    for family in [0, 1] {
        let sent = datagram(family, FORWARD);
        let segment = sent.segment();
        let mut short = segment[..8].to_vec();
        short[4..6].copy_from_slice(&7_u16.to_be_bytes());
        for data in [&[][..], &segment[..4], &segment[..7], &short] {
            let first = sent.fragment(0, true, data);
            let later = sent.fragment(1, false, &segment[8..16]);
            let good = framed(&scene, &sent, &[sent.fragment(0, true, &segment[..8])]);
            assert_eq!(scene.program.run(&good)[0].verdict, Verdict::Redirect);
            scene.assert_untouched(&framed(&scene, &sent, &[first, later]));
            (orphans, malformed) = (orphans + 1, malformed + 1);
            assert_eq!(unmatched(&scene), [orphans, malformed], "{data:02x?}");
        }
        // Longer than the frame, and than any datagram.
        let mut cut = framed(&scene, &sent, &[sent.fragment(1, true, &[7; 16])]);
        let _: Option<u8> = cut[0].pop();
        scene.assert_untouched(&cut);
        scene.assert_untouched(&framed(
            &scene,
            &sent,
            &[sent.fragment(0x1fff, false, &[7; 16])],
        ));
        malformed += 2;
        assert_eq!(unmatched(&scene), [orphans, malformed]);
    }
}

/// Whatever a later fragment holds, and wherever it says that belongs, its data stay as they are.
#[test]
fn an_overlapping_fragment_changes_no_ports() {
    let scene = Scene::new("datapath-fragments-overlap");
    for family in [0, 1] {
        let sent = datagram(family, FORWARD);
        let segment = sent.segment();
        let first = sent.fragment(0, true, &segment[..16]);
        // As if it were a UDP header, and in the place of what the first has.
        let over = sent.fragment(1, true, &segment[..8]);
        let outcomes = scene.program.run(&framed(&scene, &sent, &[first, over]));
        let copy = copied(&sent, 0);
        for (outcome, wanted) in outcomes.iter().zip([
            copy.fragment(0, true, &copy.segment()[..16]),
            copy.fragment(1, true, &segment[..8]),
        ]) {
            assert_eq!(outcome.verdict, Verdict::Redirect);
            assert_eq!(Packet::parse(&outcome.frame).ip_packet(), wanted);
        }
    }
    assert_eq!(unmatched(&scene), [0, 0]);
}

/// A new first fragment takes the place of another one with its key, also where it is nobody's: then what follows
/// is no orphan, but left alone.
#[test]
fn the_last_first_fragment_counts() {
    let scene = Scene::new("datapath-fragments-replaced");
    for family in [0, 1] {
        let [kept, replaced, nobodys] =
            [FORWARD_MANY, FORWARD, UNUSED].map(|port| datagram(family, port));
        let [first, second, third] = [&kept, &replaced, &nobodys].map(|sent| frames(&scene, sent));
        let order = [&second[0], &first[0], &first[1], &second[0], &second[1]].map(Clone::clone);
        let outcomes = scene.program.run(&order);
        assert_forwarded_parts(&kept, 7, 1, &outcomes[2]);
        assert_forwarded_parts(&replaced, 0, 1, &outcomes[4]);
        scene.assert_untouched(&third);
    }
    assert_eq!(unmatched(&scene), [0, 0]);
}

/// Fails unless this is fragment `part` of what destination `number` sends.
fn assert_forwarded_parts(sent: &Udp, number: u16, part: usize, outcome: &Outcome) {
    let packet = Packet::parse(&outcome.frame);
    let wanted = &copied(sent, number).fragments(SIZE)[part];
    let found = identification(packet.ip_packet()).unwrap();
    assert_eq!(packet.ip_packet(), reidentified(wanted, found));
}

/// Fragments of other hosts' frames are not counted, and follow nobody.
#[test]
fn fragments_for_other_hosts_are_none_of_ours() {
    let scene = Scene::new("datapath-fragments-others");
    for family in [0, 1] {
        let sent = datagram(family, FORWARD);
        let mut frames = frames(&scene, &sent);
        let ours = frames[0].clone();
        for frame in &mut frames {
            frame[5] ^= 1;
        }
        assert_eq!(scene.program.run(&[ours])[0].verdict, Verdict::Redirect);
        scene.assert_untouched(&frames);
    }
    assert_eq!(unmatched(&scene), [0, 0]);
}
