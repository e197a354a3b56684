//! The flow hash: which upstream a packet goes to. The datapath and `explain` run the same code.

use crate::address::Address;

/// Which fields of a packet choose the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Strategy {
    /// Source address.
    SourceIp = 0,
    /// Source port.
    SourcePort = 1,
    /// Source address and port.
    SourceIpPort = 2,
    /// Both addresses, both ports, and the protocol, which is always UDP.
    FiveTuple = 3,
    /// None: each packet alone.
    Random = 4,
}

/// The fields of a packet that can choose its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub source: Address,
    /// Original destination address.
    pub destination: Address,
    /// Source port, host byte order.
    pub source_port: u16,
    /// Original destination port, host byte order.
    pub destination_port: u16,
}

/// Seed of the upstream choice. The same everywhere, so that a flow that moves to another node of
/// equal configuration keeps its upstream.
pub const BALANCE_SEED: u64 = 0x7564_706c_625f_6261;
/// Seed of flow sampling; not the one above, or sampling would thin out some upstreams.
pub const SAMPLING_SEED: u64 = 0x7564_706c_625f_7361;

// Odd constants with well-spread bits: 2^64 divided by the golden ratio, and the first fractional
// digits of the square roots of 2 and 3.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const FINAL_1: u64 = 0x6a09_e667_f3bc_c909;
const FINAL_2: u64 = 0xbb67_ae85_84ca_a73b;

/// Takes one word in. Each step is a bijection of the state, so no key collides with another that
/// differs in one word only.
#[inline(always)]
pub(crate) const fn absorb(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(STEP);
    mixed ^ (mixed >> 32)
}

/// Spreads every input bit over the upper half, which [`index`] uses.
#[inline(always)]
const fn finish(state: u64) -> u32 {
    let mixed = (state ^ (state >> 29)).wrapping_mul(FINAL_1);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(FINAL_2);
    (mixed >> 32) as u32
}

/// A [`Flow`] in the shape that the hash takes in: addresses as little-endian halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// Source address.
    pub source: [u64; 2],
    /// Original destination address.
    pub destination: [u64; 2],
    /// Source port, host byte order.
    pub source_port: u16,
    /// Original destination port, host byte order.
    pub destination_port: u16,
}

impl Flow {
    /// The flow in the shape that the hash takes in.
    #[must_use]
    pub const fn key(&self) -> FlowKey {
        FlowKey {
            source: halves(&self.source),
            destination: halves(&self.destination),
            source_port: self.source_port,
            destination_port: self.destination_port,
        }
    }
}

const fn halves(address: &Address) -> [u64; 2] {
    let bits = u128::from_le_bytes(*address);
    [bits as u64, (bits >> 64) as u64]
}

#[inline(always)]
const fn absorb_address(state: u64, address: [u64; 2]) -> u64 {
    let [high, low] = address;
    absorb(absorb(state, high), low)
}

/// Hash of the fields that `strategy` names. [`Strategy::Random`] hashes nothing: pass a random
/// number to [`index`] instead.
#[inline(always)]
#[must_use]
pub const fn keyed(strategy: Strategy, key: &FlowKey) -> u32 {
    match strategy {
        Strategy::SourceIp => finish(absorb_address(BALANCE_SEED, key.source)),
        Strategy::SourcePort => finish(absorb(BALANCE_SEED, key.source_port as u64)),
        Strategy::SourceIpPort => {
            let state = absorb_address(BALANCE_SEED, key.source);
            finish(absorb(state, key.source_port as u64))
        }
        Strategy::FiveTuple => five_tuple_keyed(BALANCE_SEED, key),
        Strategy::Random => 0,
    }
}

/// Hash of the whole five-tuple under a seed.
#[inline(always)]
#[must_use]
pub const fn five_tuple_keyed(seed: u64, key: &FlowKey) -> u32 {
    let ports = (key.source_port as u64) << 16 | key.destination_port as u64;
    let state = absorb_address(seed, key.source);
    let state = absorb_address(state, key.destination);
    finish(absorb(state, ports))
}

/// [`keyed`] of a flow.
#[must_use]
pub const fn flow(strategy: Strategy, flow: &Flow) -> u32 {
    keyed(strategy, &flow.key())
}

/// [`five_tuple_keyed`] of a flow.
#[must_use]
pub const fn five_tuple(seed: u64, flow: &Flow) -> u32 {
    five_tuple_keyed(seed, &flow.key())
}

/// Maps a hash to `0..length` evenly, without a division.
#[inline(always)]
#[must_use]
pub const fn index(hash: u32, length: u32) -> u32 {
    ((hash as u64 * length as u64) >> 32) as u32
}
