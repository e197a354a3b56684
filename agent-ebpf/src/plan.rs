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
    stats::{self, Amount},
    trace,
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
        let forward = work.forward;
        let plan = plan.write(Self {
            choices: [Choice::NOTHING.hidden(forward.zero); MAX_DESTINATIONS],
            last: Self::NOBODY ^ forward.zero,
            unavailable: forward.zero,
        });
        each(forward, |index| {
            let choice = select::choose(work, headers, index).hidden(forward.zero);
            plan.choices[index as usize & LAST] = choice;
            match choice.outcome() {
                Outcome::Send { .. } | Outcome::SendUnresolved { .. } => plan.last = index,
                Outcome::Drop { reason, .. } if is_unavailability(reason) => plan.unavailable += 1,
                _ => {}
            }
        });
    }

    /// Whether any destination sends.
    #[inline(always)]
    pub(crate) const fn sends(&self) -> bool {
        self.last != Self::NOBODY
    }

    /// What becomes of a packet that the kernel does not let us prepare for sending. Counts it.
    #[inline(always)]
    pub(crate) fn fail(
        &self,
        forward: &ForwardSlot,
        reason: DropReason,
        amount: Amount,
    ) -> Verdict {
        each(forward, |index| {
            let index = index as usize & LAST;
            let counters = forward.destinations[index].counters;
            let choice = self.choices[index];
            match choice.outcome() {
                Outcome::Send { .. } | Outcome::SendUnresolved { .. } => {
                    trace::amend(index, reason as u32);
                    stats::dropped(counters, reason as u32, amount);
                }
                _ => count_unsent(counters, choice, amount),
            }
        });
        unsent(forward)
    }

    /// What becomes of a packet that no destination sends. Counts it.
    #[inline(always)]
    pub(crate) fn refuse(&self, forward: &ForwardSlot, amount: Amount) -> Verdict {
        let pass = forward.action == ACTION_FORWARD
            && forward.when_unavailable == UNAVAILABLE_PASS
            && self.unavailable == u32::from(forward.destination_count);
        each(forward, |index| {
            let index = index as usize & LAST;
            let counters = forward.destinations[index].counters;
            if pass {
                stats::passed(counters, amount);
            } else {
                count_unsent(counters, self.choices[index], amount);
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
pub(crate) fn count_unsent(counters: u32, choice: Choice, amount: Amount) {
    match choice.outcome() {
        Outcome::SampledOut => stats::sampled_out(counters, amount),
        Outcome::Drop { reason, .. } => stats::dropped(counters, reason, amount),
        Outcome::SendUnresolved { .. } => {
            stats::dropped(counters, DropReason::NeighbourUnresolved as u32, amount);
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
