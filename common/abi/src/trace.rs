//! What `trace` asks of the program, and what the program answers through a ring buffer.
//!
//! The request is one value in the program's zero-initialised data. While nobody traces, a packet
//! pays one load for it.

use crate::address::Address;

/// `TraceRequest::verdicts`, as bits; `TraceEvent::verdict`, as bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TraceVerdict {
    /// Handed to the egress device.
    Sent = 0,
    /// Dropped, for a [`crate::counters::DropReason`].
    Dropped = 1,
    /// Left out by sampling.
    SampledOut = 2,
    /// Left to the local stack because no destination was available.
    Passed = 3,
}

impl TraceVerdict {
    /// Every verdict, in index order.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Dropped, Self::SampledOut, Self::Passed];

    /// The word that users read and write.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::SampledOut => "sampled_out",
            Self::Passed => "passed",
        }
    }

    /// Its bit in [`TraceRequest::verdicts`].
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Which decisions to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct TraceRequest {
    /// Until when to report, ns of `CLOCK_MONOTONIC`. Whoever traces moves it on, so that a tracer
    /// that died costs nothing for long: what would be reported later ends the session instead.
    pub until: u64,
    /// Identity of the only forward to report; 0: any.
    pub forward: u64,
    /// The only source addresses to report: those that are `source` under `source_mask`.
    pub source: Address,
    /// See `source`. All zero: any source.
    pub source_mask: Address,
    /// The only upstream address to report; all zero: any upstream, also none.
    pub upstream: Address,
    /// The only upstream port to report, network byte order; 0: any.
    pub upstream_port: [u8; 2],
    /// Always zero.
    pub padding: [u8; 6],
    /// Number of the session, another one each time; 0: report nothing. The word that the program
    /// looks at for every packet of ours.
    pub session: u32,
    /// Bits of [`TraceVerdict`] to report.
    pub verdicts: u32,
    /// Bits of [`crate::counters::DropReason`] to report of what was dropped.
    pub reasons: u32,
    /// Decisions that a CPU may report at once.
    pub burst: u32,
    /// Time between two reports of a CPU at the limit, ns; 0: no limit.
    pub interval: u64,
}

impl TraceRequest {
    /// Report nothing.
    pub const OFF: Self = Self {
        until: 0,
        forward: 0,
        source: [0; 16],
        source_mask: [0; 16],
        upstream: [0; 16],
        upstream_port: [0; 2],
        padding: [0; 6],
        session: 0,
        verdicts: 0,
        reasons: 0,
        burst: 0,
        interval: 0,
    };
}

/// What a CPU remembers of its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TraceBudget {
    /// Theoretical arrival time of the next report, ns of `CLOCK_MONOTONIC`.
    pub arrival: u64,
    /// Reports that the limit or a full ring buffer has swallowed since the maps were made.
    pub swallowed: u64,
}

/// What one destination did with one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct TraceEvent {
    /// When, ns of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Identity of the forward, a key of `NAMES`.
    pub forward: u64,
    /// Identity of the destination, a key of `NAMES`.
    pub destination: u64,
    /// Source address of the packet.
    pub source: Address,
    /// Destination address of the packet.
    pub target: Address,
    /// Address of the upstream; all zero where none was chosen.
    pub upstream: Address,
    /// [`crate::listener::ListenerSlot::source`]: the source of copies with a rewritten source; all
    /// zero for the packet's own destination.
    pub listener_source: Address,
    /// Interface that the packet arrived on.
    pub interface: u32,
    /// Interface of the upstream's next hop; 0 where there is none.
    pub egress: u32,
    /// Packets: segments of a GSO packet, otherwise 1.
    pub packets: u32,
    /// Bytes of them, IP headers included.
    pub bytes: u32,
    /// Source port of packet and copy, network byte order.
    pub source_port: [u8; 2],
    /// Destination port of the packet, network byte order.
    pub target_port: [u8; 2],
    /// Port of the upstream, network byte order; 0: the packet's own.
    pub upstream_port: [u8; 2],
    /// `ADDRESS_*` for the source of copies.
    pub source_address: u8,
    /// `ADDRESS_*` for the destination of copies.
    pub destination_address: u8,
    /// TTL or hop limit of the packet.
    pub hops: u8,
    /// [`TraceVerdict`] as a number.
    pub verdict: u8,
    /// [`crate::counters::DropReason`] as a number, where dropped.
    pub reason: u8,
    /// `ACTION_*` of the forward.
    pub action: u8,
    /// Link-layer address of the next hop; of meaning where it is resolved.
    pub neighbour_mac: [u8; 6],
    /// `STATE_*` of the next hop.
    pub neighbour_state: u8,
    /// `FRAGMENT_*`.
    pub fragment: u8,
    /// Always zero.
    pub padding: [u8; 4],
}

/// `TraceEvent::fragment`: a whole packet.
pub const FRAGMENT_NONE: u8 = 0;
/// `TraceEvent::fragment`: the first fragment of a datagram.
pub const FRAGMENT_FIRST: u8 = 1;
/// `TraceEvent::fragment`: a later fragment, with the ports of the first.
pub const FRAGMENT_LATER: u8 = 2;

/// Bytes of the ring buffer: 7,700 decisions.
pub const TRACE_BUFFER_BYTES: u32 = 1 << 20;

const _: () = assert!(size_of::<TraceRequest>() == 96);
const _: () = assert!(size_of::<TraceEvent>() == 128);
const _: () = assert!(core::mem::offset_of!(TraceEvent, neighbour_mac) == 116);
