//! What user space keeps beside the datapath's maps, so that a restart or `cleanup` knows what is ours.
//!
//! `ATTACHMENTS` and `NEIGHBOURS` keep their names and shapes for ever: all versions share them, see
//! [`crate::layout`].

use crate::address::Address;

/// Longest name: `namespace/name/destination`, 63 bytes each.
pub const MAX_NAME: usize = 191;

/// A name behind a 64-bit identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Name {
    /// Bytes in use, 1–191.
    pub length: u8,
    /// UTF-8; the rest is zero.
    pub bytes: [u8; MAX_NAME],
}

/// The identity of a name: FNV-1a over its bytes, 64 bits.
#[must_use]
pub const fn identity(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut position = 0;
    while position < name.len() {
        hash = (hash ^ name[position] as u64).wrapping_mul(0x0100_0000_01b3);
        position += 1;
    }
    hash
}

/// Whose packets a slot of `UPSTREAM_COUNTERS` counts; all zero for nobody's.
///
/// A version with other tables finds by this, and by the identities in `FORWARD_OWNERS` and `DESTINATION_OWNERS`, where
/// its own upstreams have been counted so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C, align(8))]
pub struct UpstreamOwner {
    /// Identity of the destination.
    pub destination: u64,
    /// [`crate::forward::UpstreamSlot::address`].
    pub address: Address,
    /// [`crate::forward::UpstreamSlot::port`].
    pub port: [u8; 2],
    /// Always zero.
    pub padding: [u8; 6],
}

/// `Attachment::hook`: a TCX link (kernel 6.6).
pub const HOOK_TCX: u8 = 1;
/// `Attachment::hook`: a filter on a clsact qdisc.
pub const HOOK_CLSACT: u8 = 2;

/// How our program sits on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Attachment {
    /// `HOOK_*`.
    pub hook: u8,
    /// 1 where we created the clsact qdisc, so that `cleanup` may remove it once it is empty.
    pub created_qdisc: u8,
    /// Always zero.
    pub padding: [u8; 6],
}

/// Key of a neighbour entry that we made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct NeighbourKey {
    /// Index of the interface.
    pub interface: u32,
    /// Address of the neighbour.
    pub address: Address,
}

/// `Neighbour::origin`: the entry was not there; `cleanup` removes it.
pub const NEIGHBOUR_CREATED: u32 = 1;
/// `Neighbour::origin`: the kernel had a dynamic entry; `cleanup` takes back our flags only.
pub const NEIGHBOUR_UPGRADED: u32 = 2;

/// What we did to a neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Neighbour {
    /// `NEIGHBOUR_*`.
    pub origin: u32,
}

/// Value of `NDA_PROTOCOL` on neighbour entries that we manage. Not in use by any routing daemon in
/// iproute2's `rt_protos`.
pub const NEIGHBOUR_PROTOCOL: u8 = 0xd1;

/// Priority of our filter on a clsact qdisc.
pub const FILTER_PRIORITY: u16 = 0xd1b0;
/// Handle of our filter on a clsact qdisc.
pub const FILTER_HANDLE: u32 = 0xd1b;

const _: () = assert!(size_of::<Name>() == 192);
const _: () = assert!(size_of::<UpstreamOwner>() == 32);
const _: () = assert!(size_of::<Attachment>() == 8);
const _: () = assert!(size_of::<NeighbourKey>() == 20);
