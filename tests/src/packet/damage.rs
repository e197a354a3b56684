//! Frames with damage: mostly in their headers, and mostly little of it. Pure.

use crate::traffic::Numbers;

const ETHERNET: usize = 14;

/// Damages a frame at up to three places, and may cut it short or pad it.
pub fn damage(numbers: &mut Numbers, frame: &mut Vec<u8>) {
    for _ in 0..numbers.below(4) {
        let end = if numbers.below(4) == 0 {
            frame.len()
        } else {
            frame.len().min(ETHERNET + 64)
        };
        let position = if numbers.below(8) == 0 {
            numbers.below(end)
        } else {
            12 + numbers.below(end - 12)
        };
        frame[position] = match numbers.below(3) {
            0 => numbers.byte(),
            1 => frame[position] ^ 1 << numbers.below(8),
            _ => [0, 1, 0xff, 17, 44, 60][numbers.below(6)],
        };
    }
    match numbers.below(8) {
        0 => frame.truncate(ETHERNET + numbers.below(frame.len() - ETHERNET + 1)),
        1 => frame.extend((0..=numbers.below(64)).map(|_| 0)),
        _ => {}
    }
}

/// A frame of which only the beginning makes sense.
pub fn nonsense(numbers: &mut Numbers, beginning: &[u8]) -> Vec<u8> {
    let length = beginning.len() + numbers.below(120);
    let mut frame = beginning.to_vec();
    frame.resize_with(length, || numbers.byte());
    frame
}
