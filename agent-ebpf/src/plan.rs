//! The choices of all destinations of a forward for one packet. Sends nothing.

use udplb_abi::{
    MAX_DESTINATIONS,
    counters::DropReason,
    forward::{ACTION_FORWARD, ForwardSlot, UNAVAILABLE_PASS},
};

use crate::{
    Verdict,
    headers::Headers,
    select::{self, Choice, Facts, Outcome},
    stats::{self, Amount},
};

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
    pub(crate) fn make<H: Headers>(forward: &ForwardSlot, facts: &Facts<'_, H>) -> Self {
        let mut plan = Self {
            choices: [Choice::NOTHING; MAX_DESTINATIONS],
            last: Self::NOBODY,
            unavailable: 0,
        };
        for index in 0..MAX_DESTINATIONS {
            if index >= forward.destination_count as usize {
                break;
            }
            let choice = select::choose(forward.action, &forward.destinations[index], facts);
            plan.choices[index] = choice;
            match choice.outcome() {
                Outcome::Send { .. } | Outcome::SendUnresolved { .. } => plan.last = index as u32,
                Outcome::Drop { reason } if is_unavailability(reason) => plan.unavailable += 1,
                _ => {}
            }
        }
        plan
    }

    /// Whether any destination sends.
    #[inline(always)]
    pub(crate) const fn sends(&self) -> bool {
        self.last != Self::NOBODY
    }

    /// What becomes of a packet that the kernel does not let us prepare for sending. Counts it.
    #[inline(always)]
    pub(crate) fn fail(
        mut self,
        forward: &ForwardSlot,
        reason: DropReason,
        amount: Amount,
    ) -> Verdict {
        for choice in &mut self.choices {
            if let Outcome::Send { .. } | Outcome::SendUnresolved { .. } = choice.outcome() {
                *choice = Choice::drop(reason);
            }
        }
        self.refuse(forward, amount)
    }

    /// What becomes of a packet that no destination sends. Counts it.
    #[inline(always)]
    pub(crate) fn refuse(&self, forward: &ForwardSlot, amount: Amount) -> Verdict {
        let pass = forward.action == ACTION_FORWARD
            && forward.when_unavailable == UNAVAILABLE_PASS
            && self.unavailable == u32::from(forward.destination_count);
        for index in 0..MAX_DESTINATIONS {
            if index >= forward.destination_count as usize {
                break;
            }
            let counters = forward.destinations[index].counters;
            if pass {
                stats::passed(counters, amount);
            } else {
                count_unsent(counters, self.choices[index], amount);
            }
        }
        if forward.action == ACTION_FORWARD && !pass {
            Verdict::Drop
        } else {
            Verdict::Next
        }
    }
}

/// Counts a destination that does not send, by what kept it from sending.
#[inline(always)]
pub(crate) fn count_unsent(counters: u32, choice: Choice, amount: Amount) {
    match choice.outcome() {
        Outcome::SampledOut => stats::sampled_out(counters, amount),
        Outcome::Drop { reason } => stats::dropped(counters, reason, amount),
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
