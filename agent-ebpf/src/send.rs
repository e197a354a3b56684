//! Sends what was planned: rewrite, send, and bring a cloned original back to what it was.

use aya_ebpf::bindings::{bpf_redir_neigh, bpf_redir_neigh__bindgen_ty_1};
use udplb_abi::{
    MAX_DESTINATIONS,
    address::Address,
    counters::DropReason,
    forward::{ACTION_FORWARD, ADDRESS_REWRITE, Destination, ForwardSlot, UpstreamSlot},
    listener::ListenerSlot,
    next_hop::{NextHopSlot, STATE_RESOLVED},
};

use crate::{
    Verdict,
    headers::Headers,
    maps::{NEXT_HOPS, UPSTREAMS},
    plan::{Plan, count_unsent},
    rewrite::{Image, Summed, Transport, rewrite},
    select::Outcome,
    skb::{self, Refused, Skb},
    stats::{self, Amount},
};

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const NO_ADDRESS: Address = [0; 16];

/// A packet that is ours and carries no VLAN tag any more, with everything that sending it takes.
pub(crate) struct Delivery<'a> {
    pub(crate) skb: &'a Skb,
    pub(crate) forward: &'a ForwardSlot,
    pub(crate) plan: &'a Plan,
    pub(crate) listener: &'a ListenerSlot,
    pub(crate) transport: Transport,
    pub(crate) amount: Amount,
}

/// Where a copy goes.
struct Way {
    upstream: &'static UpstreamSlot,
    next_hop: &'static NextHopSlot,
}

impl Delivery<'_> {
    /// Sends to every destination that chose an upstream, and counts all of them.
    #[inline(always)]
    pub(crate) fn run<H: Headers>(&self, original: &Image<H>) -> Verdict {
        let mut current = original.summed();
        let mut verdict = Verdict::Drop;
        for index in 0..MAX_DESTINATIONS {
            if index >= self.forward.destination_count as usize {
                break;
            }
            if to_destination(self, index, original, &mut current) {
                verdict = Verdict::Redirect;
            }
        }
        if self.consumes() {
            return verdict;
        }
        match rewrite(self.skb, self.transport, current, original) {
            Ok(_) => Verdict::Next,
            // Half restored: better lost than altered. The kernel has unshared the headers by now,
            // so this does not happen.
            Err(Refused) => Verdict::Drop,
        }
    }

    #[inline(always)]
    fn consumes(&self) -> bool {
        self.forward.action == ACTION_FORWARD
    }

    #[inline(always)]
    fn drop(&self, destination: &Destination, reason: DropReason) {
        stats::dropped(destination.counters, reason as u32, self.amount);
    }

    /// The headers of the copy for a destination.
    #[inline(always)]
    fn wanted<H: Headers>(
        &self,
        destination: &Destination,
        way: &Way,
        original: &Image<H>,
    ) -> Image<H> {
        let mut wanted = *original;
        let headers = &mut wanted.headers;
        headers.spend_hop();
        if destination.source_address == ADDRESS_REWRITE {
            if self.listener.source == NO_ADDRESS {
                headers.set_source(&original.headers.destination());
            } else {
                headers.set_source(&self.listener.source);
            }
        }
        if destination.destination_address == ADDRESS_REWRITE {
            headers.set_destination(&way.upstream.address);
            let port = u16::from_ne_bytes(way.upstream.port);
            if port != 0 {
                wanted.port = port;
            }
        }
        headers.set_link(&way.next_hop.destination_mac, &way.next_hop.source_mac);
        wanted
    }
}

/// Sends to one destination; tells whether the packet itself went there.
///
/// A function of its own: the loop over eight of them would be unrolled and overrun the stack.
#[inline(never)]
fn to_destination<H: Headers>(
    delivery: &Delivery<'_>,
    index: usize,
    original: &Image<H>,
    current: &mut Summed,
) -> bool {
    let Some(destination) = delivery.forward.destinations.get(index) else {
        return false;
    };
    let Some(choice) = delivery.plan.choices.get(index) else {
        return false;
    };
    // The last destination of a forward gets the packet itself, which may wait for a neighbour.
    let is_last = delivery.consumes() && index as u32 == delivery.plan.last;
    let upstream = match choice.outcome() {
        Outcome::Send { upstream } => upstream,
        Outcome::SendUnresolved { upstream } if is_last => upstream,
        _ => {
            count_unsent(destination.counters, *choice, delivery.amount);
            return false;
        }
    };
    let Some(way) = Way::to(upstream) else {
        delivery.drop(destination, DropReason::NoRoute);
        return false;
    };
    let wanted = delivery.wanted(destination, &way, original);
    let Ok(now) = rewrite(delivery.skb, delivery.transport, *current, &wanted) else {
        delivery.drop(destination, DropReason::RewriteFailed);
        return false;
    };
    *current = now;
    let sent = if is_last {
        way.redirect()
    } else {
        delivery.skb.send_copy(way.next_hop.interface)
    };
    match sent {
        Ok(()) => stats::sent(way.upstream.counters, delivery.amount),
        Err(Refused) => delivery.drop(destination, DropReason::SendFailed),
    }
    is_last && sent.is_ok()
}

impl Way {
    #[inline(always)]
    fn to(upstream: u32) -> Option<Self> {
        let upstream = UPSTREAMS.get(upstream)?;
        // SAFETY: an aligned word that user space stores as one.
        let next_hop = unsafe { core::ptr::read_volatile(&raw const upstream.next_hop) };
        // Slot 0 is all zero, its interface does not exist: sending there fails and is counted.
        let next_hop = NEXT_HOPS.get(next_hop)?;
        Some(Self { upstream, next_hop })
    }

    #[inline(always)]
    fn redirect(&self) -> Result<(), Refused> {
        let interface = self.next_hop.interface;
        if self.next_hop.state == STATE_RESOLVED {
            return skb::redirect(interface);
        }
        skb::redirect_to_neighbour(interface, neighbour(&self.next_hop.neighbour))
    }
}

/// The neighbour as `bpf_redirect_neigh` takes it.
#[inline(always)]
fn neighbour(address: &Address) -> bpf_redir_neigh {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    let words = [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ];
    let mapped = words[0] == 0 && words[1] == 0 && words[2] == 0xffff_u32.to_be();
    if mapped {
        return bpf_redir_neigh {
            nh_family: AF_INET,
            __bindgen_anon_1: bpf_redir_neigh__bindgen_ty_1 {
                ipv6_nh: [words[3], 0, 0, 0],
            },
        };
    }
    bpf_redir_neigh {
        nh_family: AF_INET6,
        __bindgen_anon_1: bpf_redir_neigh__bindgen_ty_1 { ipv6_nh: words },
    }
}
