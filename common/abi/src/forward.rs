//! What happens with a packet that is ours: forwards, destinations, balance tables, upstreams.

use crate::{
    MAX_DESTINATIONS,
    address::{Address, Family},
};

/// `ForwardSlot::action`: copies are sent and the original goes on.
pub const ACTION_CLONE: u8 = 0;
/// `ForwardSlot::action`: the packet is sent and the original is consumed.
pub const ACTION_FORWARD: u8 = 1;

/// `ForwardSlot::when_unavailable`: drop.
pub const UNAVAILABLE_DROP: u8 = 0;
/// `ForwardSlot::when_unavailable`: hand the packet to the local stack.
pub const UNAVAILABLE_PASS: u8 = 1;

/// `Destination::source_address`, `Destination::destination_address`: stays as it arrived.
pub const ADDRESS_PRESERVE: u8 = 0;
/// `Destination::source_address`, `Destination::destination_address`: is rewritten.
pub const ADDRESS_REWRITE: u8 = 1;

/// `Destination::sampling_per`: each packet is decided alone.
pub const SAMPLING_PER_PACKET: u8 = 0;
/// `Destination::sampling_per`: all packets of one five-tuple share a decision.
pub const SAMPLING_PER_FLOW: u8 = 1;

/// One version of a forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct ForwardSlot {
    /// Identity of the forward's `namespace/name`, a key of `NAMES`.
    pub id: u64,
    /// Source set in `SOURCES` that a packet must be in; `NONE` for any source.
    pub sources: u32,
    /// Slot of `FORWARD_COUNTERS`.
    pub counters: u32,
    /// `ACTION_*`.
    pub action: u8,
    /// `UNAVAILABLE_*`; of meaning for `ACTION_FORWARD` only.
    pub when_unavailable: u8,
    /// How many of `destinations` are in use, 1–8.
    pub destination_count: u8,
    /// Always zero.
    pub padding: u8,
    /// Always zero. The program mixes it into what it decides: the verifier does not know that it is
    /// zero, hence nothing of the decision, and does not walk the rest once for every combination of
    /// eight decisions.
    pub zero: u32,
    /// The destinations, in the order of the spec; the rest is zero.
    pub destinations: [Destination; MAX_DESTINATIONS],
}

/// One destination of a forward: gets every packet and chooses one upstream for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C, align(8))]
pub struct Destination {
    /// Identity of the destination's `namespace/name/destination`, a key of `NAMES`.
    pub id: u64,
    /// Slot of `DESTINATION_COUNTERS`.
    pub counters: u32,
    /// Slot of `RATE_LIMITS`, or `NONE`.
    pub rate_limit: u32,
    /// One of this many packets or flows is taken; 0 and 1 take all.
    pub sampling_one_in: u32,
    /// [`crate::hash::Strategy`] as a number.
    pub strategy: u8,
    /// `ADDRESS_*` for the source of copies.
    pub source_address: u8,
    /// `ADDRESS_*` for the destination of copies.
    pub destination_address: u8,
    /// `SAMPLING_PER_*`.
    pub sampling_per: u8,
    /// Upstreams by [`Family`].
    pub balance: [Balance; Family::ALL.len()],
}

/// The upstreams of one destination in one address family, and how one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Balance {
    /// First slot of the block in `UPSTREAMS`.
    pub first: u32,
    /// Upstreams in the block, usable or not; 0: this family has no upstream.
    pub count: u32,
    /// Length of the balance table; 0: no table, `table` itself is the chosen index.
    pub slots: u32,
    /// First value of the balance table in `TABLES` (eight entries a value), or the chosen index.
    pub table: u32,
}

/// Balance table entries in one value of `TABLES`.
pub const TABLE_ENTRIES_PER_VALUE: u32 = 8;

/// One upstream of one destination. Immutable but for `next_hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct UpstreamSlot {
    /// Address that copies are sent to.
    pub address: Address,
    /// Slot of `NEXT_HOPS`, or `NONE` where no route leads there.
    /// The only word that changes while programs read the slot, by one aligned store.
    pub next_hop: u32,
    /// Slot of `UPSTREAM_COUNTERS`.
    pub counters: u32,
    /// UDP port in network byte order; 0 keeps the port that the packet came to.
    pub port: [u8; 2],
    /// Weight, 1–256; for user space only.
    pub weight: u16,
    /// Always zero.
    pub padding: u32,
}

/// Key of `SOURCES`, behind its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct SourceKey {
    /// Number of the source set.
    pub set: u32,
    /// Source address of the packet, or the prefix with its host bits zero.
    pub address: Address,
}

/// Bits of a [`SourceKey`] in front of its address.
pub const SOURCE_KEY_BITS: u32 = 32;

/// Rate limit of one destination on this node (generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct RateLimitSlot {
    /// Theoretical arrival time of the next packet, ns of `CLOCK_MONOTONIC`. The program moves it.
    pub arrival: u64,
    /// Time between two packets at the limit, ns.
    pub interval: u64,
    /// How far `arrival` may run ahead of the clock, ns: (burst − 1) × interval.
    pub tolerance: u64,
}

const _: () = assert!(size_of::<Balance>() == 16);
const _: () = assert!(size_of::<Destination>() == 56);
const _: () = assert!(size_of::<ForwardSlot>() == 24 + 8 * 56);
const _: () = assert!(size_of::<UpstreamSlot>() == 32);
const _: () = assert!(core::mem::offset_of!(UpstreamSlot, next_hop) == 16);
const _: () = assert!(size_of::<SourceKey>() == 20);
const _: () = assert!(size_of::<RateLimitSlot>() == 24);
