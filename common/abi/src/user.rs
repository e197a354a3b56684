//! The types as plain data for aya's map functions.

use aya::Pod;

use crate::{
    counters::{DestinationCounters, InterfaceCounters, Traffic},
    forward::{ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    fragment::{FragmentKey, FragmentSlot},
    listener::{ListenerKey, ListenerSlot, VlanKey},
    next_hop::NextHopSlot,
    record::{Attachment, Name, Neighbour, NeighbourKey, UpstreamOwner},
    trace::{TraceBudget, TraceEvent, TraceRequest},
};

macro_rules! plain {
    ($($name:ty),+ $(,)?) => {$(
        // SAFETY: `repr(C)`, only integers and arrays of them, every padding byte is a field, so
        // every bit pattern is a value and no byte is uninitialised.
        unsafe impl Pod for $name {}
    )+};
}

plain!(
    ForwardSlot,
    ListenerSlot,
    NextHopSlot,
    RateLimitSlot,
    UpstreamSlot,
    Attachment,
    FragmentKey,
    FragmentSlot,
    DestinationCounters,
    InterfaceCounters,
    ListenerKey,
    Name,
    Neighbour,
    NeighbourKey,
    SourceKey,
    TraceBudget,
    TraceEvent,
    TraceRequest,
    Traffic,
    UpstreamOwner,
    VlanKey,
);

impl TraceEvent {
    /// An event as the ring buffer hands it over; `None` where the size is another one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: as many bytes as the type has, which is plain data; read wherever they start.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}
