//! Whose packet is it: port, listener, source filter. Read-only.

use core::ptr::read_volatile;

use aya_ebpf::maps::lpm_trie::Key;
use udplb_abi::{
    NONE,
    address::{Address, Family, MAPPED_BITS},
    forward::{ForwardSlot, SOURCE_KEY_BITS, SourceKey},
    listener::{LISTENER_KEY_BITS, LISTENER_LOOKS, ListenerKey, ListenerSlot, PortWord, VlanKey},
};

use crate::{
    headers::{Headers, Words},
    maps::{FORWARD_SLOTS, FORWARDS, LISTENER_SLOTS, LISTENERS, PORTS, PREFIXES, SOURCES, VLANS},
    skb::Tag,
    slots,
};

const ADDRESS_BITS: u32 = 128;
const VLAN_NUMBER: u16 = 0x0fff;

/// The word of a UDP port. For other people's packets, this is all that happens.
#[inline(always)]
pub(crate) fn port(port: u16) -> PortWord {
    let Some(words) = PORTS.get_ptr(0) else {
        return PortWord::NOBODY;
    };
    // SAFETY: the array has a word for every port; user space stores words one by one.
    PortWord(unsafe { read_volatile((&raw const (*words)).cast::<u32>().add(port as usize)) })
}

/// Whether a VLAN device takes the frames of this tag.
#[inline(always)]
pub(crate) fn belongs_to_vlan_device(interface: u32, tag: Tag) -> bool {
    let key = VlanKey {
        interface,
        protocol: u16::from_be(tag.protocol()),
        vlan: tag.control() & VLAN_NUMBER,
    };
    VLANS.get_ptr(&key).is_some()
}

/// The listener for a packet's destination address: the exact address first, then the longest prefix.
///
/// Not inlined: its keys would take room on the stack of everything that follows.
#[inline(never)]
pub(crate) fn listener<H: Headers>(
    interface: u32,
    word: PortWord,
    headers: &H,
) -> Option<&'static ListenerSlot> {
    let key = ListenerKey {
        interface,
        group: word.group(),
        padding: 0,
        address: bytes(headers.destination()),
    };
    for _ in 0..LISTENER_LOOKS {
        let Some(slot) = LISTENERS.get_ptr(&key) else {
            break;
        };
        let found = listener_slot(slot)?;
        // An element of the hash may have been recycled under us: only its own key counts.
        if found.key == key {
            return Some(found);
        }
    }
    if !word.has_prefixes(H::FAMILY) {
        return None;
    }
    let slot = PREFIXES.get(&Key::new(LISTENER_KEY_BITS + ADDRESS_BITS, key))?;
    let found = listener_slot(slot)?;
    // Both families share the trie: `::/0` covers mapped IPv4 addresses, too.
    let shortest = match H::FAMILY {
        Family::V4 => MAPPED_BITS,
        Family::V6 => 0,
    };
    let same = found.key.interface == key.interface
        && found.key.group == key.group
        && found.prefix_length >= shortest
        && covers(&found.key.address, found.prefix_length, &key.address);
    same.then_some(found)
}

/// Whether a listener covers more than one address and none that was named as multicast or broadcast:
/// those have a source of their own. Such packets are ours only where they were named.
#[inline(always)]
pub(crate) fn is_unicast_prefix(listener: &ListenerSlot) -> bool {
    u32::from(listener.prefix_length) < ADDRESS_BITS && *slots::listener_source(listener) == [0; 4]
}

#[inline(always)]
fn listener_slot(slot: *const u32) -> Option<&'static ListenerSlot> {
    // SAFETY: points into a map element; user space replaces elements, it does not write them.
    let slot = unsafe { read_volatile(slot) };
    LISTENER_SLOTS.get(slot)
}

#[inline(always)]
const fn bytes(words: Words) -> Address {
    // SAFETY: plain bytes of the same size.
    unsafe { core::mem::transmute(words) }
}

/// Whether the first `length` bits are equal.
#[inline(always)]
fn covers(prefix: &Address, length: u8, address: &Address) -> bool {
    let (prefix_high, prefix_low) = halves(prefix);
    let (high, low) = halves(address);
    let length = u32::from(length);
    if length <= 64 {
        return (prefix_high ^ high) & leading(length) == 0;
    }
    prefix_high == high && (prefix_low ^ low) & leading(length - 64) == 0
}

#[inline(always)]
const fn halves(address: &Address) -> (u64, u64) {
    let bits = u128::from_be_bytes(*address);
    ((bits >> 64) as u64, bits as u64)
}

/// A mask of `length` leading ones, 0–64.
#[inline(always)]
const fn leading(length: u32) -> u64 {
    if length == 0 {
        return 0;
    }
    u64::MAX << ((64 - length) & 63)
}

/// The version of a forward that is in force.
#[inline(always)]
pub(crate) fn forward(number: u32) -> Option<&'static ForwardSlot> {
    let slot = FORWARDS.get_ptr(number)?;
    // SAFETY: an aligned word of the array; user space stores it as one.
    let slot = unsafe { read_volatile(slot) };
    if slot == NONE {
        return None;
    }
    FORWARD_SLOTS.get(slot)
}

/// Whether a forward takes packets from this source.
#[inline(always)]
pub(crate) fn takes_source<H: Headers>(forward: &ForwardSlot, headers: &H) -> bool {
    forward.sources == NONE || is_in_set(forward.sources, headers)
}

/// Not inlined, for the same reason as [`listener`].
#[inline(never)]
fn is_in_set<H: Headers>(set: u32, headers: &H) -> bool {
    let key = SourceKey {
        set,
        address: bytes(headers.source()),
    };
    SOURCES
        .get(&Key::new(SOURCE_KEY_BITS + ADDRESS_BITS, key))
        .is_some_and(|found| *found == set)
}
