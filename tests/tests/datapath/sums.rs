//! `CHECKSUM_COMPLETE`: the sum that hardware made over the bytes fits them still after Clone, for every value of
//! the UDP checksum.

use udplb_tests::{
    packet::{Checksum, Udp},
    test_run::{Outcome, Verdict},
};

use crate::scene::{CLONE, CLONE_MANY, Scene, all_kinds, datagram};

/// Frames at a time, for the memory's sake.
const CHUNK: u32 = 4096;

fn assert_sums_fit(scene: &Scene, frames: &[Vec<u8>]) {
    for (frame, outcome) in frames.iter().zip(scene.program.run_summed(frames)) {
        let outcome =
            outcome.unwrap_or_else(|| panic!("the sum does not fit any more: {frame:02x?}"));
        assert!(
            outcome.verdict == Verdict::Next && outcome.frame == *frame,
            "{outcome:?} from {frame:02x?}"
        );
    }
}

/// All 65,536 values of a two-byte field, in datagrams to a port.
fn assert_all_values_fit(scene: &Scene, datagram: &Udp, change: impl Fn(&mut Udp, u16)) {
    for start in (0..=0xffff_u32).step_by(CHUNK.try_into().unwrap()) {
        let frames: Vec<Vec<u8>> = (start..start + CHUNK)
            .map(|value| {
                let mut changed = datagram.clone();
                change(&mut changed, value.try_into().unwrap());
                scene.frame(&changed)
            })
            .collect();
        assert_sums_fit(scene, &frames);
    }
}

/// Right checksums of every value: the data vary.
#[test]
fn sums_fit_after_clone_whatever_the_checksum_is() {
    let scene = Scene::new("datapath-sums");
    for port in [CLONE, CLONE_MANY] {
        for family in [0, 1] {
            let vary = |udp: &mut Udp, value: u16| udp.payload = value.to_be_bytes().to_vec();
            assert_all_values_fit(&scene, &datagram(family, port), vary);
        }
    }
}

/// The same checksums where they are wrong, and none: then the sum over all bytes takes every value too.
#[test]
fn sums_fit_after_clone_where_the_checksum_is_wrong_or_zero() {
    let scene = Scene::new("datapath-sums-wrong");
    for port in [CLONE, CLONE_MANY] {
        for family in [0, 1] {
            let wrong = |udp: &mut Udp, value: u16| udp.checksum = Checksum::Is(value);
            assert_all_values_fit(&scene, &datagram(family, port), wrong);
            let zero = |udp: &mut Udp, value: u16| {
                udp.checksum = Checksum::Zero;
                udp.payload = value.to_be_bytes().to_vec();
            };
            assert_all_values_fit(&scene, &datagram(family, port), zero);
        }
        let kinds: Vec<Vec<u8>> = all_kinds(port)
            .iter()
            .map(|(_, kind)| scene.frame(kind))
            .collect();
        assert_sums_fit(&scene, &kinds);
    }
}

/// The packet itself goes on with a sum that fits its new bytes.
#[test]
fn sums_fit_after_forward() {
    use crate::scene::{FORWARD, FORWARD_MANY};
    let scene = Scene::new("datapath-sums-forward");
    for port in [FORWARD, FORWARD_MANY] {
        let frames: Vec<Vec<u8>> = all_kinds(port)
            .iter()
            .map(|(_, kind)| scene.frame(kind))
            .collect();
        let plain = scene.program.run(&frames);
        let summed = scene.program.run_summed(&frames);
        for ((kind, plain), summed) in all_kinds(port).iter().zip(plain).zip(summed) {
            let summed: Option<Outcome> = summed;
            assert_eq!(summed, Some(plain), "{}", kind.0);
        }
    }
}
