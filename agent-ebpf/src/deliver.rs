//! What happens with a packet that may be ours: whose is it, what does each destination do with it,
//! then send.

use core::{hint::black_box, mem::MaybeUninit};

use udplb_abi::{counters::DropReason, listener::PortWord};

use crate::{
    Verdict,
    fragments::{self, Fragment, Part},
    headers::{self, Headers},
    lookup,
    parse::UDP_LENGTH,
    plan::Plan,
    rewrite::Summed,
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
pub(crate) struct Offsets(u32);

impl Offsets {
    #[inline(always)]
    pub(crate) const fn new(network: u32, transport: u32) -> Self {
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
pub(crate) struct Subject<H> {
    pub(crate) headers: MaybeUninit<H>,
    pub(crate) work: MaybeUninit<Work>,
    pub(crate) plan: MaybeUninit<Plan>,
    pub(crate) fragment: MaybeUninit<Fragment>,
}

/// One address family.
///
/// This and each step is a function of its own: 512 bytes of stack have to do for a chain of calls,
/// and what one step needed the next one can have.
#[inline(never)]
pub(crate) fn packet<H: Headers>(
    skb: Skb,
    offsets: Offsets,
    length: u32,
    group: PortWord,
    part: Part,
) -> Verdict {
    let mut subject = Subject::<H> {
        headers: MaybeUninit::uninit(),
        work: MaybeUninit::uninit(),
        plan: MaybeUninit::uninit(),
        fragment: MaybeUninit::uninit(),
    };
    let network = offsets.network();
    if part.has_no_ports() {
        if !fragments::follow(skb, network, length, part, &mut subject) {
            return Verdict::Next;
        }
    } else {
        if !identify(skb, offsets, length, group, &mut subject) {
            if part.is_first() {
                fragments::remember_nobody(skb, network, part, &mut subject.headers);
            }
            return Verdict::Next;
        }
        decide(&mut subject);
    }
    // One branch for all that is rare: while nobody traces, a packet without tags pays none for that.
    if skb.tagged() | trace::session() | part.word() != 0 {
        return rare(skb, network, part, &mut subject);
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
        let mut packet = Summed::of(headers, work.destination_port);
        send::run(work, headers, plan, &mut packet)
    } else {
        plan.refuse(work.forward, work.amount.packets)
    }
}

/// Does what was decided with a packet that has tags, or that somebody may want to hear of, or that is a
/// fragment.
#[inline(always)]
fn rare<H: Headers>(skb: Skb, network: u32, part: Part, subject: &mut Subject<H>) -> Verdict {
    fragments::prepare(network, part, subject);
    // SAFETY: the packet is ours: `identify` and `decide`, or `follow`, filled the first three, `follow` or
    // `prepare` the fourth.
    let (headers, work, plan, fragment) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_ref(),
            subject.plan.assume_init_ref(),
            subject.fragment.assume_init_mut(),
        )
    };
    fragment.hide(work.forward.zero);
    if trace::session() != 0 {
        trace::note(work, headers, plan);
        trace::amend_to_part(fragment);
    }
    let verdict = if plan.sends() {
        send(skb, network, subject)
    } else {
        plan.refuse(work.forward, work.amount.packets)
    };
    if trace::session() != 0 {
        trace::report();
    }
    verdict
}

/// Takes tags off, where there are any, and sends.
#[inline(always)]
fn send<H: Headers>(skb: Skb, network: u32, subject: &mut Subject<H>) -> Verdict {
    let mut tags = Tags::of(skb);
    // In memory: in registers, each would be spilled as a word of eight bytes.
    let tags = black_box(&mut tags);
    let is_bare = strip(skb, network, tags, subject);
    // SAFETY: see `rare`.
    let (headers, work, plan, fragment) = unsafe {
        (
            subject.headers.assume_init_ref(),
            subject.work.assume_init_ref(),
            subject.plan.assume_init_ref(),
            subject.fragment.assume_init_mut(),
        )
    };
    let verdict = if is_bare {
        send::run(work, headers, plan, fragment)
    } else {
        plan.fail(work.forward, DropReason::RewriteFailed, work.amount.packets)
    };
    tags.restored(skb, verdict)
}

/// Takes the tags off. Not inlined: it takes room on the stack.
#[inline(never)]
fn strip<H: Headers>(skb: Skb, network: u32, tags: &mut Tags, subject: &mut Subject<H>) -> bool {
    // SAFETY: see `rare`.
    let (work, fragment) = unsafe {
        (
            subject.work.assume_init_mut(),
            subject.fragment.assume_init_mut(),
        )
    };
    let stripped = tags.strip(skb);
    // With or without tags is the same to the verifier, which walks the rest once.
    tags.hide(work.forward.zero);
    let shift = network - H::LINK;
    work.transport -= shift;
    fragment.part = fragment.part.shifted(shift);
    // Behind two tags, the first image missed the Ethernet header.
    match (stripped, headers::load(&mut subject.headers, skb, 0)) {
        (Ok(()), Ok(headers)) => {
            fragment.start(work, headers);
            true
        }
        _ => false,
    }
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
    let image = offsets.network() - H::LINK;
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
        unchecked: u32::from(udp.check == 0) ^ forward.zero,
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
