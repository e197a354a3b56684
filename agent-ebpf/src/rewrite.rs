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
    /// Of no packet yet.
    pub(crate) const NOTHING: Self = Self {
        pseudo_header: 0,
        hop_word: 0,
        port: 0,
    };

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

/// Knows what the packet is now, and rewrites it.
pub(crate) trait Rewriter<H> {
    /// To these headers and this destination port, for the destination with this index.
    fn to_destination(
        &mut self,
        work: &Work,
        headers: &mut H,
        port: u16,
        index: u32,
    ) -> Result<(), Refused>;

    /// Back to what it was.
    fn back(&mut self, work: &Work, original: &H) -> Result<(), Refused>;
}

/// A packet that is whole.
impl<H: Headers> Rewriter<H> for Summed {
    #[inline(always)]
    fn to_destination(
        &mut self,
        work: &Work,
        headers: &mut H,
        port: u16,
        _index: u32,
    ) -> Result<(), Refused> {
        *self = rewrite(work, *self, headers, port)?;
        Ok(())
    }

    /// Not inlined: it needs room on the stack.
    #[inline(never)]
    fn back(&mut self, work: &Work, original: &H) -> Result<(), Refused> {
        *self = rewrite(work, *self, original, work.destination_port)?;
        Ok(())
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
    let mut outside = outside_of_checksums::<H>(from, to);
    skb.store(work.transport + DESTINATION_PORT, &to.port.to_ne_bytes())?;
    skb.adjust_field(check, from.port, to.port)?;
    if work.unchecked != 0 {
        outside += change(u32::from(from.port), u32::from(to.port));
    }
    skb.store(0, bytes(headers))?;
    skb.adjust_pseudo_header(check, fold32(pseudo_header))?;
    if H::HEADER_HAS_NO_CHECKSUM || work.unchecked != 0 {
        skb.adjust_hardware_sum(fold32(outside));
    }
    Ok(to)
}

/// Rewrites a packet without a UDP header, a later fragment, to these headers. Returns what it is then.
#[inline(always)]
pub(crate) fn rewrite_addresses<H: Headers>(
    work: &Work,
    from: Summed,
    headers: &H,
) -> Result<Summed, Refused> {
    let to = Summed::of(headers, from.port);
    work.skb.store(0, bytes(headers))?;
    if H::HEADER_HAS_NO_CHECKSUM {
        let outside = outside_of_checksums::<H>(from, to);
        work.skb.adjust_hardware_sum(fold32(outside));
    }
    Ok(to)
}

/// What changes in an IP header that no checksum of it makes up for.
#[inline(always)]
fn outside_of_checksums<H: Headers>(from: Summed, to: Summed) -> Sum {
    if !H::HEADER_HAS_NO_CHECKSUM {
        return 0;
    }
    change(from.pseudo_header, to.pseudo_header)
        + change(u32::from(from.hop_word), u32::from(to.hop_word))
}
