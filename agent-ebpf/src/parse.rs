//! Finds the UDP header of a frame and the group of its port. Everything here is read-only.

use udplb_abi::{address::Family, counters::UnmatchedReason, listener::PortWord};

use crate::{
    fragments::{self, Part, Piece, Position},
    lookup,
    skb::Skb,
    stats,
};

const ETHERNET_LENGTH: u32 = 14;
const TAG_LENGTH: u32 = 4;
const IPV4_LENGTH: u32 = 20;
const IPV6_LENGTH: u32 = 40;
pub(crate) const UDP_LENGTH: u32 = 8;
const FRAGMENT_LENGTH: u32 = 8;

const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
const VLAN: u16 = 0x8100_u16.to_be();
const SERVICE_VLAN: u16 = 0x88a8_u16.to_be();

pub(crate) const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;

/// How many IPv6 extension headers are walked. RFC 8200 §4.1 names four that come before UDP, one of
/// them twice.
const MAX_EXTENSION_HEADERS: u32 = 5;
/// The UDP header starts within this many bytes, a power of two.
pub(crate) const MAX_OFFSET: u32 = 512;

/// What a frame is to us.
#[derive(Clone, Copy)]
pub(crate) enum Parsed {
    /// Nothing.
    Other,
    /// A UDP datagram to a port that somebody listens on, or a fragment of a UDP datagram.
    Udp(Packet),
}

/// Where things are in a UDP packet.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    /// Address family.
    pub(crate) family: Family,
    /// Offset of the IP header: 14, 18 behind a second VLAN tag, or 0 where frames have no link header.
    pub(crate) network: u32,
    /// Offset of the UDP header.
    pub(crate) transport: u32,
    /// Length of the IP packet, bytes.
    pub(crate) length: u32,
    /// Word of the destination port.
    pub(crate) word: PortWord,
    /// Which part of a datagram it is.
    pub(crate) part: Part,
}

/// Parses an Ethernet frame. The kernel has taken the outer VLAN tag off already.
#[inline(always)]
pub(crate) fn ethernet(skb: Skb) -> Parsed {
    match skb.protocol() {
        IPV4 => ipv4(skb, ETHERNET_LENGTH),
        IPV6 => ipv6(skb, ETHERNET_LENGTH),
        VLAN | SERVICE_VLAN => double_tagged(skb),
        _ => Parsed::Other,
    }
}

/// Parses a bare IP packet.
#[inline(always)]
pub(crate) fn ip(skb: Skb) -> Parsed {
    match skb.protocol() {
        IPV4 => ipv4(skb, 0),
        IPV6 => ipv6(skb, 0),
        _ => Parsed::Other,
    }
}

/// Behind an inner tag. Not inlined, to spare the plain frames its code.
#[inline(never)]
fn double_tagged_family(skb: Skb) -> u32 {
    let Some(bytes) = skb.readable(ETHERNET_LENGTH, TAG_LENGTH) else {
        return 0;
    };
    u32::from(bytes.u16(2).to_be())
}

#[inline(always)]
fn double_tagged(skb: Skb) -> Parsed {
    match double_tagged_family(skb) as u16 {
        IPV4 => ipv4(skb, ETHERNET_LENGTH + TAG_LENGTH),
        IPV6 => ipv6(skb, ETHERNET_LENGTH + TAG_LENGTH),
        _ => Parsed::Other,
    }
}

#[inline(always)]
fn ipv4(skb: Skb, network: u32) -> Parsed {
    let Some(bytes) = skb.readable(network, IPV4_LENGTH) else {
        return Parsed::Other;
    };
    if bytes.u8(9) != UDP {
        return Parsed::Other;
    }
    let version = bytes.u8(0);
    let header = u32::from(version & 0x0f) * 4;
    if version >> 4 != 4 || header < IPV4_LENGTH {
        stats::unmatched(skb, UnmatchedReason::Malformed);
        return Parsed::Other;
    }
    let length = u32::from(bytes.u16(2));
    let position = Position::v4(bytes.u16(6));
    if position.is_fragment() {
        let data = network + header;
        let piece = fragments::examine(skb, 0, data, network + length, position);
        if piece.is_other() {
            return Parsed::Other;
        }
        return fragment(Family::V4, network, length, piece);
    }
    udp(skb, Family::V4, network, network + header, length)
}

#[inline(always)]
fn ipv6(skb: Skb, network: u32) -> Parsed {
    let Some(bytes) = skb.readable(network, IPV6_LENGTH) else {
        return Parsed::Other;
    };
    if bytes.u8(0) >> 4 != 6 {
        if bytes.u8(6) == UDP {
            stats::unmatched(skb, UnmatchedReason::Malformed);
        }
        return Parsed::Other;
    }
    let length = u32::from(bytes.u16(4)) + IPV6_LENGTH;
    let header = bytes.u8(6);
    let mut transport = network + IPV6_LENGTH;
    match header {
        UDP => {}
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS => {
            let piece = behind_extensions(skb, header, transport, network + length);
            if piece.is_other() {
                return Parsed::Other;
            }
            if !piece.part().is_whole() {
                return fragment(Family::V6, network, length, piece);
            }
            transport = piece.transport();
        }
        _ => return Parsed::Other,
    }
    udp(skb, Family::V6, network, transport, length)
}

/// What is behind IPv6 extension headers, of which the first is at `transport`. Not inlined, to spare the plain
/// packets its code.
#[inline(never)]
fn behind_extensions(skb: Skb, first: u8, mut transport: u32, end: u32) -> Piece {
    let mut header = first;
    for _ in 0..MAX_EXTENSION_HEADERS {
        let Some(bytes) = skb.readable(transport, UDP_LENGTH) else {
            return Piece::OTHER;
        };
        let next = bytes.u8(0);
        let length = match header {
            FRAGMENT => {
                let position = Position::v6(bytes.u16(2), next);
                if position.is_fragment() {
                    return fragments::examine(
                        skb,
                        transport,
                        transport + FRAGMENT_LENGTH,
                        end,
                        position,
                    );
                }
                // The only fragment is a whole packet (RFC 6946); it has no length in its second byte.
                FRAGMENT_LENGTH
            }
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (u32::from(bytes.u8(1)) + 1) * 8,
            _ => return Piece::OTHER,
        };
        header = next;
        transport += length;
        if transport > MAX_OFFSET - UDP_LENGTH {
            return Piece::OTHER;
        }
        if header == UDP {
            return Piece::whole(transport);
        }
    }
    Piece::OTHER
}

#[inline(always)]
fn udp(skb: Skb, family: Family, network: u32, transport: u32, length: u32) -> Parsed {
    let Some(bytes) = skb.readable(transport, UDP_LENGTH) else {
        stats::unmatched(skb, UnmatchedReason::Malformed);
        return Parsed::Other;
    };
    let word = lookup::port(bytes.u16(2));
    if word.group() == 0 {
        return Parsed::Other;
    }
    // The IP packet must be in the frame, and the datagram in the packet.
    let datagram = u32::from(bytes.u16(4));
    if network + length > skb.len()
        || datagram < UDP_LENGTH
        || transport - network + datagram > length
    {
        stats::unmatched(skb, UnmatchedReason::Malformed);
        return Parsed::Other;
    }
    Parsed::Udp(Packet {
        family,
        network,
        // The verifier does not know that the spare bits are zero, and so forgets which chain of
        // extension headers led here. It would otherwise walk the rest once for each.
        transport: (transport + word.zero()) % MAX_OFFSET,
        length,
        word,
        // Hidden as well: the rest is walked once for all parts.
        part: Part::WHOLE.hidden(word.zero()),
    })
}

/// A fragment.
#[inline(always)]
fn fragment(family: Family, network: u32, length: u32, piece: Piece) -> Parsed {
    let word = piece.word();
    Parsed::Udp(Packet {
        family,
        network,
        transport: (piece.transport() + word.zero()) % MAX_OFFSET,
        length,
        word,
        part: piece.part(),
    })
}
