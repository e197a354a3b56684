//! Which packets are ours: ports, then interface and address.

use crate::address::{Address, Family};

/// How often the program looks for the listener of an exact address. The hash may give an element to another key between the lookup and the load
/// of its value; a second time finds the element that the first was replaced by. Within one pass of the agent a key is
/// replaced once, and between two passes that do so lies a grace period.
pub const LISTENER_LOOKS: u32 = 2;

/// The word of one UDP port in `PORTS`: a port group, and whether the group has prefixes.
///
/// A port group is a set of ports that the same listeners share. Group 0 means nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PortWord(pub u32);

impl PortWord {
    const PREFIXES_V4: u32 = 1 << 16;
    const PREFIXES_V6: u32 = 1 << 17;

    /// Nobody listens on this port.
    pub const NOBODY: Self = Self(0);

    /// The word for a group with listeners on prefixes of these families.
    #[must_use]
    pub const fn new(group: u16, prefixes_v4: bool, prefixes_v6: bool) -> Self {
        let mut word = group as u32;
        if prefixes_v4 {
            word |= Self::PREFIXES_V4;
        }
        if prefixes_v6 {
            word |= Self::PREFIXES_V6;
        }
        Self(word)
    }

    /// The port group; 0 means nobody listens.
    #[inline(always)]
    #[must_use]
    pub const fn group(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// The spare bits: always zero, but the kernel's verifier does not know that.
    #[inline(always)]
    #[must_use]
    pub const fn zero(self) -> u32 {
        self.0 >> 18
    }

    /// Whether a prefix of this family may match where no exact address did.
    #[inline(always)]
    #[must_use]
    pub const fn has_prefixes(self, family: Family) -> bool {
        let bit = match family {
            Family::V4 => Self::PREFIXES_V4,
            Family::V6 => Self::PREFIXES_V6,
        };
        self.0 & bit != 0
    }
}

/// Key of a listener, in `LISTENERS` and, behind a prefix length, in `PREFIXES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct ListenerKey {
    /// Index of the interface that the packet arrived on.
    pub interface: u32,
    /// Port group of the packet's destination port.
    pub group: u16,
    /// Always zero.
    pub padding: u16,
    /// Destination address of the packet, or the prefix with its host bits zero.
    pub address: Address,
}

/// Bits of a [`ListenerKey`] in front of its address: the base of prefix lengths in `PREFIXES`.
pub const LISTENER_KEY_BITS: u32 = 64;

/// A listener: its own key again, so that a reader sees when an entry was recycled, and its forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, align(8))]
pub struct ListenerSlot {
    /// The key under which this slot is published.
    pub key: ListenerKey,
    /// Source address of copies with a rewritten source, or zero: the packet's own destination.
    /// Set for multicast and broadcast listeners.
    pub source: Address,
    /// Number of the forward, an index into `FORWARDS`.
    pub forward: u32,
    /// Length of the prefix over the 16-byte address: 128 for an exact address.
    pub prefix_length: u8,
    /// Always zero.
    pub padding: [u8; 3],
}

/// Key of `VLANS`: frames of this VLAN on this interface belong to a VLAN device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct VlanKey {
    /// Index of the parent interface.
    pub interface: u32,
    /// Tag protocol, host byte order: 0x8100 or 0x88a8.
    pub protocol: u16,
    /// VLAN number, 0–4095.
    pub vlan: u16,
}

const _: () = assert!(size_of::<ListenerKey>() == 24);
const _: () = assert!(size_of::<ListenerSlot>() == 48);
const _: () = assert!(size_of::<VlanKey>() == 8);
