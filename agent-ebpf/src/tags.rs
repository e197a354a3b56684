//! VLAN tags: off before copies are sent, since a clone would leave the other interface still tagged,
//! and on again for the original.

use crate::skb::{Refused, Skb, Tag};

/// The tags of a packet, outermost first: at most two.
#[derive(Clone, Copy)]
pub(crate) struct Tags {
    outer: Option<Tag>,
    inner: Option<Tag>,
}

impl Tags {
    /// No tag.
    pub(crate) const NONE: Self = Self {
        outer: None,
        inner: None,
    };

    /// Takes all tags off. Where the kernel refuses half-way, the ones that came off are put back.
    #[inline(always)]
    pub(crate) fn strip(skb: &Skb) -> Result<Self, Refused> {
        let mut tags = Self {
            outer: skb.tag(),
            inner: None,
        };
        skb.pop_tag()?;
        // The kernel moved the inner tag to where the outer one was.
        tags.inner = skb.tag();
        if tags.inner.is_some() && skb.pop_tag().is_err() {
            tags.inner = None;
            tags.restore(skb)?;
            return Err(Refused);
        }
        Ok(tags)
    }

    /// Puts all tags back.
    #[inline(always)]
    pub(crate) fn restore(self, skb: &Skb) -> Result<(), Refused> {
        if let Some(tag) = self.inner {
            skb.push_tag(tag)?;
        }
        if let Some(tag) = self.outer {
            skb.push_tag(tag)?;
        }
        Ok(())
    }
}
