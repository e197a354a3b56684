//! Random and damaged frames: whatever comes, other people's packets go on as they are.

use std::net::IpAddr;

use udplb_tests::{
    packet::{damage, nonsense},
    test_run::Verdict,
    traffic::Numbers,
};

use crate::scene::{
    CLONE, CLONE_MANY, FORWARD, FORWARD_MANY, NODE, Scene, UNUSED, all_kinds, datagram,
};

const FRAMES: u32 = 200_000;
const SEED: u64 = 0x0b5e_55ed_5eed_1e55;
const ETHERNET: usize = 14;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
/// Hop-by-hop options, routing and these two.
const EXTENSIONS: [u8; 4] = [0, 43, FRAGMENT, DESTINATION_OPTIONS];

/// Whether a frame is a UDP datagram to a forward that consumes, or a fragment of one, read in another way than the
/// program's. It may have more extension headers, and in another order, than a strict parser allows. The damage makes
/// fragments of whole datagrams; all have one identification, so later ones have a first to follow.
fn may_be_consumed(scene: &Scene, frame: &[u8]) -> bool {
    let to_node = frame[..6] == scene.lab.host("node").mac("eth0").0 || frame[0] & 1 != 0;
    to_node && is_consumed_datagram(frame).unwrap_or(false)
}

/// None where the frame ends before its headers do.
fn is_consumed_datagram(frame: &[u8]) -> Option<bool> {
    let word = |offset: usize| Some(u16::from_be_bytes(*frame.get(offset..)?.first_chunk()?));
    let mut ip = ETHERNET;
    while matches!(word(ip - 2)?, 0x8100 | 0x88a8) {
        ip += 4;
    }
    let version = match word(ip - 2)? {
        0x0800 => 4,
        0x86dd => 6,
        _ => return Some(false),
    };
    let first = frame.get(ip)?;
    let (mut is_fragment, mut is_later) = (false, false);
    let (mut next, mut udp, destination): (u8, usize, IpAddr) = if version == 4 {
        let field = word(ip + 6)?;
        (is_fragment, is_later) = (field & 0x3fff != 0, field & 0x1fff != 0);
        let address: [u8; 4] = *frame.get(ip + 16..)?.first_chunk()?;
        let length = usize::from(first & 15) * 4;
        (*frame.get(ip + 9)?, ip + length, address.into())
    } else {
        let address: [u8; 16] = *frame.get(ip + 24..)?.first_chunk()?;
        (*frame.get(ip + 6)?, ip + 40, address.into())
    };
    while version == 6 && EXTENSIONS.contains(&next) {
        let length = if next == FRAGMENT {
            let field = word(udp + 2)?;
            (is_fragment, is_later) = (field & 0xfff9 != 0, field & 0xfff8 != 0);
            8
        } else {
            (usize::from(*frame.get(udp + 1)?) + 1) * 8
        };
        next = *frame.get(udp)?;
        udp += length;
        if is_later {
            break;
        }
    }
    let node = NODE.map(|address| address.trim_matches(['[', ']']).parse().unwrap());
    let to_node = first >> 4 == version && node.contains(&destination);
    if is_later {
        return Some(to_node && [UDP, DESTINATION_OPTIONS].contains(&next));
    }
    Some(
        to_node
            && next == UDP
            && [FORWARD, FORWARD_MANY].contains(&word(udp + 2)?)
            && (is_fragment || udp + usize::from(word(udp + 4)?) <= frame.len()),
    )
}

#[test]
fn noise_harms_nobody() {
    let scene = Scene::new("datapath-noise");
    let ports = [CLONE, CLONE_MANY, FORWARD, FORWARD_MANY, UNUSED];
    let good: Vec<Vec<u8>> = ports
        .iter()
        .flat_map(|port| all_kinds(*port))
        .map(|(_, kind)| scene.frame(&kind))
        .collect();
    // Up to the Ethernet type, the IP addresses, the ports.
    let whole = [0, 1].map(|family| scene.frame(&datagram(family, FORWARD)));
    let beginnings: Vec<&[u8]> = [(0, 14), (0, 34), (0, 38), (1, 14), (1, 54), (1, 58)]
        .map(|(family, length): (usize, usize)| &whole[family][..length])
        .to_vec();
    let mut numbers = Numbers::new(SEED);
    let (mut next, mut consumed, mut refused) = (0, 0, 0);
    for _ in 0..FRAMES / 1000 {
        let frames: Vec<Vec<u8>> = (0..1000)
            .map(|_| {
                if numbers.below(4) == 0 {
                    let beginning = beginnings[numbers.below(beginnings.len())];
                    return nonsense(&mut numbers, beginning);
                }
                let mut frame = good[numbers.below(good.len())].clone();
                damage(&mut numbers, &mut frame);
                frame
            })
            .collect();
        for (frame, outcome) in frames.iter().zip(scene.program.try_run(&frames)) {
            let Some(outcome) = outcome else {
                refused += 1;
                continue;
            };
            match outcome.verdict {
                Verdict::Next => {
                    assert_eq!(outcome.frame, *frame, "a packet that goes on was altered");
                    next += 1;
                }
                Verdict::Drop | Verdict::Redirect => {
                    assert!(
                        may_be_consumed(&scene, frame),
                        "not ours, but {:?}: {frame:02x?}",
                        outcome.verdict
                    );
                    consumed += 1;
                }
                Verdict::Other(verdict) => panic!("verdict {verdict}: {frame:02x?}"),
            }
        }
    }
    println!("{next} went on, {consumed} were consumed, {refused} are no packets to the kernel");
    // Both ways were walked, and most frames got there.
    assert!(next > FRAMES / 2 && consumed > FRAMES / 20 && refused < FRAMES / 4);
}
