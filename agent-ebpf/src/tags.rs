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
    /// Takes all tags off. Where the kernel refuses half-way, the ones that came off are put back.
    #[inline(always)]
    pub(crate) fn strip(skb: Skb) -> Result<Self, Refused> {
        let mut tags = Self {
            outer: skb.tag(),
            inner: Tag::NONE,
        };
        skb.pop_tag()?;
        // The kernel moved the inner tag to where the outer one was.
        tags.inner = skb.tag();
        if tags.inner.is_some() && skb.pop_tag().is_err() {
            tags.inner = Tag::NONE;
            tags.restore(skb)?;
            return Err(Refused);
        }
        Ok(tags)
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
