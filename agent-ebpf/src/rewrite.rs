//! One function turns the headers that a packet has into the ones that it should have: for each copy,
//! and, with the original as its target, back again.

use core::hint::black_box;

use crate::{
    headers::{Headers, Sum, bytes, change, fold32},
    skb::Refused,
    work::Work,
};

const DESTINATION_PORT: u32 = 2;
const CHECKSUM: u32 = 6;

/// What the checksums of a packet depend on, of all that a rewrite changes.
#[derive(Clone, Copy)]
pub(crate) struct Summed {
    pseudo_header: u32,
    hop_word: u16,
    port: u16,
}

impl Summed {
    /// Of a packet with these headers and this destination port, as it is on the wire.
    #[inline(always)]
    pub(crate) fn of<H: Headers>(headers: &H, port: u16) -> Self {
        Self {
            // The black box has the sum taken here: put off, its parts would be spilled word by word.
            pseudo_header: black_box(headers.pseudo_header()),
            hop_word: headers.hop_word(),
            port,
        }
    }
}

/// Rewrites the packet, which now is what `from` says, to these headers and this destination port.
/// Returns what it is then.
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
    work: &Work,
    from: Summed,
    headers: &H,
    port: u16,
) -> Result<Summed, Refused> {
    let skb = work.skb;
    let check = work.transport + CHECKSUM;
    let to = Summed::of(headers, port);
    let pseudo_header = change(from.pseudo_header, to.pseudo_header);
    let mut outside: Sum = 0;
    if H::HEADER_HAS_NO_CHECKSUM {
        outside += pseudo_header + change(u32::from(from.hop_word), u32::from(to.hop_word));
    }
    skb.store(work.transport + DESTINATION_PORT, &to.port.to_ne_bytes())?;
    skb.adjust_field(check, from.port, to.port)?;
    if work.unchecked {
        outside += change(u32::from(from.port), u32::from(to.port));
    }
    skb.store(0, bytes(headers))?;
    skb.adjust_pseudo_header(check, fold32(pseudo_header))?;
    if H::HEADER_HAS_NO_CHECKSUM || work.unchecked {
        skb.adjust_hardware_sum(fold32(outside));
    }
    Ok(to)
}
