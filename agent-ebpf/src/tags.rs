//! VLAN tags: off before copies are sent, since a clone would leave the other interface still tagged,
//! and on again for the original.

use crate::{
    Verdict,
    skb::{Refused, Skb, Tag},
};

/// The tags of a packet, outermost first: at most two.
#[derive(Clone, Copy)]
pub(crate) struct Tags {
    outer: Tag,
    inner: Tag,
}

impl Tags {
    /// Those of a packet. The inner one shows when the outer one is off.
    #[inline(always)]
    pub(crate) fn of(skb: Skb) -> Self {
        Self {
            outer: skb.tag(),
            inner: Tag::NONE,
        }
    }

    /// Hides from the verifier which there are.
    #[inline(always)]
    pub(crate) fn hide(&mut self, zero: u32) {
        self.outer = self.outer.hidden(zero);
        self.inner = self.inner.hidden(zero);
    }

    /// Takes all tags off. Those that are off when the kernel refuses are those to be put back.
    #[inline(always)]
    pub(crate) fn strip(&mut self, skb: Skb) -> Result<(), Refused> {
        let outer = core::mem::replace(&mut self.outer, Tag::NONE);
        if !outer.is_some() {
            return Ok(());
        }
        skb.pop_tag()?;
        self.outer = outer;
        // The kernel moved the inner tag to where the outer one was.
        let inner = skb.tag();
        if inner.is_some() {
            skb.pop_tag()?;
            self.inner = inner;
        }
        Ok(())
    }

    /// Puts all tags back on a packet that goes on.
    #[inline(always)]
    pub(crate) fn restored(self, skb: Skb, verdict: Verdict) -> Verdict {
        if matches!(verdict, Verdict::Next) && self.restore(skb).is_err() {
            // Better lost than altered.
            return Verdict::Drop;
        }
        verdict
    }

    #[inline(always)]
    fn restore(self, skb: Skb) -> Result<(), Refused> {
        for tag in [self.inner, self.outer] {
            if tag.is_some() {
                skb.push_tag(tag)?;
            }
        }
        Ok(())
    }
}
