//! What one destination does with a packet: sampling, rate limit, and which upstream. Sends nothing.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use udplb_abi::{
    NONE,
    address::Family,
    counters::DropReason,
    forward::{ACTION_FORWARD, Balance, Destination, SAMPLING_PER_FLOW, TABLE_ENTRIES_PER_VALUE},
    hash::{self, Flow, Strategy},
    next_hop::STATE_RESOLVED,
};

use crate::headers::Headers;
use crate::maps::{NEXT_HOPS, RATE_LIMITS, TABLES, UPSTREAMS};

/// What a destination does with a packet, in one word so that eight of them fit the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice(u32);

impl Choice {
    const KIND: u32 = 0xff << 24;
    const SEND: u32 = 0 << 24;
    const SEND_UNRESOLVED: u32 = 1 << 24;
    const SAMPLED_OUT: u32 = 2 << 24;
    const DROP: u32 = 3 << 24;

    /// Does nothing: a destination that is not there.
    pub(crate) const NOTHING: Self = Self(u32::MAX);

    const fn send(upstream: u32) -> Self {
        Self(Self::SEND | upstream & !Self::KIND)
    }

    const fn send_unresolved(upstream: u32) -> Self {
        Self(Self::SEND_UNRESOLVED | upstream & !Self::KIND)
    }

    pub(crate) const fn drop(reason: DropReason) -> Self {
        Self(Self::DROP | reason as u32)
    }

    /// Takes the choice apart.
    #[inline(always)]
    pub(crate) const fn outcome(self) -> Outcome {
        let value = self.0 & !Self::KIND;
        match self.0 & Self::KIND {
            Self::SEND => Outcome::Send { upstream: value },
            Self::SEND_UNRESOLVED => Outcome::SendUnresolved { upstream: value },
            Self::SAMPLED_OUT => Outcome::SampledOut,
            Self::DROP => Outcome::Drop { reason: value },
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
    /// Dropped, for this [`DropReason`].
    Drop { reason: u32 },
    /// No such destination.
    Nothing,
}

/// What a destination must know of a packet.
pub(crate) struct Facts<'a, H> {
    /// Address family.
    pub(crate) family: Family,
    /// Ethernet and IP header.
    pub(crate) headers: &'a H,
    /// Source port as it is on the wire.
    pub(crate) source_port: u16,
    /// Destination port as it is on the wire.
    pub(crate) destination_port: u16,
    /// Longest IP packet that it becomes on the wire, bytes.
    pub(crate) length: u32,
    /// Packets that it becomes on the wire.
    pub(crate) packets: u64,
}

impl<H: Headers> Facts<'_, H> {
    /// What the strategies and sampling hash. Made anew for each destination: keeping it costs stack.
    #[inline(always)]
    fn flow(&self) -> Flow {
        Flow {
            source: self.headers.source(),
            destination: self.headers.destination(),
            source_port: u16::from_be(self.source_port),
            destination_port: u16::from_be(self.destination_port),
        }
    }
}

/// Chooses for one destination of a forward.
#[inline(always)]
pub(crate) fn choose<H: Headers>(
    action: u8,
    destination: &Destination,
    facts: &Facts<'_, H>,
) -> Choice {
    if is_sampled_out(destination, facts) {
        return Choice(Choice::SAMPLED_OUT);
    }
    if facts.headers.hops() <= 1 {
        return Choice::drop(DropReason::TtlExpired);
    }
    let Some(upstream) = upstream(destination, facts) else {
        return Choice::drop(DropReason::NoUpstream);
    };
    let Some(slot) = UPSTREAMS.get_ptr(upstream) else {
        return Choice::drop(DropReason::NoUpstream);
    };
    // SAFETY: an aligned word that user space stores as one.
    let next_hop = unsafe { read_volatile(&raw const (*slot).next_hop) };
    if next_hop == NONE {
        return Choice::drop(DropReason::NoRoute);
    }
    let Some(next_hop) = NEXT_HOPS.get(next_hop) else {
        return Choice::drop(DropReason::NoRoute);
    };
    let resolved = next_hop.state == STATE_RESOLVED;
    if !resolved && action != ACTION_FORWARD {
        return Choice::drop(DropReason::NeighbourUnresolved);
    }
    if facts.length > next_hop.mtu {
        return Choice::drop(DropReason::MtuExceeded);
    }
    if destination.rate_limit != NONE && is_over_limit(destination.rate_limit, facts.packets) {
        return Choice::drop(DropReason::RateLimited);
    }
    if resolved {
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
fn is_sampled_out<H: Headers>(destination: &Destination, facts: &Facts<'_, H>) -> bool {
    let one_in = destination.sampling_one_in;
    if one_in <= 1 {
        return false;
    }
    let hash = if destination.sampling_per == SAMPLING_PER_FLOW {
        hash::five_tuple(hash::SAMPLING_SEED, &facts.flow())
    } else {
        random()
    };
    hash::index(hash, one_in) != 0
}

/// The upstream's slot, by one lookup in the balance table.
#[inline(always)]
fn upstream<H: Headers>(destination: &Destination, facts: &Facts<'_, H>) -> Option<u32> {
    let Balance {
        first,
        count,
        slots,
        table,
    } = destination.balance[facts.family as usize];
    if count == 0 {
        return None;
    }
    if slots == 0 {
        return Some(first + table);
    }
    let position = hash::index(flow_hash(destination.strategy, &facts.flow()), slots);
    let entries = TABLES.get(table + position / TABLE_ENTRIES_PER_VALUE)?;
    let index = entries[(position % TABLE_ENTRIES_PER_VALUE) as usize];
    Some(first + u32::from(index))
}

#[inline(always)]
fn flow_hash(strategy: u8, flow: &Flow) -> u32 {
    const SOURCE_PORT: u8 = Strategy::SourcePort as u8;
    const SOURCE_IP_PORT: u8 = Strategy::SourceIpPort as u8;
    const FIVE_TUPLE: u8 = Strategy::FiveTuple as u8;
    const RANDOM: u8 = Strategy::Random as u8;
    match strategy {
        SOURCE_PORT => hash::flow(Strategy::SourcePort, flow),
        SOURCE_IP_PORT => hash::flow(Strategy::SourceIpPort, flow),
        FIVE_TUPLE => hash::flow(Strategy::FiveTuple, flow),
        RANDOM => random(),
        _ => hash::flow(Strategy::SourceIp, flow),
    }
}

/// Generic cell rate algorithm: one clock for all CPUs.
///
/// Read and written as whole words, but not as one step: this target has no compare-and-exchange.
/// Two CPUs that decide within the same few nanoseconds take two packets for the price of one; a
/// clock never runs backwards further than that.
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
    // SAFETY: an aligned word of the array, written by programs only while the slot is in use.
    unsafe { write_volatile(&raw mut (*limit).arrival, start + interval * packets) };
    false
}
