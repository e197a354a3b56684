//! Looks at a fragment: is it one of a UDP datagram, and has it ports? Read-only.

use udplb_abi::{counters::UnmatchedReason, listener::PortWord};

use super::Part;
use crate::{
    lookup,
    parse::{DESTINATION_OPTIONS, MAX_OFFSET, UDP, UDP_LENGTH},
    skb::Skb,
    stats,
};

/// The longest datagram that fragments can hold (RFC 791, 3.1), bytes.
const MAX_LENGTH: u32 = 0xffff;

/// Where the data of a fragment belong, and what they start with, in one word: the offset in units of eight
/// bytes, whether more follow, and the protocol.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Position(u32);

impl Position {
    const OFFSET: u32 = 0x1fff;
    const MORE: u32 = 0x2000;
    const PROTOCOL: u32 = 16;

    /// From the flags and the offset of an IPv4 header in front of UDP.
    #[inline(always)]
    pub(crate) const fn v4(field: u16) -> Self {
        let place = field as u32 & (Self::MORE | Self::OFFSET);
        Self(place | (UDP as u32) << Self::PROTOCOL)
    }

    /// From the offset and the flag of an IPv6 fragment header, and the protocol behind it.
    #[inline(always)]
    pub(crate) const fn v6(field: u16, protocol: u8) -> Self {
        let place = (field as u32 >> 3) | ((field as u32 & 1) * Self::MORE);
        Self(place | (protocol as u32) << Self::PROTOCOL)
    }

    /// Whether it is a part and not everything.
    #[inline(always)]
    pub(crate) const fn is_fragment(self) -> bool {
        self.0 & (Self::MORE | Self::OFFSET) != 0
    }

    /// Bytes in front of these.
    #[inline(always)]
    const fn offset(self) -> u32 {
        (self.0 & Self::OFFSET) * 8
    }

    #[inline(always)]
    const fn protocol(self) -> u8 {
        (self.0 >> Self::PROTOCOL) as u8
    }
}

/// What a fragment is to us, in one word: the part, where its UDP header is, and the port's word.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Piece(u64);

impl Piece {
    /// Nothing.
    pub(crate) const OTHER: Self = Self(0);
    const TRANSPORT: u32 = 16;
    const WORD: u32 = 32;

    #[inline(always)]
    const fn new(part: Part, transport: u32, word: PortWord) -> Self {
        let low = part.word() | transport << Self::TRANSPORT;
        Self(low as u64 | (word.0 as u64) << Self::WORD)
    }

    /// A whole packet with its UDP header at this offset.
    #[inline(always)]
    pub(crate) const fn whole(transport: u32) -> Self {
        Self::new(Part::WHOLE, transport, PortWord::NOBODY)
    }

    /// Whether it is nothing to us.
    #[inline(always)]
    pub(crate) const fn is_other(self) -> bool {
        self.0 == 0
    }

    /// The part.
    #[inline(always)]
    pub(crate) const fn part(self) -> Part {
        Part::from_word(self.0 as u32 % (1 << Self::TRANSPORT))
    }

    /// The same, behind an IPv6 fragment header.
    #[inline(always)]
    const fn behind(self, header: u32, zero: u32) -> Self {
        Self(self.0 ^ zero as u64 | Part::WHOLE.at(header).word() as u64)
    }

    /// Offset of the UDP header; of meaning in the first fragment.
    #[inline(always)]
    pub(crate) const fn transport(self) -> u32 {
        (self.0 as u32 >> Self::TRANSPORT) % MAX_OFFSET
    }

    /// Word of the destination port; nobody's in later fragments.
    #[inline(always)]
    pub(crate) const fn word(self) -> PortWord {
        PortWord((self.0 >> Self::WORD) as u32)
    }
}

/// Examines a fragment whose data go from `data` to `end`, behind an IPv6 fragment header at `header`; 0 in
/// IPv4. One that contradicts itself is counted.
#[inline(never)]
pub(crate) fn examine(skb: Skb, header: u32, data: u32, end: u32, position: Position) -> Piece {
    let piece = piece(skb, data, end, position);
    if piece.is_other() {
        return piece;
    }
    // The verifier does not know that the spare bits are zero. It would otherwise walk the rest once for each
    // part and for each chain of headers.
    let zero = lookup::port(0).zero();
    piece.behind(header ^ zero, zero)
}

#[inline(always)]
fn piece(skb: Skb, data: u32, end: u32, position: Position) -> Piece {
    let is_ours = matches!(position.protocol(), UDP | DESTINATION_OPTIONS);
    if !is_ours {
        return Piece::OTHER;
    }
    let is_first = position.offset() == 0;
    let fits = data <= end && end <= skb.len() && position.offset() + (end - data) <= MAX_LENGTH;
    let piece = if fits && is_first {
        first(skb, data, end, position.protocol())
    } else if fits {
        Some(Piece::new(Part::LATER, data, PortWord::NOBODY))
    } else {
        None
    };
    if let Some(piece) = piece {
        return piece;
    }
    stats::unmatched(skb, UnmatchedReason::Malformed);
    if is_first {
        Piece::new(Part::BROKEN, data, PortWord::NOBODY)
    } else {
        Piece::OTHER
    }
}

/// The first fragment, with the whole UDP header; none where that is cut short or wrong.
///
/// The datagram may go on behind this packet: its length does not count here.
#[inline(always)]
fn first(skb: Skb, data: u32, end: u32, protocol: u8) -> Option<Piece> {
    let mut transport = data;
    if protocol == DESTINATION_OPTIONS {
        let bytes = skb.readable(data, UDP_LENGTH)?;
        if bytes.u8(0) != UDP {
            return Some(Piece::OTHER);
        }
        transport += (u32::from(bytes.u8(1)) + 1) * 8;
    }
    if transport > MAX_OFFSET - UDP_LENGTH || transport + UDP_LENGTH > end {
        return None;
    }
    let bytes = skb.readable(transport, UDP_LENGTH)?;
    if u32::from(bytes.u16(4)) < UDP_LENGTH {
        return None;
    }
    Some(Piece::new(
        Part::FIRST,
        transport,
        lookup::port(bytes.u16(2)),
    ))
}
