//! How a copy leaves: egress interface, link-layer addresses, MTU.

use crate::address::Address;

/// `NextHopSlot::state`: the neighbour has no link-layer address yet.
pub const STATE_UNRESOLVED: u8 = 0;
/// `NextHopSlot::state`: `destination_mac` is good.
pub const STATE_RESOLVED: u8 = 1;

/// A next hop. Immutable; equal next hops share a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct NextHopSlot {
    /// Address of the neighbour: the gateway, or the upstream itself where it is on-link.
    pub neighbour: Address,
    /// Index of the egress interface.
    pub interface: u32,
    /// Longest IP packet that may leave, bytes.
    pub mtu: u32,
    /// Link-layer address of the neighbour; zero on links without such addresses.
    pub destination_mac: [u8; 6],
    /// Link-layer address of the egress interface; zero on links without such addresses.
    pub source_mac: [u8; 6],
    /// `STATE_*`.
    pub state: u8,
    /// Always zero.
    pub padding: [u8; 3],
}

const _: () = assert!(size_of::<NextHopSlot>() == 40);
