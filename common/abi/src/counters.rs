//! Counters, one copy a CPU. A slot gets a new meaning only after it was read out and zeroed.

/// Packets and bytes. Bytes are IP lengths; a GSO packet counts as its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets, headers included.
    pub bytes: u64,
}

/// Why a packet that matched was not sent to a destination. The closed set of the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The destination has no upstream in the packet's address family.
    NoUpstream = 0,
    /// No route leads to the upstream.
    NoRoute = 1,
    /// The neighbour towards the upstream has no link-layer address.
    NeighbourUnresolved = 2,
    /// The copy is longer than the next hop's MTU.
    MtuExceeded = 3,
    /// TTL or hop limit was 1 or 0.
    TtlExpired = 4,
    /// The destination's rate limit is spent.
    RateLimited = 5,
    /// The kernel refused to clone the packet or to hand it to the egress device.
    SendFailed = 6,
    /// The kernel refused to write the packet's headers.
    RewriteFailed = 7,
}

impl DropReason {
    /// Every reason, in index order.
    pub const ALL: [Self; 8] = [
        Self::NoUpstream,
        Self::NoRoute,
        Self::NeighbourUnresolved,
        Self::MtuExceeded,
        Self::TtlExpired,
        Self::RateLimited,
        Self::SendFailed,
        Self::RewriteFailed,
    ];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoUpstream => "no_upstream",
            Self::NoRoute => "no_route",
            Self::NeighbourUnresolved => "neighbour_unresolved",
            Self::MtuExceeded => "mtu_exceeded",
            Self::TtlExpired => "ttl_expired",
            Self::RateLimited => "rate_limited",
            Self::SendFailed => "send_failed",
            Self::RewriteFailed => "rewrite_failed",
        }
    }
}

/// Packets that a destination did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct DestinationCounters {
    /// Left out by sampling.
    pub sampled_out: u64,
    /// Handed to the local stack because no destination was available.
    pub passed: u64,
    /// Dropped, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
}

/// Why a frame was not looked at although it might have been ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum UnmatchedReason {
    /// A header is cut short or contradicts itself.
    Malformed = 0,
    /// A later fragment of a UDP datagram whose first one is not known: it has not come yet, was lost or
    /// malformed, or came too long ago, or before its forward was changed.
    OrphanFragment = 1,
}

impl UnmatchedReason {
    /// Every reason, in index order.
    pub const ALL: [Self; 2] = [Self::Malformed, Self::OrphanFragment];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OrphanFragment => "orphan_fragment",
        }
    }
}

/// Frames of one interface that were let go for a reason worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct InterfaceCounters {
    /// Packets by [`UnmatchedReason`].
    pub unmatched: [u64; UnmatchedReason::ALL.len()],
}

const _: () = assert!(size_of::<Traffic>() == 16);
const _: () = assert!(size_of::<DestinationCounters>() == 80);
