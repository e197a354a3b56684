//! What happens with a packet that may be ours: whose is it, what does each destination do with it,
//! then send.

use core::mem::MaybeUninit;

use udplb_abi::{counters::DropReason, listener::PortWord};

use crate::{
    Verdict,
    headers::{self, Headers},
    lookup,
    parse::{ETHERNET_LENGTH, UDP_LENGTH},
    plan::Plan,
    send,
    skb::Skb,
    stats::{self, Amount},
    tags::Tags,
    trace,
    work::Work,
};

/// The UDP header as it is on the wire.
#[repr(C)]
struct Udp {
    source: u16,
    destination: u16,
    length: u16,
    check: u16,
}

impl Udp {
    #[inline(always)]
    fn load(skb: Skb, offset: u32) -> Option<Self> {
        let mut header = MaybeUninit::<Self>::uninit();
        // SAFETY: the helper fills all eight bytes, each of which is part of an integer.
        unsafe {
            skb.load(offset, header.as_mut_ptr().cast(), UDP_LENGTH)
                .ok()?;
            Some(header.assume_init())
        }
    }
}

const _: () = assert!(size_of::<Udp>() == UDP_LENGTH as usize);

/// Where the headers are: both offsets are below 2^16.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Offsets(u32);

impl Offsets {
    #[inline(always)]
    const fn new(network: u32, transport: u32) -> Self {
        Self(network << 16 | transport)
    }

    #[inline(always)]
    const fn network(self) -> u32 {
        self.0 >> 16
    }

    #[inline(always)]
    const fn transport(self) -> u32 {
        self.0 & 0xffff
    }
}

/// A packet on its way through the steps.
struct Subject<H> {
    headers: MaybeUninit<H>,
    work: MaybeUninit<Work>,
    plan: MaybeUninit<Plan>,
}

/// One address family.
///
/// This and each step is a function of its own: 512 bytes of stack have to do for a chain of calls,
/// and what one step needed the next one can have.
#[inline(never)]
pub(crate) fn packet<H: Headers>(
    skb: Skb,
    network: u32,
    transport: u32,
    length: u32,
    port: PortWord,
) -> Verdict {
    let mut subject = Subject::<H> {
        headers: MaybeUninit::uninit(),
        work: MaybeUninit::uninit(),
        plan: MaybeUninit::uninit(),
    };
    let offsets = Offsets::new(network, transport);
    if !identify(skb, offsets, length, port, &mut subject) {
        return Verdict::Next;
    }
    decide(&mut subject);
    // One branch for both that are rare: while nobody traces, a packet without tags pays none for that.
    if skb.tagged() | trace::session() != 0 {
        return tagged_or_traced(skb, network, &mut subject);
    }
    // SAFETY: `identify` told that the packet is ours and filled the first two, `decide` the third.
    let (headers, work, plan) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_ref(),
            subject.plan.assume_init_ref(),
        )
    };
    if plan.sends() {
        send::run(work, headers, plan)
    } else {
        plan.refuse(work.forward, work.amount)
    }
}

/// Does what was decided with a packet that has tags, or that somebody may want to hear of.
#[inline(always)]
fn tagged_or_traced<H: Headers>(skb: Skb, network: u32, subject: &mut Subject<H>) -> Verdict {
    // SAFETY: `identify` told that the packet is ours and filled the first two, `decide` the third.
    let (headers, work, plan) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_mut(),
            subject.plan.assume_init_ref(),
        )
    };
    if trace::session() != 0 {
        trace::note(work, headers, plan);
    }
    let verdict = if plan.sends() {
        send(skb, network, &mut subject.headers, work, plan)
    } else {
        plan.refuse(work.forward, work.amount)
    };
    if trace::session() != 0 {
        trace::report();
    }
    verdict
}

/// Takes tags off, where there are any, and sends.
#[inline(always)]
fn send<H: Headers>(
    skb: Skb,
    network: u32,
    headers: &mut MaybeUninit<H>,
    work: &mut Work,
    plan: &Plan,
) -> Verdict {
    let mut tags = Tags::of(skb);
    let stripped = tags.strip(skb);
    // With or without tags is the same to the verifier, which walks the rest once.
    tags.hide(work.forward.zero);
    work.transport -= network - ETHERNET_LENGTH;
    // Behind two tags, the first image missed the Ethernet header.
    let verdict = match (stripped, headers::load(headers, skb, 0)) {
        (Ok(()), Ok(headers)) => send::run(work, headers, plan),
        _ => plan.fail(work.forward, DropReason::RewriteFailed, work.amount),
    };
    tags.restored(skb, verdict)
}

/// Whose is the packet? Counts it where it is ours.
#[inline(never)]
fn identify<H: Headers>(
    skb: Skb,
    offsets: Offsets,
    length: u32,
    port: PortWord,
    subject: &mut Subject<H>,
) -> bool {
    find(skb, offsets, length, port, subject).is_some()
}

#[inline(always)]
fn find<H: Headers>(
    skb: Skb,
    offsets: Offsets,
    length: u32,
    port: PortWord,
    subject: &mut Subject<H>,
) -> Option<()> {
    if skb.is_for_another_host() {
        return None;
    }
    let image = offsets.network() - ETHERNET_LENGTH;
    let headers = headers::load(&mut subject.headers, skb, image).ok()?;
    let tag = skb.tag();
    if tag.is_some() && lookup::belongs_to_vlan_device(skb.interface(), tag) {
        return None;
    }
    let listener = lookup::listener(skb.interface(), port, headers)?;
    if skb.is_for_many() && lookup::is_unicast_prefix(listener) {
        return None;
    }
    let forward = lookup::forward(listener.forward)?;
    if !lookup::takes_source(forward, headers) {
        return None;
    }
    let udp = Udp::load(skb, offsets.transport())?;
    let work = subject.work.write(Work {
        skb,
        forward,
        listener,
        amount: Amount {
            packets: 1,
            bytes: u64::from(length),
        },
        transport: offsets.transport(),
        longest: length,
        source_port: udp.source,
        destination_port: udp.destination,
        unchecked: udp.check == 0,
    });
    let segment = skb.gso_size();
    if segment != 0 {
        let headers = offsets.transport() - offsets.network() + UDP_LENGTH;
        count_segments(work, segment, headers, u32::from(u16::from_be(udp.length)));
    }
    stats::matched(forward.counters, work.amount);
    Some(())
}

/// What does each destination do with the packet?
#[inline(never)]
fn decide<H: Headers>(subject: &mut Subject<H>) {
    // SAFETY: `identify` filled both.
    let (headers, work) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_ref(),
        )
    };
    Plan::make(&mut subject.plan, work, headers);
}

/// Counts a GSO packet as its segments. The kernel keeps `gso_segs` at 0 for packets from tap devices,
/// so they are computed here.
#[inline(always)]
fn count_segments(work: &mut Work, segment: u32, headers: u32, datagram: u32) {
    let segments = u64::from((datagram - UDP_LENGTH).div_ceil(segment)).max(1);
    work.amount.packets = segments;
    work.amount.bytes += (segments - 1) * u64::from(headers);
    work.longest = work.longest.min(headers + segment);
}
