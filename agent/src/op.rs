//! The instruction set: what `diff` asks for and `apply` carries out. Pure data.

mod text;

use std::{net::IpAddr, sync::Arc};

use udplb_abi::{
    forward::{ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    listener::{ListenerKey, ListenerSlot, PortWord, VlanKey},
    next_hop::NextHopSlot,
};

use crate::facts::InterfaceIndex;

/// One change of the kernel's state. Each is idempotent.
///
/// A pass emits what nobody can reach yet, then what publishes it, then a grace period, then what
/// nobody can reach any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are named after the map's key and value"
)]
pub enum Op {
    /// Remembers the name behind an identity.
    WriteName { id: u64, name: String },
    /// Adds one prefix to a source set that no forward names yet.
    WriteSource { key: SourceKey, prefix_length: u8 },
    /// Fills consecutive values of `TABLES`. `entries` holds as many as the table has slots: whoever
    /// writes them pads the last value with zeros.
    WriteTable { first: u32, entries: Arc<[u8]> },
    /// Fills a free slot.
    WriteNextHop { slot: u32, value: NextHopSlot },
    /// Fills a free slot.
    WriteRateLimit { slot: u32, value: RateLimitSlot },
    /// Fills a free slot.
    WriteUpstream { slot: u32, value: UpstreamSlot },
    /// Fills a free slot.
    WriteForward { slot: u32, value: Box<ForwardSlot> },
    /// Fills a free slot.
    WriteListener { slot: u32, value: ListenerSlot },

    /// Names a listener slot under its key: in `LISTENERS` where `prefix_length` is 128, otherwise in
    /// `PREFIXES`. Publishes it if the group is in use.
    SetListener {
        key: ListenerKey,
        prefix_length: u8,
        slot: u32,
    },
    /// Points an upstream at another next hop, or at none.
    SetNextHop { upstream: u32, slot: u32 },
    /// Puts a version of a forward in force; slot `NONE`: none, the number is free.
    SetForward { forward: u32, slot: u32 },
    /// Hands a port to a group, or to nobody.
    SetPort { port: u16, word: PortWord },
    /// Removes a listener's entry.
    RemoveListener { key: ListenerKey, prefix_length: u8 },
    /// Lets frames of a VLAN go to their VLAN device.
    SetVlan {
        key: VlanKey,
        device: InterfaceIndex,
    },
    /// The VLAN device is gone.
    RemoveVlan { key: VlanKey },

    /// Puts our program on an interface, or replaces an older one in place.
    Attach { interface: InterfaceIndex },
    /// Takes our program off an interface.
    Detach { interface: InterfaceIndex },
    /// Has the kernel keep a neighbour entry fresh.
    ManageNeighbour {
        interface: InterfaceIndex,
        address: IpAddr,
    },
    /// Takes back what `ManageNeighbour` did.
    ReleaseNeighbour {
        interface: InterfaceIndex,
        address: IpAddr,
    },

    /// Waits until no running program can still read what the ops before it made unreachable.
    Grace,

    /// Removes one prefix of a source set that no forward names any more.
    RemoveSource { key: SourceKey, prefix_length: u8 },
    /// Adds what an upstream's counters hold to its destination's retired traffic, then zeroes them.
    RetireUpstream { destination: u64, counters: u32 },
    /// Forgets a destination's retired traffic.
    RemoveRetired { destination: u64 },
    /// Zeroes the counters of a forward that is gone.
    ClearForwardCounters { slot: u32 },
    /// Zeroes the counters of a destination that is gone.
    ClearDestinationCounters { slot: u32 },
    /// Zeroes the counters of an upstream whose destination is gone.
    ClearUpstreamCounters { slot: u32 },
    /// Forgets a name.
    RemoveName { id: u64 },
}
