//! What one destination does with a packet: sampling, rate limit, and which upstream. Sends nothing.

use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use udplb_abi::{
    NONE,
    counters::DropReason,
    forward::{ACTION_FORWARD, Balance, Destination, SAMPLING_PER_FLOW, TABLE_ENTRIES_PER_VALUE},
    hash::{self, FlowKey, Strategy},
};

use crate::{
    atomic,
    headers::Headers,
    maps::{NEXT_HOPS, RATE_LIMITS, TABLES, UPSTREAMS},
    plan::LAST,
    work::Work,
};

/// What a destination does with a packet, in one word so that eight of them fit the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice(u32);

impl Choice {
    const KIND: u32 = 0xff << 24;
    const SEND: u32 = 0 << 24;
    const SEND_UNRESOLVED: u32 = 1 << 24;
    const SAMPLED_OUT: u32 = 2 << 24;
    const DROP: u32 = 3 << 24;
    /// A drop keeps its reason above the upstream that was chosen: no agent has more than 2^20.
    const REASON: u32 = 20;
    const UPSTREAM_OF_DROP: u32 = (1 << Self::REASON) - 1;

    /// Does nothing: a destination that is not there.
    pub(crate) const NOTHING: Self = Self(u32::MAX);

    /// The same choice, unknown to the verifier: see [`udplb_abi::forward::ForwardSlot::zero`].
    #[inline(always)]
    pub(crate) const fn hidden(self, zero: u32) -> Self {
        Self(self.0 ^ zero)
    }

    /// Its word, to remember it by.
    #[inline(always)]
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// Whether it sends.
    #[inline(always)]
    pub(crate) const fn is_sent(self) -> bool {
        self.0 & Self::KIND <= Self::SEND_UNRESOLVED
    }

    /// Whether it sends as soon as the kernel has found the neighbour.
    #[inline(always)]
    pub(crate) const fn waits(self) -> bool {
        self.0 & Self::KIND == Self::SEND_UNRESOLVED
    }

    /// The upstream that was chosen; [`NONE`] where none was.
    #[inline(always)]
    pub(crate) const fn upstream(self) -> u32 {
        match self.outcome() {
            Outcome::Send { upstream }
            | Outcome::SendUnresolved { upstream }
            | Outcome::Drop { upstream, .. } => upstream,
            Outcome::SampledOut | Outcome::Nothing => NONE,
        }
    }

    /// The choice that has this word.
    #[inline(always)]
    pub(crate) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    const fn send(upstream: u32) -> Self {
        Self(Self::SEND | upstream & !Self::KIND)
    }

    const fn send_unresolved(upstream: u32) -> Self {
        Self(Self::SEND_UNRESOLVED | upstream & !Self::KIND)
    }

    /// Drop what was chosen for `upstream`; [`NONE`] where none was.
    pub(crate) const fn drop(reason: DropReason, upstream: u32) -> Self {
        let upstream = upstream & Self::UPSTREAM_OF_DROP;
        Self(Self::DROP | (reason as u32) << Self::REASON | upstream)
    }

    /// What has become of a choice to send that failed for a [`DropReason`].
    #[inline(always)]
    pub(crate) const fn failed(self, reason: u32) -> Self {
        Self(Self::DROP | reason << Self::REASON | self.0 & Self::UPSTREAM_OF_DROP)
    }

    /// Takes the choice apart.
    #[inline(always)]
    pub(crate) const fn outcome(self) -> Outcome {
        let value = self.0 & !Self::KIND;
        match self.0 & Self::KIND {
            Self::SEND => Outcome::Send { upstream: value },
            Self::SEND_UNRESOLVED => Outcome::SendUnresolved { upstream: value },
            Self::SAMPLED_OUT => Outcome::SampledOut,
            Self::DROP => Outcome::Drop {
                reason: value >> Self::REASON,
                upstream: value & Self::UPSTREAM_OF_DROP,
            },
            _ => Outcome::Nothing,
        }
    }
}

/// A [`Choice`] taken apart.
pub(crate) enum Outcome {
    /// Send to this slot of `UPSTREAMS`.
    Send { upstream: u32 },
    /// Same, but the kernel must find the neighbour first: only a packet that is not needed any more
    /// can wait for that.
    SendUnresolved { upstream: u32 },
    /// Left out by sampling.
    SampledOut,
    /// Dropped, for this [`DropReason`]; the upstream that was chosen by then, or [`NONE`].
    Drop { reason: u32, upstream: u32 },
    /// No such destination.
    Nothing,
}

/// Chooses for one destination of a forward.
///
/// Not inlined: eight times over, the program would not fit.
#[inline(never)]
pub(crate) fn choose<H: Headers>(work: &Work, headers: &H, index: u32) -> Choice {
    let destination = &work.forward.destinations[index as usize & LAST];
    if is_sampled_out(destination, work, headers) {
        return Choice(Choice::SAMPLED_OUT);
    }
    if headers.hops() <= 1 {
        return Choice::drop(DropReason::TtlExpired, NONE);
    }
    let Some(upstream) = upstream(destination, work, headers) else {
        return Choice::drop(DropReason::NoUpstream, NONE);
    };
    let choice = reach(work, upstream);
    if choice.is_sent()
        && destination.rate_limit != NONE
        && is_over_limit(destination.rate_limit, work.amount.packets)
    {
        return Choice::drop(DropReason::RateLimited, upstream);
    }
    choice
}

/// Decides for a later fragment what was decided for the first, as far as it can be done.
///
/// Not inlined: eight times over, the program would not fit.
#[inline(never)]
pub(crate) fn again<H: Headers>(work: &Work, headers: &H, first: Choice) -> Choice {
    match first.outcome() {
        Outcome::Send { upstream } | Outcome::SendUnresolved { upstream } => {
            if headers.hops() <= 1 {
                return Choice::drop(DropReason::TtlExpired, upstream);
            }
            reach(work, upstream)
        }
        _ => first,
    }
}

/// Whether a packet can go to an upstream, and how.
#[inline(always)]
fn reach(work: &Work, upstream: u32) -> Choice {
    let Some(slot) = UPSTREAMS.get_ptr(upstream) else {
        return Choice::drop(DropReason::NoUpstream, NONE);
    };
    // SAFETY: an aligned word that user space stores as one.
    let next_hop = unsafe { read_volatile(&raw const (*slot).next_hop) };
    if next_hop == NONE {
        return Choice::drop(DropReason::NoRoute, upstream);
    }
    let Some(next_hop) = NEXT_HOPS.get(next_hop) else {
        return Choice::drop(DropReason::NoRoute, upstream);
    };
    let ready = next_hop.is_ready();
    if !ready && work.forward.action != ACTION_FORWARD {
        return Choice::drop(DropReason::NeighbourUnresolved, upstream);
    }
    if work.longest > next_hop.mtu {
        return Choice::drop(DropReason::MtuExceeded, upstream);
    }
    if ready {
        Choice::send(upstream)
    } else {
        Choice::send_unresolved(upstream)
    }
}

#[inline(always)]
fn random() -> u32 {
    // SAFETY: takes nothing.
    unsafe { bpf_get_prandom_u32() }
}

#[inline(always)]
fn is_sampled_out<H: Headers>(destination: &Destination, work: &Work, headers: &H) -> bool {
    let one_in = destination.sampling_one_in;
    if one_in <= 1 {
        return false;
    }
    let hash = if destination.sampling_per == SAMPLING_PER_FLOW {
        hash::five_tuple_keyed(hash::SAMPLING_SEED, &work.flow(headers))
    } else {
        random()
    };
    hash::index(hash, one_in) != 0
}

/// The upstream's slot, by one lookup in the balance table.
#[inline(always)]
fn upstream<H: Headers>(destination: &Destination, work: &Work, headers: &H) -> Option<u32> {
    let Balance {
        first,
        count,
        slots,
        table,
    } = destination.balance[H::FAMILY as usize];
    if count == 0 {
        return None;
    }
    if slots == 0 {
        return Some(first + table);
    }
    let position = hash::index(flow_hash(destination.strategy, &work.flow(headers)), slots);
    let entries = TABLES.get(table + position / TABLE_ENTRIES_PER_VALUE)?;
    let index = entries[(position % TABLE_ENTRIES_PER_VALUE) as usize];
    Some(first + u32::from(index))
}

#[inline(always)]
fn flow_hash(strategy: u8, flow: &FlowKey) -> u32 {
    const SOURCE_PORT: u8 = Strategy::SourcePort as u8;
    const SOURCE_IP_PORT: u8 = Strategy::SourceIpPort as u8;
    const FIVE_TUPLE: u8 = Strategy::FiveTuple as u8;
    const RANDOM: u8 = Strategy::Random as u8;
    match strategy {
        SOURCE_PORT => hash::keyed(Strategy::SourcePort, flow),
        SOURCE_IP_PORT => hash::keyed(Strategy::SourceIpPort, flow),
        FIVE_TUPLE => hash::keyed(Strategy::FiveTuple, flow),
        RANDOM => random(),
        _ => hash::keyed(Strategy::SourceIp, flow),
    }
}

/// Generic cell rate algorithm: one clock for all CPUs.
///
/// A CPU that another one overtakes between reading the clock and moving it has decided already: it pays on top. So
/// CPUs that decide at the same moment may send a packet each for the last place of a burst, but every packet is paid
/// for, and the clock never runs backwards.
#[inline(always)]
fn is_over_limit(slot: u32, packets: u64) -> bool {
    let Some(limit) = RATE_LIMITS.get_ptr_mut(slot) else {
        return false;
    };
    // SAFETY: aligned words of the array.
    let (arrival, interval, tolerance) = unsafe {
        (
            read_volatile(&raw const (*limit).arrival),
            (*limit).interval,
            (*limit).tolerance,
        )
    };
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let start = if arrival > now { arrival } else { now };
    if start - now > tolerance {
        return true;
    }
    let price = interval * packets;
    // SAFETY: an aligned word of the array, written by programs only while the slot is in use.
    unsafe {
        let clock = &raw mut (*limit).arrival;
        if atomic::compare_exchange(clock, arrival, start + price) != arrival {
            atomic::add(clock, price);
        }
    }
    false
}
