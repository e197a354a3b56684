//! What the eBPF program and user space share: map keys, map values, the flow hash.
//!
//! A packet walks the maps in this order, one lookup a stage:
//!
//! ```text
//! PORTS[port] ─ group ─▶ LISTENERS{interface, group, address} ─▶ LISTENER_SLOTS
//!                        PREFIXES (longest prefix)            ─┘      │ forward
//!                                                                     ▼
//!           FORWARD_SLOTS ◀─ slot ─ FORWARDS[forward]      (SOURCES: source filter)
//!                 │ for each destination
//!                 ▼
//!           TABLES[hash] ─▶ UPSTREAMS[first + index] ─ next_hop ─▶ NEXT_HOPS
//! ```
//!
//! Every slot is immutable once a program can reach it. A change is written to slots that nobody
//! can reach, and one aligned store publishes it: to `PORTS`, `FORWARDS`, the `next_hop` word of an
//! upstream, or the value of a hash entry. Slots that became unreachable are written again only
//! after an RCU grace period.
#![no_std]
#![expect(
    clippy::inline_always,
    reason = "a function of the eBPF program that is not inlined is a call that the verifier follows"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "constant functions have no other conversion, and each of these takes a half on purpose"
)]

pub mod address;
pub mod counters;
pub mod forward;
pub mod fragment;
pub mod hash;
pub mod layout;
pub mod listener;
pub mod next_hop;
pub mod record;
pub mod trace;
#[cfg(feature = "user")]
mod user;

/// Slot number that names nothing, in every map: slot 0 is never used.
pub const NONE: u32 = 0;

/// Map names as the eBPF program declares them and as the pins are called.
pub mod map {
    /// `u32` by UDP destination port: a [`crate::listener::PortWord`].
    pub const PORTS: &str = "PORTS";
    /// Hash from [`crate::listener::ListenerKey`] to a slot of [`LISTENER_SLOTS`].
    pub const LISTENERS: &str = "LISTENERS";
    /// Longest prefix match over the same key, to a slot of [`LISTENER_SLOTS`].
    pub const PREFIXES: &str = "PREFIXES";
    /// [`crate::listener::ListenerSlot`]s.
    pub const LISTENER_SLOTS: &str = "LISTENER_SLOTS";
    /// `u32` by forward number: the slot of [`FORWARD_SLOTS`] in force.
    pub const FORWARDS: &str = "FORWARDS";
    /// [`crate::forward::ForwardSlot`]s.
    pub const FORWARD_SLOTS: &str = "FORWARD_SLOTS";
    /// `u32` by slot of [`FORWARD_SLOTS`]: how often the slot was written.
    pub const FORWARD_STAMPS: &str = "FORWARD_STAMPS";
    /// Longest prefix match over [`crate::forward::SourceKey`]; the value repeats the set.
    pub const SOURCES: &str = "SOURCES";
    /// Balance tables, eight entries of one byte in each value.
    pub const TABLES: &str = "TABLES";
    /// [`crate::forward::UpstreamSlot`]s.
    pub const UPSTREAMS: &str = "UPSTREAMS";
    /// [`crate::next_hop::NextHopSlot`]s.
    pub const NEXT_HOPS: &str = "NEXT_HOPS";
    /// [`crate::forward::RateLimitSlot`]s; the program moves their clock.
    pub const RATE_LIMITS: &str = "RATE_LIMITS";
    /// Hash from [`crate::listener::VlanKey`] to the VLAN device that takes such frames.
    pub const VLANS: &str = "VLANS";
    /// Hash from [`crate::fragment::FragmentKey`] to [`crate::fragment::FragmentSlot`] that forgets the
    /// oldest. Of the program only.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Per-CPU `u32`: the IPv4 identifications that the program has given away. Of the program only.
    pub const IDENTIFICATIONS: &str = "IDENTIFICATIONS";
    /// The program's zero-initialised data, one value: a [`crate::trace::TraceRequest`]. The ELF
    /// section gives it its name; the pin is called `TRACE`.
    pub const TRACE: &str = ".bss";
    /// Per-CPU [`crate::trace::TraceBudget`].
    pub const TRACE_BUDGETS: &str = "TRACE_BUDGETS";
    /// Ring buffer of [`crate::trace::TraceEvent`]s.
    pub const TRACE_EVENTS: &str = "TRACE_EVENTS";
    /// Per-CPU [`crate::counters::Traffic`] of forwards: what matched.
    pub const FORWARD_COUNTERS: &str = "FORWARD_COUNTERS";
    /// Per-CPU [`crate::counters::DestinationCounters`].
    pub const DESTINATION_COUNTERS: &str = "DESTINATION_COUNTERS";
    /// Per-CPU [`crate::counters::Traffic`] of upstreams: what was sent.
    pub const UPSTREAM_COUNTERS: &str = "UPSTREAM_COUNTERS";
    /// `u64` by slot of [`FORWARD_COUNTERS`]: the identity of the forward that is counted there; 0 for none. User space
    /// only, as are the next two.
    pub const FORWARD_OWNERS: &str = "FORWARD_OWNERS";
    /// `u64` by slot of [`DESTINATION_COUNTERS`]: the identity of the destination that is counted there.
    pub const DESTINATION_OWNERS: &str = "DESTINATION_OWNERS";
    /// [`crate::record::UpstreamOwner`] by slot of [`UPSTREAM_COUNTERS`].
    pub const UPSTREAM_OWNERS: &str = "UPSTREAM_OWNERS";
    /// Per-CPU hash from interface index to [`crate::counters::InterfaceCounters`].
    pub const INTERFACE_COUNTERS: &str = "INTERFACE_COUNTERS";
    /// Hash from a name's 64-bit identity to [`crate::record::Name`]. User space only.
    pub const NAMES: &str = "NAMES";
    /// Hash from a destination's identity to [`crate::counters::Traffic`]: what it sent to upstreams
    /// that have left it since, so that its counters still add up. User space only.
    pub const RETIRED: &str = "RETIRED";
    /// Hash from interface index to [`crate::record::Attachment`]. User space only.
    pub const ATTACHMENTS: &str = "ATTACHMENTS";
    /// Hash from [`crate::record::NeighbourKey`] to [`crate::record::Neighbour`]. User space only.
    pub const NEIGHBOURS: &str = "NEIGHBOURS";
}

/// How many destinations one forward may have.
pub const MAX_DESTINATIONS: usize = 8;

/// How many resolved upstreams one destination may have in each address family.
pub const MAX_UPSTREAMS: usize = 256;
