//! The choices of all destinations of a forward for one packet. Sends nothing.

use core::{mem::MaybeUninit, ptr::read_volatile};

use udplb_abi::{
    MAX_DESTINATIONS,
    counters::DropReason,
    forward::{ACTION_FORWARD, ForwardSlot, UNAVAILABLE_PASS},
};

use crate::{
    Verdict,
    headers::Headers,
    select::{self, Choice, Outcome},
    stats, trace,
    work::Work,
};

/// Mask of an index of a destination.
pub(crate) const LAST: usize = MAX_DESTINATIONS - 1;
const _: () = assert!(MAX_DESTINATIONS.is_power_of_two());

/// Calls `visit` with the index of each destination.
///
/// Written out, with indexes that the verifier does not know (see [`ForwardSlot::zero`]) and a count
/// that it forgets each time: what it has checked for one destination then holds for all of them.
/// Both are read anew each time, or the compiler would keep all of them on the stack.
#[inline(always)]
pub(crate) fn each(forward: &ForwardSlot, mut visit: impl FnMut(u32)) {
    macro_rules! visit {
        ($($index:literal)*) => {$(
            // SAFETY: fields of a valid slot.
            let (count, zero) = unsafe {
                (
                    read_volatile(&raw const forward.destination_count),
                    read_volatile(&raw const forward.zero),
                )
            };
            if count <= $index {
                return;
            }
            visit($index ^ zero);
        )*};
    }
    visit!(0 1 2 3 4 5 6 7);
}

/// What each destination will do.
pub(crate) struct Plan {
    /// By index of the destination.
    pub(crate) choices: [Choice; MAX_DESTINATIONS],
    /// The last destination that sends; [`Plan::NOBODY`] where none does.
    pub(crate) last: u32,
    /// How many destinations have nowhere to send to.
    unavailable: u32,
}

impl Plan {
    /// No destination sends.
    pub(crate) const NOBODY: u32 = MAX_DESTINATIONS as u32;

    /// Chooses for every destination.
    #[inline(always)]
    pub(crate) fn make<H: Headers>(plan: &mut MaybeUninit<Self>, work: &Work, headers: &H) {
        let plan = Self::nothing(plan, work.forward);
        each(work.forward, |index| {
            plan.choose(work.forward, index, select::choose(work, headers, index));
        });
    }

    /// Chooses for every destination what was chosen for the first fragment.
    #[inline(always)]
    pub(crate) fn follow<H: Headers>(
        plan: &mut MaybeUninit<Self>,
        work: &Work,
        headers: &H,
        first: impl Fn(usize) -> Choice,
    ) {
        let plan = Self::nothing(plan, work.forward);
        let mut was_sent = work.forward.zero;
        each(work.forward, |index| {
            let first = first(index as usize);
            was_sent |= u32::from(first.is_sent());
            plan.choose(work.forward, index, select::again(work, headers, first));
        });
        // Where the first was sent, the stack has no use for the rest.
        if was_sent != 0 {
            plan.unavailable = work.forward.zero;
        }
    }

    #[inline(always)]
    fn nothing<'a>(plan: &'a mut MaybeUninit<Self>, forward: &ForwardSlot) -> &'a mut Self {
        plan.write(Self {
            choices: [Choice::NOTHING.hidden(forward.zero); MAX_DESTINATIONS],
            last: Self::NOBODY ^ forward.zero,
            unavailable: forward.zero,
        })
    }

    #[inline(always)]
    fn choose(&mut self, forward: &ForwardSlot, index: u32, choice: Choice) {
        let choice = choice.hidden(forward.zero);
        self.choices[index as usize & LAST] = choice;
        match choice.outcome() {
            Outcome::Send { .. } | Outcome::SendUnresolved { .. } => self.last = index,
            Outcome::Drop { reason, .. } if is_unavailability(reason) => self.unavailable += 1,
            _ => {}
        }
    }

    /// Whether any destination sends.
    #[inline(always)]
    pub(crate) const fn sends(&self) -> bool {
        self.last != Self::NOBODY
    }

    /// What becomes of a packet that the kernel does not let us prepare for sending. Counts it.
    #[inline(never)]
    pub(crate) fn fail(&self, forward: &ForwardSlot, reason: DropReason, packets: u64) -> Verdict {
        each(forward, |index| {
            let index = index as usize & LAST;
            let counters = forward.destinations[index].counters;
            let choice = self.choices[index];
            match choice.outcome() {
                Outcome::Send { .. } | Outcome::SendUnresolved { .. } => {
                    trace::amend(index, reason as u32);
                    stats::dropped(counters, reason as u32, packets);
                }
                _ => count_unsent(counters, choice, packets),
            }
        });
        unsent(forward)
    }

    /// What becomes of a packet that no destination sends. Counts it.
    #[inline(never)]
    pub(crate) fn refuse(&self, forward: &ForwardSlot, packets: u64) -> Verdict {
        let pass = forward.action == ACTION_FORWARD
            && forward.when_unavailable == UNAVAILABLE_PASS
            && self.unavailable == u32::from(forward.destination_count);
        each(forward, |index| {
            let index = index as usize & LAST;
            let counters = forward.destinations[index].counters;
            if pass {
                stats::passed(counters, packets);
            } else {
                count_unsent(counters, self.choices[index], packets);
            }
        });
        if pass {
            trace::amend_to_passed();
            Verdict::Next
        } else {
            unsent(forward)
        }
    }
}

/// What becomes of a packet that went nowhere.
#[inline(always)]
fn unsent(forward: &ForwardSlot) -> Verdict {
    if forward.action == ACTION_FORWARD {
        Verdict::Drop
    } else {
        Verdict::Next
    }
}

/// Counts a destination that does not send, by what kept it from sending. Rare, so not inlined.
#[inline(never)]
pub(crate) fn count_unsent(counters: u32, choice: Choice, packets: u64) {
    match choice.outcome() {
        Outcome::SampledOut => stats::sampled_out(counters, packets),
        Outcome::Drop { reason, .. } => stats::dropped(counters, reason, packets),
        Outcome::SendUnresolved { .. } => {
            stats::dropped(counters, DropReason::NeighbourUnresolved as u32, packets);
        }
        Outcome::Send { .. } | Outcome::Nothing => {}
    }
}

/// Whether a reason says that the destination has nowhere to send to.
#[inline(always)]
const fn is_unavailability(reason: u32) -> bool {
    reason == DropReason::NoUpstream as u32
        || reason == DropReason::NoRoute as u32
        || reason == DropReason::NeighbourUnresolved as u32
}
