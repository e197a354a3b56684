//! Fragments of datagrams. The first has the ports and is decided on like a packet; what was decided is
//! remembered, and the later ones follow.
//!
//! ```text
//! first ─▶ identify ─▶ decide ─▶ remember ─┐
//! later ─▶ follow ─────────────────────────┴▶ send
//! ```
//!
//! A packet that is whole pays two branches.

mod examine;
mod follow;
mod identification;
mod memory;
mod rewrite;

pub(crate) use self::{
    examine::{Piece, Position, examine},
    follow::follow,
    memory::{Entry, remember_nobody},
};
use crate::{deliver::Subject, headers::Headers, rewrite::Summed};

/// What part of a datagram a packet holds, and where its IPv6 fragment header is, in one word.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Part(u32);

impl Part {
    const KIND: u32 = 3;
    const IS_FIRST: u32 = 1;
    const IS_LATER: u32 = 2;
    const IS_BROKEN: u32 = 3;
    /// Above the kind; below [`crate::parse::MAX_OFFSET`].
    const HEADER: u32 = 2;
    const MAX_HEADER: u32 = 0x1ff;
    /// Above that: a bit for each destination.
    const RENEWED: u32 = 16;

    /// All of it.
    pub(crate) const WHOLE: Self = Self(0);

    /// The first fragment, with ports.
    pub(crate) const FIRST: Self = Self(Self::IS_FIRST);
    /// A later fragment.
    pub(crate) const LATER: Self = Self(Self::IS_LATER);
    /// A first fragment whose UDP header is cut short or wrong.
    pub(crate) const BROKEN: Self = Self(Self::IS_BROKEN);

    /// The part that has this word.
    #[inline(always)]
    const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The same, where its IPv6 fragment header is at an offset.
    #[inline(always)]
    const fn at(self, header: u32) -> Self {
        Self(self.0 | header << Self::HEADER)
    }

    /// The same when a tag is off: everything is this much further in front.
    #[inline(always)]
    pub(crate) const fn shifted(self, by: u32) -> Self {
        if self.header() == 0 {
            return self;
        }
        Self(self.0 - (by << Self::HEADER))
    }

    #[inline(always)]
    const fn header(self) -> u32 {
        self.0 >> Self::HEADER & Self::MAX_HEADER
    }

    /// The word: 0 for a whole packet.
    #[inline(always)]
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// The same, unknown to the verifier.
    #[inline(always)]
    pub(crate) const fn hidden(self, zero: u32) -> Self {
        Self(self.0 ^ zero)
    }

    #[inline(always)]
    pub(crate) const fn is_whole(self) -> bool {
        self.0 & Self::KIND == 0
    }

    #[inline(always)]
    pub(crate) const fn is_first(self) -> bool {
        self.0 & Self::KIND == Self::IS_FIRST
    }

    #[inline(always)]
    pub(crate) const fn is_later(self) -> bool {
        self.0 & Self::KIND == Self::IS_LATER
    }

    #[inline(always)]
    pub(crate) const fn is_broken(self) -> bool {
        self.0 & Self::KIND == Self::IS_BROKEN
    }

    /// Whether there are no ports to decide by.
    #[inline(always)]
    pub(crate) const fn has_no_ports(self) -> bool {
        self.0 & Self::IS_LATER != 0
    }

    /// The same, with a bit for each destination whose copies get an identification of their own.
    #[inline(always)]
    const fn renewing(self, destinations: u32) -> Self {
        Self(self.0 | destinations << Self::RENEWED)
    }

    /// Whether the copies of a destination get an identification of their own.
    #[inline(always)]
    const fn renews(self, destination: u32) -> bool {
        self.0 >> (Self::RENEWED + destination) & 1 != 0
    }

    /// Offset of the identification in the IPv6 fragment header.
    #[inline(always)]
    const fn identification(self) -> u32 {
        self.header() + 4
    }
}

/// A packet on the rare way, and if it is a fragment, its identification as it arrived, as it is now, and in copies.
#[derive(Clone, Copy)]
pub(crate) struct Fragment {
    /// Which part of a datagram it is.
    pub(crate) part: Part,
    /// The identification that it arrived with, as it is on the wire.
    own: u32,
    /// See [`udplb_abi::fragment::FragmentSlot::identification`].
    fresh: u32,
    /// The identification that it has now.
    current: u32,
    /// What its checksums depend on now.
    sums: Summed,
}

impl Fragment {
    #[inline(always)]
    const fn new(part: Part, own: u32, fresh: u32) -> Self {
        Self {
            part,
            own,
            fresh,
            current: own,
            sums: Summed::NOTHING,
        }
    }

    /// Hides from the verifier what there is.
    #[inline(always)]
    pub(crate) const fn hide(&mut self, zero: u32) {
        self.part = self.part.hidden(zero);
        self.own ^= zero;
        self.fresh ^= zero;
    }
}

/// Makes a packet that was decided on ready for the rare way: what was decided for a first fragment is remembered.
///
/// Not inlined, so that the verifier walks what follows once for all parts.
#[inline(never)]
pub(crate) fn prepare<H: Headers>(network: u32, part: Part, subject: &mut Subject<H>) {
    // SAFETY: the packet was decided on.
    let (headers, work, plan) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_ref(),
            subject.plan.assume_init_ref(),
        )
    };
    if !part.is_later() {
        let remembered = if part.is_first() {
            memory::remember(network, part, work, headers, plan)
        } else {
            None
        };
        // What cannot be remembered is sent like a whole packet.
        let whole = Fragment::new(Part::WHOLE, 0, 0);
        let fragment = subject.fragment.write(remembered.unwrap_or(whole));
        if fragment.part.is_whole() {
            return;
        }
    }
    // SAFETY: written above, or by `follow`.
    let fragment = unsafe { subject.fragment.assume_init_mut() };
    fragment.part = part.renewing(identification::renewed(work, headers, plan));
}
