//! What is remembered of first fragments, in an LRU hash.

use core::{mem::MaybeUninit, ptr::read_volatile};

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use udplb_abi::{
    MAX_DESTINATIONS, NONE,
    address::Address,
    counters::DropReason,
    fragment::{FragmentKey, FragmentSlot, Grounds, MAX_AGE},
};

use super::{Fragment, Part, identification::fresh};
use crate::{
    headers::{self, Headers, Words},
    lookup,
    maps::{FORWARD_STAMPS, FRAGMENT_ENTRY, FRAGMENTS},
    plan::{LAST, Plan},
    select::Choice,
    skb::Skb,
    slots,
    work::Work,
};

/// VLAN number and tag protocol of a tag.
const TAG: u32 = 0xffff_0fff;

#[inline(always)]
const fn address(words: Words) -> Address {
    // SAFETY: plain bytes of the same size.
    unsafe { core::mem::transmute(words) }
}

/// The identification of a fragment, as it is on the wire.
#[inline(always)]
fn identification<H: Headers>(skb: Skb, part: Part, headers: &H) -> Option<u32> {
    if let Some(identification) = headers.identification() {
        return Some(u32::from(identification));
    }
    let mut bytes = [0; 4];
    // SAFETY: room for four bytes.
    unsafe {
        skb.load(part.identification(), bytes.as_mut_ptr(), 4)
            .ok()?;
    };
    Some(u32::from_ne_bytes(bytes))
}

/// An entry of the hash outside of it, in a map of its own: it would take too much of the stack.
///
/// It is in use from the moment when its key is made until it is published or followed. Nothing is sent meanwhile,
/// so no run on the same CPU can come between.
#[repr(C)]
pub(crate) struct Entry {
    pub(super) key: FragmentKey,
    pub(super) slot: FragmentSlot,
}

impl Entry {
    /// This CPU's, with the key of a fragment.
    #[inline(always)]
    pub(super) fn of<H: Headers>(
        skb: Skb,
        network: u32,
        part: Part,
        headers: &H,
    ) -> Option<&'static mut Self> {
        // SAFETY: this CPU's copy; see above.
        let entry = unsafe { &mut *FRAGMENT_ENTRY.get_ptr_mut(0)? };
        let mut inner = [0; 2];
        if network != H::LINK {
            // SAFETY: room for two bytes.
            unsafe { skb.load(H::LINK, inner.as_mut_ptr(), 2).ok()? };
        }
        let inner = u32::from(u16::from_be_bytes(inner));
        entry.key = FragmentKey {
            interface: skb.interface(),
            identification: identification(skb, part, headers)?,
            source: address(headers.source()),
            destination: address(headers.destination()),
            tags: [skb.tag().word() & TAG, inner & TAG],
        };
        Some(entry)
    }

    /// Puts it into the hash.
    #[inline(always)]
    fn publish(&mut self, grounds: &Grounds) {
        self.slot.time = now();
        self.slot.seal = self.slot.sealed(&self.key, grounds);
        // Without room, what follows are orphans.
        let _inserted = FRAGMENTS.insert(&self.key, &self.slot, 0);
    }

    /// Takes it out of the hash: the next datagram with this key cannot be followed.
    #[inline(always)]
    pub(super) fn forget(&self) {
        // It is gone whether it was there or not.
        let _removed = FRAGMENTS.remove(&self.key);
    }

    /// Fetches what is remembered under its key. False where that is nothing, or too old. Whether it holds together,
    /// its seal says.
    #[inline(always)]
    pub(super) fn recall(&mut self) -> bool {
        let Some(slot) = FRAGMENTS.get_ptr(&self.key) else {
            return false;
        };
        // SAFETY: points to a value of the map; read once, because the kernel may give its place away meanwhile.
        self.slot = unsafe { read_volatile(slot) };
        now().wrapping_sub(self.slot.time) < MAX_AGE
    }

    /// Whether the value holds together and says that the datagram is nobody's.
    #[inline(always)]
    pub(super) fn is_nobodys(&self) -> bool {
        self.slot.forward == NONE && self.holds(&Grounds::NONE)
    }

    /// Whether the value holds together and was decided on the same grounds as those of today.
    #[inline(always)]
    pub(super) fn holds_for(&self, work: &Work) -> bool {
        self.holds(&grounds(work))
    }

    #[inline(always)]
    fn holds(&self, grounds: &Grounds) -> bool {
        self.slot.sealed(&self.key, grounds) == self.slot.seal
    }

    /// What a destination did with the first fragment.
    #[inline(always)]
    pub(super) const fn choice(&self, index: usize) -> Choice {
        let choice = Choice::from_word(self.slot.choices[index & LAST]);
        // A copy does not wait for a neighbour, and what follows would be the rest of nothing.
        if choice.waits() && index as u32 != self.slot.last {
            return choice.failed(DropReason::NeighbourUnresolved as u32);
        }
        choice
    }
}

/// Whether frames like this one are none of ours, whatever is in them.
#[inline(always)]
pub(super) fn is_foreign(skb: Skb) -> bool {
    let tag = skb.tag();
    skb.is_for_another_host()
        || (tag.is_some() && lookup::belongs_to_vlan_device(skb.interface(), tag))
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// What a decision of this forward rests on.
#[inline(always)]
fn grounds(work: &Work) -> Grounds {
    let slot = slots::number_of(work.forward);
    // SAFETY: an aligned word, written before the slot can be reached.
    let stamp = FORWARD_STAMPS
        .get_ptr(slot)
        .map_or(0, |stamp| unsafe { read_volatile(stamp) });
    Grounds {
        slot,
        stamp,
        source: address(*slots::listener_source(work.listener)),
    }
}

/// Remembers what was decided for the first fragment of a datagram, for the later ones. Where the kernel has
/// no room, they are orphans.
#[inline(always)]
pub(super) fn remember<H: Headers>(
    network: u32,
    part: Part,
    work: &Work,
    headers: &H,
    plan: &Plan,
) -> Option<Fragment> {
    let entry = Entry::of(work.skb, network, part, headers)?;
    let fragment = Fragment::new(part, entry.key.identification, fresh::<H>());
    let slot = &mut entry.slot;
    slot.forward = work.listener.forward;
    slot.identification = fragment.fresh;
    slot.source_port = work.source_port.to_ne_bytes();
    slot.target_port = work.destination_port.to_ne_bytes();
    slot.last = plan.last;
    let mut index = 0;
    while index < MAX_DESTINATIONS {
        slot.choices[index] = plan.choices[index].word();
        index += 1;
    }
    entry.publish(&grounds(work));
    Some(fragment)
}

/// Remembers that a datagram is nobody's, so that its later fragments are no orphans.
#[inline(never)]
pub(crate) fn remember_nobody<H: Headers>(
    skb: Skb,
    network: u32,
    part: Part,
    headers: &mut MaybeUninit<H>,
) {
    if is_foreign(skb) {
        return;
    }
    let Ok(headers) = headers::load(headers, skb, network - H::LINK) else {
        return;
    };
    let Some(entry) = Entry::of(skb, network, part, headers) else {
        return;
    };
    entry.slot.forward = NONE;
    entry.publish(&Grounds::NONE);
}
