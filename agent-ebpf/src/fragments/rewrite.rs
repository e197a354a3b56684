//! Rewrites what takes the rare way: fragments, with their identifications, and whole packets as well.

use super::Fragment;
use crate::{
    headers::{Headers, change, fold32},
    rewrite::{Rewriter, Summed, rewrite, rewrite_addresses},
    skb::Refused,
    work::Work,
};

impl Fragment {
    /// The packet is as it arrived.
    #[inline(always)]
    pub(crate) fn start<H: Headers>(&mut self, work: &Work, headers: &H) {
        self.sums = Summed::of(headers, work.destination_port);
        self.current = self.own;
    }

    /// Rewrites the packet to these headers, this destination port and this identification.
    ///
    /// Not inlined: it needs its room on the stack after the rest of what is done for a destination.
    #[inline(never)]
    fn bring<H: Headers>(
        &mut self,
        work: &Work,
        headers: &H,
        port: u16,
        identification: u32,
    ) -> Result<(), Refused> {
        self.sums = if self.part.is_later() {
            rewrite_addresses(work, self.sums, headers)?
        } else {
            rewrite(work, self.sums, headers, port)?
        };
        if headers.identification().is_some() || self.current == identification {
            return Ok(());
        }
        // In the IPv6 fragment header, which no checksum covers.
        let skb = work.skb;
        skb.store(self.part.identification(), &identification.to_ne_bytes())?;
        skb.adjust_hardware_sum(fold32(change(self.current, identification)));
        self.current = identification;
        Ok(())
    }
}

impl<H: Headers> Rewriter<H> for Fragment {
    #[inline(always)]
    fn to_destination(
        &mut self,
        work: &Work,
        headers: &mut H,
        port: u16,
        index: u32,
    ) -> Result<(), Refused> {
        let mut identification = self.own;
        if self.part.renews(index) {
            identification = self.fresh.wrapping_add(index);
            headers.set_identification(identification as u16);
        }
        self.bring(work, headers, port, identification)
    }

    #[inline(always)]
    fn back(&mut self, work: &Work, original: &H) -> Result<(), Refused> {
        self.bring(work, original, work.destination_port, self.own)
    }
}
