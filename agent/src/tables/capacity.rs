//! How many entries each map has room for, derived from one number. **pure**
//!
//! | map | entries for N forwards | why |
//! | --- | --- | --- |
//! | `FORWARDS`, `FORWARD_SLOTS` | 2 N | old and new version at once |
//! | `LISTENERS`, `LISTENER_SLOTS` | 64 N | interfaces × addresses × forwards, twice during a change |
//! | `PREFIXES`, `SOURCES` | 16 N | |
//! | `UPSTREAMS`, `UPSTREAM_COUNTERS` | 16 N | |
//! | `NEXT_HOPS`, `NEIGHBOURS` | 4 N | equal ones are shared |
//! | `DESTINATION_COUNTERS`, `RATE_LIMITS`, `RETIRED` | 4 N | |
//! | `NAMES` | 8 N | forwards and destinations, old and new |
//! | `FORWARD_STAMPS` | 2 N | one for each slot of `FORWARD_SLOTS` |
//! | `FRAGMENTS` | 16,384, 3 MiB | datagrams whose fragments are on their way, whatever N is |
//! | `TABLES` | 16 MiB | 1,024 different tables of 16,381 slots |
//!
//! Where that is too little, the forwards that do not fit are refused with the map's name.

use udplb_abi::{
    counters::{DestinationCounters, Traffic},
    forward::{ForwardSlot, RateLimitSlot, TABLE_ENTRIES_PER_VALUE, UpstreamSlot},
    listener::ListenerSlot,
    next_hop::NextHopSlot,
};

/// Forwards that there is room for by default.
pub const DEFAULT_FORWARDS: u32 = 2_048;
/// Bytes of `TABLES` by default.
pub const DEFAULT_TABLE_BYTES: u32 = 16 << 20;

/// The number of entries of each map. Slot 0 of an array is part of it and never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is the size of the map of the same name"
)]
pub struct Capacity {
    pub listeners: u32,
    pub prefixes: u32,
    pub listener_slots: u32,
    pub forwards: u32,
    pub forward_slots: u32,
    pub sources: u32,
    pub tables: u32,
    pub upstreams: u32,
    pub next_hops: u32,
    pub rate_limits: u32,
    pub vlans: u32,
    pub forward_counters: u32,
    pub destination_counters: u32,
    pub upstream_counters: u32,
    pub interface_counters: u32,
    pub names: u32,
    pub retired: u32,
    pub attachments: u32,
    pub neighbours: u32,
}

impl Capacity {
    /// Port groups that a port word can name, group 0 included.
    pub const GROUPS: u32 = 1 << 16;

    /// Room for this many forwards, and for this many bytes of balance tables.
    #[must_use]
    pub const fn new(forwards: u32, table_bytes: u32) -> Self {
        Self {
            listeners: forwards.saturating_mul(64),
            prefixes: forwards.saturating_mul(16),
            listener_slots: forwards.saturating_mul(64),
            forwards: forwards.saturating_mul(2),
            forward_slots: forwards.saturating_mul(2),
            sources: forwards.saturating_mul(16),
            tables: table_bytes / TABLE_ENTRIES_PER_VALUE,
            upstreams: forwards.saturating_mul(16),
            next_hops: forwards.saturating_mul(4),
            rate_limits: forwards.saturating_mul(4),
            vlans: 4_096,
            forward_counters: forwards.saturating_mul(2),
            destination_counters: forwards.saturating_mul(4),
            upstream_counters: forwards.saturating_mul(16),
            interface_counters: 1_024,
            names: forwards.saturating_mul(8),
            retired: forwards.saturating_mul(4),
            attachments: 1_024,
            neighbours: forwards.saturating_mul(4),
        }
    }

    /// Bytes that the arrays take, used or not; hashes and tries take memory for what is in them.
    #[must_use]
    pub const fn bytes(&self, cpus: u32) -> u64 {
        const fn array<T>(entries: u32) -> u64 {
            entries as u64 * size_of::<T>() as u64
        }
        let per_cpu = array::<Traffic>(self.forward_counters)
            + array::<DestinationCounters>(self.destination_counters)
            + array::<Traffic>(self.upstream_counters);
        array::<ListenerSlot>(self.listener_slots)
            + array::<u32>(self.forwards)
            + array::<ForwardSlot>(self.forward_slots)
            + array::<u32>(self.forward_slots)
            + self.tables as u64 * TABLE_ENTRIES_PER_VALUE as u64
            + array::<UpstreamSlot>(self.upstreams)
            + array::<NextHopSlot>(self.next_hops)
            + array::<RateLimitSlot>(self.rate_limits)
            + per_cpu * cpus as u64
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self::new(DEFAULT_FORWARDS, DEFAULT_TABLE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_takes_less_than_32_mib_and_2_mib_a_cpu() {
        let capacity = Capacity::default();
        let fixed = capacity.bytes(0);
        let a_cpu = capacity.bytes(1) - fixed;
        assert!(fixed < 32 << 20, "{fixed}");
        assert!(a_cpu < 2 << 20, "{a_cpu}");
    }
}
