//! Addresses as the maps hold them: 16 bytes, IPv4 as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).

use core::net::{IpAddr, Ipv6Addr};

/// An IPv6 address, or an IPv4 address mapped into IPv6, in network byte order.
pub type Address = [u8; 16];

/// Bits in front of an IPv4 address in its mapped form.
pub const MAPPED_BITS: u8 = 96;

/// The mapped form of an IPv4 address.
#[inline(always)]
#[must_use]
pub const fn mapped(v4: [u8; 4]) -> Address {
    let [a, b, c, d] = v4;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// What the maps hold for an address.
#[must_use]
pub const fn from_ip(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address that the maps hold as `address`.
#[must_use]
pub const fn to_ip(address: Address) -> IpAddr {
    Ipv6Addr::from_octets(address).to_canonical()
}

/// Address family, as an index into per-family arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 0,
    /// IPv6.
    V6 = 1,
}

impl Family {
    /// Both families, in index order.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
}
