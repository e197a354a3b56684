//! One function turns the headers that a packet has into the ones that it should have: for each copy,
//! and, with the original as its target, back again.

use crate::{
    headers::{Headers, Sum, change, fold32},
    skb::{Refused, Skb},
};

const DESTINATION_PORT: u32 = 2;
const CHECKSUM: u32 = 6;

/// Where the UDP header is and what of it matters here.
#[derive(Clone, Copy)]
pub(crate) struct Transport {
    /// Offset of the UDP header.
    pub(crate) offset: u32,
    /// Whether the packet arrived without a UDP checksum.
    pub(crate) unchecked: bool,
}

/// Everything that a rewrite changes.
#[derive(Clone, Copy)]
pub(crate) struct Image<H> {
    /// Ethernet and IP header.
    pub(crate) headers: H,
    /// UDP destination port as it is on the wire.
    pub(crate) port: u16,
}

/// What the checksums of a packet depend on, of all that a rewrite changes.
#[derive(Clone, Copy)]
pub(crate) struct Summed {
    pseudo_header: u32,
    hop_word: u16,
    port: u16,
}

impl<H: Headers> Image<H> {
    /// What the checksums depend on.
    #[inline(always)]
    pub(crate) fn summed(&self) -> Summed {
        Summed {
            pseudo_header: self.headers.pseudo_header(),
            hop_word: self.headers.hop_word(),
            port: self.port,
        }
    }
}

/// Rewrites the packet from `from`, which it has now, to `to`. Returns what it has then.
///
/// Keeps all four checksum states of the kernel right: the helpers below adjust the UDP checksum
/// where it is finished or partial, and the hardware's sum over the bytes where there is one. The
/// changes of an IPv4 header cancel out in that sum, since the header's own checksum moves the other
/// way; IPv6 has no header checksum, and a zero UDP checksum does not move either.
///
/// The store that may have to unshare or pull the packet comes first: where the kernel refuses, the
/// packet is as it was.
#[inline(always)]
pub(crate) fn rewrite<H: Headers>(
    skb: &Skb,
    transport: Transport,
    from: Summed,
    to: &Image<H>,
) -> Result<Summed, Refused> {
    let check = transport.offset + CHECKSUM;
    let new = to.summed();
    let pseudo_header = change(from.pseudo_header, new.pseudo_header);
    let mut outside: Sum = 0;
    if H::HEADER_HAS_NO_CHECKSUM {
        outside += pseudo_header + change(u32::from(from.hop_word), u32::from(new.hop_word));
    }
    if from.port != new.port {
        skb.store(transport.offset + DESTINATION_PORT, &new.port.to_ne_bytes())?;
        skb.adjust_field(check, from.port, new.port)?;
        if transport.unchecked {
            outside += change(u32::from(from.port), u32::from(new.port));
        }
    }
    skb.store(0, to.headers.bytes())?;
    skb.adjust_pseudo_header(check, fold32(pseudo_header))?;
    if H::HEADER_HAS_NO_CHECKSUM || transport.unchecked {
        skb.adjust_hardware_sum(fold32(outside));
    }
    Ok(new)
}
