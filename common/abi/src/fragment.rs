//! What is remembered of a datagram's first fragment, for the later ones to follow.

use crate::{MAX_DESTINATIONS, NONE, address::Address, hash::absorb};

/// Datagrams that are remembered at once, the oldest forgotten first. With their keys and what the kernel adds,
/// 3 MiB, taken when the map is made.
pub const MAX_DATAGRAMS: u32 = 16_384;

/// For how long a first fragment is remembered, ns: the time for which RFC 791 (3.2) has a receiver wait for
/// the rest. Later, the sender may have begun to use identifications again.
pub const MAX_AGE: u64 = 15_000_000_000;

/// Key of `FRAGMENTS`: what the fragments of one datagram have in common. All of them are UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct FragmentKey {
    /// Index of the interface that the fragment arrived on.
    pub interface: u32,
    /// The identification field as it is on the wire; 16 bits in IPv4.
    pub identification: u32,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// The VLAN tags that a frame had, the outer one first: the tag protocol and the VLAN number; zero for
    /// none. The protocol of an inner one makes no difference.
    pub tags: [u32; 2],
}

/// Value of `FRAGMENTS`: what was decided for a datagram.
///
/// The kernel may give the place of an element to another one while a program reads it. `seal` shows that:
/// it is over everything that belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct FragmentSlot {
    /// [`FragmentSlot::sealed`].
    pub seal: u64,
    /// When the first fragment came, ns of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Number of the forward; `NONE` where the datagram is nobody's.
    pub forward: u32,
    /// The identification that the copies of the first destination have where they need one of their own; those
    /// of the next destination have the next number.
    pub identification: u32,
    /// Source port, network byte order.
    pub source_port: [u8; 2],
    /// Destination port, network byte order.
    pub target_port: [u8; 2],
    /// The last destination that sent the first fragment.
    pub last: u32,
    /// What each destination decided for the first fragment: the program's own words.
    pub choices: [u32; MAX_DESTINATIONS],
}

/// What a decision rests on beside the fragment itself. It holds for as long as this stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Grounds {
    /// Slot of `FORWARD_SLOTS`.
    pub slot: u32,
    /// The slot's stamp, from `FORWARD_STAMPS`.
    pub stamp: u32,
    /// [`crate::listener::ListenerSlot::source`].
    pub source: Address,
}

impl Grounds {
    /// Nobody's datagram.
    pub const NONE: Self = Self {
        slot: NONE,
        stamp: 0,
        source: [0; 16],
    };
}

impl FragmentSlot {
    /// The seal of this value under a key: a hash of the key, of the value, and of what the decision rests on.
    #[inline(always)]
    #[must_use]
    pub const fn sealed(&self, key: &FragmentKey, grounds: &Grounds) -> u64 {
        // SAFETY: aligned to eight and without padding, so they are as many words.
        let (key, slot, grounds) = unsafe {
            (
                core::mem::transmute::<FragmentKey, [u64; 6]>(*key),
                core::mem::transmute::<Self, [u64; 8]>(*self),
                core::mem::transmute::<Grounds, [u64; 3]>(*grounds),
            )
        };
        let mut seal = 0;
        let mut word = 0;
        while word < key.len() {
            seal = absorb(seal, key[word]);
            word += 1;
        }
        // Behind the seal itself.
        word = 1;
        while word < slot.len() {
            seal = absorb(seal, slot[word]);
            word += 1;
        }
        word = 0;
        while word < grounds.len() {
            seal = absorb(seal, grounds[word]);
            word += 1;
        }
        seal
    }
}

const _: () = assert!(size_of::<FragmentKey>() == 48);
const _: () = assert!(size_of::<FragmentSlot>() == 64);
const _: () = assert!(size_of::<Grounds>() == 24);
const _: () = assert!(core::mem::offset_of!(FragmentSlot, seal) == 0);

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever word changes in key, value or grounds, the seal does not fit any more.
    #[test]
    fn every_word_is_under_the_seal() {
        let key = [0_u64; 6];
        let slot = [0_u64; 8];
        let grounds = [0_u64; 3];
        let seal = |key: [u64; 6], slot: [u64; 8], grounds: [u64; 3]| {
            // SAFETY: as many bytes, all of them parts of integers.
            let (key, slot, grounds) = unsafe {
                (
                    core::mem::transmute::<[u64; 6], FragmentKey>(key),
                    core::mem::transmute::<[u64; 8], FragmentSlot>(slot),
                    core::mem::transmute::<[u64; 3], Grounds>(grounds),
                )
            };
            slot.sealed(&key, &grounds)
        };
        let plain = seal(key, slot, grounds);
        for bit in 0..64 {
            let flipped = |words: &mut [u64], word: usize| words[word] ^= 1 << bit;
            for word in 0..key.len() {
                let mut other = key;
                flipped(&mut other, word);
                assert_ne!(seal(other, slot, grounds), plain, "key, word {word}");
            }
            for word in 0..slot.len() {
                let mut other = slot;
                flipped(&mut other, word);
                let same = seal(key, other, grounds) == plain;
                assert_eq!(same, word == 0, "value, word {word}");
            }
            for word in 0..grounds.len() {
                let mut other = grounds;
                flipped(&mut other, word);
                assert_ne!(seal(key, slot, other), plain, "grounds, word {word}");
            }
        }
    }
}
