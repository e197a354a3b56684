//! Per-CPU counters. A missing slot counts nothing and harms nothing.

use aya_ebpf::maps::PerCpuArray;
use udplb_abi::counters::{DestinationCounters, DropReason, Traffic, UnmatchedReason};

use crate::{
    maps::{DESTINATION_COUNTERS, FORWARD_COUNTERS, INTERFACE_COUNTERS, UPSTREAM_COUNTERS},
    skb::Skb,
};

/// How much one packet counts.
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    /// Packets: the segments of a GSO packet, otherwise 1.
    pub(crate) packets: u64,
    /// Bytes of all of them, IP headers included.
    pub(crate) bytes: u64,
}

/// The packet matched a forward.
#[inline(always)]
pub(crate) fn matched(forward: u32, amount: Amount) {
    traffic(&FORWARD_COUNTERS, forward, amount);
}

/// A copy or the packet itself was handed to an upstream's egress device.
#[inline(always)]
pub(crate) fn sent(upstream: u32, amount: Amount) {
    traffic(&UPSTREAM_COUNTERS, upstream, amount);
}

#[inline(always)]
fn traffic(map: &PerCpuArray<Traffic>, slot: u32, amount: Amount) {
    if let Some(counters) = map.get_ptr_mut(slot) {
        // SAFETY: this CPU's copy; programs on one CPU do not interrupt each other here.
        unsafe {
            (*counters).packets += amount.packets;
            (*counters).bytes += amount.bytes;
        }
    }
}

/// A destination dropped the packet, for a [`DropReason`].
#[inline(always)]
pub(crate) fn dropped(destination: u32, reason: u32, packets: u64) {
    if let Some(counters) = of_destination(destination) {
        // The mask shows the verifier that the index is in bounds.
        let index = reason as usize & (DropReason::ALL.len() - 1);
        counters.dropped[index] += packets;
    }
}

/// Sampling left the packet out of a destination.
#[inline(always)]
pub(crate) fn sampled_out(destination: u32, packets: u64) {
    if let Some(counters) = of_destination(destination) {
        counters.sampled_out += packets;
    }
}

/// The packet went to the local stack because no destination was available.
#[inline(always)]
pub(crate) fn passed(destination: u32, packets: u64) {
    if let Some(counters) = of_destination(destination) {
        counters.passed += packets;
    }
}

#[inline(always)]
fn of_destination(slot: u32) -> Option<&'static mut DestinationCounters> {
    // SAFETY: this CPU's copy; programs on one CPU do not interrupt each other here.
    DESTINATION_COUNTERS
        .get_ptr_mut(slot)
        .map(|counters| unsafe { &mut *counters })
}

/// A frame was let go for a reason worth counting. Rare, so not inlined.
#[inline(never)]
pub(crate) fn unmatched(skb: Skb, reason: UnmatchedReason) {
    if let Some(counters) = INTERFACE_COUNTERS.get_ptr_mut(&skb.interface()) {
        // SAFETY: this CPU's copy; the element is never removed while the program is attached.
        unsafe { (*counters).unmatched[reason as usize] += 1 };
    }
}

const _: () = assert!(DropReason::ALL.len().is_power_of_two());
