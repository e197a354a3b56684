//! Sends what was planned: rewrite, send, and bring a cloned original back to what it was.

use core::hint::black_box;

use aya_ebpf::bindings::{bpf_redir_neigh, bpf_redir_neigh__bindgen_ty_1};
use udplb_abi::{
    counters::DropReason,
    forward::{ACTION_FORWARD, ADDRESS_REWRITE, Destination, UpstreamSlot},
    next_hop::{NextHopSlot, STATE_LOCAL},
};

use crate::{
    Verdict,
    headers::{Headers, MAPPED, Words},
    lift,
    maps::{NEXT_HOPS, UPSTREAMS},
    plan::{LAST, Plan, count_unsent, each},
    rewrite::Rewriter,
    select::Outcome,
    skb::{self, Gate, Refused, Skb},
    slots, stats, trace,
    work::Work,
};

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const NO_ADDRESS: Words = [0; 4];

/// Where a copy goes.
pub(crate) struct Way {
    pub(crate) upstream: &'static UpstreamSlot,
    /// The slot of the next hop.
    pub(crate) slot: u32,
    pub(crate) next_hop: &'static NextHopSlot,
}

/// Sends to every destination that chose an upstream, and counts all of them.
#[inline(always)]
pub(crate) fn run<H: Headers>(
    work: &Work,
    headers: &H,
    plan: &Plan,
    packet: &mut impl Rewriter<H>,
) -> Verdict {
    let mut verdict = Verdict::Drop;
    each(work.forward, |index| {
        match to_destination(work, headers, plan, index, packet) {
            AS_PLANNED => {}
            ITSELF => verdict = Verdict::Redirect,
            reason => trace::amend(index as usize, reason),
        }
    });
    if consumes(work) {
        return verdict;
    }
    match packet.back(work, headers) {
        Ok(()) => Verdict::Next,
        // Half restored: better lost than altered. The kernel has unshared the headers by now, so
        // this does not happen.
        Err(Refused) => Verdict::Drop,
    }
}

#[inline(always)]
fn consumes(work: &Work) -> bool {
    work.forward.action == ACTION_FORWARD
}

/// [`to_destination`]: what was planned is done.
const AS_PLANNED: u32 = u32::MAX;
/// [`to_destination`]: same, and the packet itself went there.
const ITSELF: u32 = u32::MAX - 1;

/// Sends to one destination; tells how that went: [`AS_PLANNED`], [`ITSELF`], or the [`DropReason`] of
/// what was to be sent and was not.
///
/// Not inlined: eight times over, the program would not fit.
#[inline(never)]
fn to_destination<H: Headers, R: Rewriter<H>>(
    work: &Work,
    original: &H,
    plan: &Plan,
    index: u32,
    packet: &mut R,
) -> u32 {
    let destination = &work.forward.destinations[index as usize & LAST];
    let choice = plan.choices[index as usize & LAST];
    // The last destination of a forward gets the packet itself, which may wait for a neighbour.
    let is_last = consumes(work) && index == plan.last;
    let upstream = match choice.outcome() {
        Outcome::Send { upstream } => upstream,
        Outcome::SendUnresolved { upstream } if is_last => upstream,
        _ => {
            count_unsent(destination.counters, choice, work.amount.packets);
            return AS_PLANNED;
        }
    };
    let drop = |reason| {
        stats::dropped(destination.counters, reason as u32, work.amount.packets);
        reason as u32
    };
    let Some(way) = Way::to(upstream) else {
        return drop(DropReason::NoRoute);
    };
    // The black boxes keep the headers in memory: in registers, they would be spilled word by word.
    let mut headers = *original;
    let headers = black_box(&mut headers);
    let port = address(work, headers, destination, &way);
    let headers = black_box(headers);
    if packet.to_destination(work, headers, port, index).is_err() {
        return drop(DropReason::RewriteFailed);
    }
    let sent = match (H::LINK, is_last) {
        (0, true) => lift::redirect(work.skb, &way),
        (0, false) => lift::send_copy(work.skb, &way),
        (_, true) => way.redirect(work.skb),
        (_, false) => work.skb.send_copy(way.gate(work.skb)),
    };
    if sent.is_err() {
        return drop(DropReason::SendFailed);
    }
    stats::sent(way.upstream.counters, work.amount);
    if is_last { ITSELF } else { AS_PLANNED }
}

/// Turns a copy of the original headers into those for a destination; returns the port.
#[inline(always)]
fn address<H: Headers>(work: &Work, headers: &mut H, destination: &Destination, way: &Way) -> u16 {
    let mut port = work.destination_port;
    headers.spend_hop();
    let up = way.goes_up();
    // The stack takes a packet from outside that bears an own address for a forged one.
    if u32::from(destination.source_address ^ ADDRESS_REWRITE) | up == 0 {
        let source = slots::listener_source(work.listener);
        if *source == NO_ADDRESS {
            headers.set_source(&headers.destination());
        } else {
            headers.set_source(source);
        }
    }
    if destination.destination_address == ADDRESS_REWRITE {
        headers.set_destination(slots::upstream_address(way.upstream));
        let upstream = u16::from_ne_bytes(way.upstream.port);
        if upstream != 0 {
            port = upstream;
        }
    }
    headers.set_link(slots::link_addresses(way.next_hop), up);
    port
}

impl Way {
    #[inline(always)]
    pub(crate) fn to(upstream: u32) -> Option<Self> {
        let upstream = UPSTREAMS.get(upstream)?;
        // SAFETY: an aligned word that user space stores as one.
        let slot = unsafe { core::ptr::read_volatile(&raw const upstream.next_hop) };
        // Slot 0 is all zero, its interface does not exist: sending there fails and is counted.
        let next_hop = NEXT_HOPS.get(slot)?;
        Some(Self {
            upstream,
            slot,
            next_hop,
        })
    }

    /// 1 where the upstream is this host itself, otherwise 0. A number, because the verifier would walk all that
    /// follows a branch twice, for each destination.
    #[inline(always)]
    fn goes_up(&self) -> u32 {
        u32::from(self.next_hop.state) / u32::from(STATE_LOCAL)
    }

    /// Where copies go out, or in: those for this host itself enter where the packet did, as if they had come from
    /// there. The same filters judge them, a firewall's and that of reverse paths. No listener of ours takes them: the
    /// planner sees to that.
    #[inline(always)]
    pub(crate) fn gate(&self, skb: Skb) -> Gate {
        let up = self.goes_up();
        // The interface of a next hop that is this host itself is 0.
        let interface = self.next_hop.interface + up * skb.interface();
        Gate { interface, up }
    }

    #[inline(always)]
    pub(crate) fn redirect(&self, skb: Skb) -> Result<(), Refused> {
        if self.next_hop.is_ready() {
            return skb::redirect(self.gate(skb));
        }
        self.ask()
    }

    /// Has the kernel find the neighbour first. Rare, so not inlined: it takes room on the stack.
    #[inline(never)]
    fn ask(&self) -> Result<(), Refused> {
        let neighbour = neighbour(slots::neighbour(self.next_hop));
        skb::redirect_to_neighbour(self.next_hop.interface, neighbour)
    }
}

/// The neighbour as `bpf_redirect_neigh` takes it.
#[inline(always)]
fn neighbour(address: &Words) -> bpf_redir_neigh {
    let [first, second, third, fourth] = *address;
    let (nh_family, ipv6_nh) = if first == 0 && second == 0 && third == MAPPED {
        (AF_INET, [fourth, 0, 0, 0])
    } else {
        (AF_INET6, *address)
    };
    bpf_redir_neigh {
        nh_family,
        __bindgen_anon_1: bpf_redir_neigh__bindgen_ty_1 { ipv6_nh },
    }
}
