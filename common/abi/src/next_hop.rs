//! How a copy leaves: egress interface, link-layer addresses, MTU.

use crate::address::Address;

/// `NextHopSlot::state`: the neighbour has no link-layer address yet.
pub const STATE_UNRESOLVED: u8 = 0;
/// `NextHopSlot::state`: `destination_mac` is good.
pub const STATE_RESOLVED: u8 = 1;

/// `NextHopSlot::state`: the upstream is this host itself; copies enter it once more where the packet did.
pub const STATE_LOCAL: u8 = 2;

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
    /// Bytes of the header that frames of the egress interface begin with: [`LINK_HEADER`], or 0 where they are bare IP
    /// packets.
    pub link_header: u8,
    /// Always zero.
    pub padding: [u8; 2],
}

/// Bytes of an Ethernet header.
pub const LINK_HEADER: u8 = 14;

impl NextHopSlot {
    /// This host itself: no link to cross, so no neighbour and no MTU.
    pub const LOCAL: Self = Self {
        neighbour: [0; 16],
        interface: 0,
        mtu: u32::MAX,
        destination_mac: [0; 6],
        source_mac: [0; 6],
        state: STATE_LOCAL,
        link_header: 0,
        padding: [0; 2],
    };

    /// Whether copies can be sent at once.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.state != STATE_UNRESOLVED
    }

    /// Whether it is this host itself.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.state == STATE_LOCAL
    }
}

const _: () = assert!(size_of::<NextHopSlot>() == 40);
