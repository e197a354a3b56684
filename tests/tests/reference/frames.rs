//! Random frames, each with what must come of it.

use udplb_tests::{
    lab::Mac,
    packet::{Ethernet, Udp, damage, kinds, nonsense},
    reference::{Node, Outcome},
    rows::Family,
    traffic::Numbers,
};

use crate::forwards::{FORWARDS, MTUS};

const ETHERNET: usize = 14;

/// What random frames start from: of every kind, to every port and one that nobody listens on.
pub(crate) fn whole_frames() -> Vec<Vec<u8>> {
    let link = Ethernet::new(Mac::of("sender", "eth0"), Mac::of("node", "eth0"));
    let ports = FORWARDS.iter().map(|(port, ..)| *port).chain([9]);
    let kinds = |port: u16| {
        [Family::V4, Family::V6].map(|family| {
            let upstream = family.collector_at(1, 5100).parse().unwrap();
            kinds(&family.datagram(port), upstream)
        })
    };
    let frame = |(_, datagram): (&str, Udp)| datagram.frame(&link);
    ports.flat_map(kinds).flatten().map(frame).collect()
}

/// A frame that the reference judges, with its judgement.
pub(crate) fn draw(numbers: &mut Numbers, whole: &[Vec<u8>], node: &Node) -> (Vec<u8>, Outcome) {
    loop {
        let mut frame = whole[numbers.below(whole.len())].clone();
        match numbers.below(8) {
            0 => frame = nonsense(numbers, &frame[..frame.len().min(58)]),
            1 | 2 => {}
            _ => damage(numbers, &mut frame),
        }
        if let Some(outcome) = node.judge(&frame).filter(fits) {
            return (frame, outcome);
        }
    }
}

/// Whether links carry all copies: with bytes behind the packet, a frame may be longer than its packet may be.
fn fits(outcome: &Outcome) -> bool {
    let mut copies = outcome.copies.iter();
    copies.all(|(link, copy)| copy.len() <= ETHERNET + MTUS[*link])
}
