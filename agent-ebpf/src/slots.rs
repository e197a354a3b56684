//! Fields of map slots as whole words. A byte array promises no alignment, and the compiler would read
//! it byte by byte; the slots do promise it.

use core::mem::offset_of;

use udplb_abi::{
    forward::{ForwardSlot, UpstreamSlot},
    listener::ListenerSlot,
    next_hop::NextHopSlot,
};

use crate::{headers::Words, maps::FORWARD_SLOTS};

const _: () = assert!(offset_of!(UpstreamSlot, address) % 4 == 0);
const _: () = assert!(offset_of!(ListenerSlot, source) % 4 == 0);
const _: () = assert!(offset_of!(NextHopSlot, neighbour) % 4 == 0);
const _: () = assert!(offset_of!(NextHopSlot, destination_mac) % 2 == 0);
const _: () =
    assert!(offset_of!(NextHopSlot, source_mac) == offset_of!(NextHopSlot, destination_mac) + 6);

/// The number of a slot of `FORWARD_SLOTS`.
#[inline(always)]
pub(crate) fn number_of(slot: &ForwardSlot) -> u32 {
    let first = FORWARD_SLOTS.get_ptr(0).map_or(0, |first| first as usize);
    (((&raw const *slot) as usize - first) / size_of::<ForwardSlot>()) as u32
}

/// Address of an upstream.
#[inline(always)]
pub(crate) const fn upstream_address(slot: &UpstreamSlot) -> &Words {
    // SAFETY: 16 initialised bytes, aligned to four, see above.
    unsafe { &*(&raw const slot.address).cast() }
}

/// Source address of copies with a rewritten source; zero for the packet's own destination.
#[inline(always)]
pub(crate) const fn listener_source(slot: &ListenerSlot) -> &Words {
    // SAFETY: 16 initialised bytes, aligned to four, see above.
    unsafe { &*(&raw const slot.source).cast() }
}

/// Address of the neighbour of a next hop.
#[inline(always)]
pub(crate) const fn neighbour(slot: &NextHopSlot) -> &Words {
    // SAFETY: 16 initialised bytes, aligned to four, see above.
    unsafe { &*(&raw const slot.neighbour).cast() }
}

/// Link-layer addresses of a next hop, the destination first.
#[inline(always)]
pub(crate) const fn link_addresses(slot: &NextHopSlot) -> &[u16; 6] {
    let start = (&raw const *slot).cast::<u8>();
    // SAFETY: twelve initialised bytes in a row, aligned to two, see above.
    unsafe { &*start.add(offset_of!(NextHopSlot, destination_mac)).cast() }
}

/// The same as bytes.
#[inline(always)]
pub(crate) const fn link_bytes(slot: &NextHopSlot) -> &[u8; 12] {
    // SAFETY: bytes of the same memory.
    unsafe { &*(&raw const *link_addresses(slot)).cast() }
}
