//! Reports what became of a packet to whoever traces. Off, it costs a load: see [`crate::deliver::packet`].

use core::{
    mem::offset_of,
    ptr::{addr_of_mut, read_volatile, write_volatile},
};

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, helpers::generated::bpf_ktime_get_ns};
use udplb_abi::{
    MAX_DESTINATIONS, NONE,
    address::Address,
    counters::DropReason,
    forward::{Destination, ForwardSlot},
    trace::{
        FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, TraceBudget, TraceEvent, TraceRequest,
        TraceVerdict,
    },
};

use crate::{
    fragments::Fragment,
    headers::{Headers, Words},
    maps::{FORWARD_SLOTS, TRACE_BUDGETS, TRACE_EVENTS, TRACE_NOTES},
    plan::{LAST, Plan, each},
    select::{Choice, Outcome},
    send::Way,
    slots,
    work::Work,
};

/// Masks of numbers that are in bounds, for the verifier's eyes.
const VERDICTS: u32 = TraceVerdict::ALL.len() as u32 - 1;
const REASONS: u32 = DropReason::ALL.len() as u32 - 1;

/// What is asked for. The only data of the program, so that its section is this value.
#[unsafe(no_mangle)]
static mut TRACE: TraceRequest = TraceRequest::OFF;

/// Reads a field of the request, which user space may change at any time.
macro_rules! request {
    ($field:ident) => {
        // SAFETY: plain data of the program that lives as long as it does.
        unsafe { read_volatile(&raw const TRACE.$field) }
    };
    ($field:ident as words) => {
        // SAFETY: see above; the field is aligned to four.
        unsafe { read_volatile::<Words>((&raw const TRACE.$field).cast()) }
    };
}

const _: () = assert!(offset_of!(TraceRequest, source).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceRequest, source_mask).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceRequest, upstream).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceEvent, source).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceEvent, target).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceEvent, upstream).is_multiple_of(4));
const _: () = assert!(offset_of!(TraceEvent, listener_source).is_multiple_of(4));

/// The number of the session; 0 while nobody traces.
#[inline(always)]
pub(crate) fn session() -> u32 {
    request!(session)
}

/// What the events of one packet share, in a map of its own.
///
/// The verifier reaches the end of a packet's way in hundreds of states and would walk the report for
/// each of them. It knows nothing of what a map holds, so with everything in one it walks once. Where
/// a run on the same CPU came between, by a device that hands a copy back at once, it has ended the
/// note: then this packet has no report, but never a wrong one.
#[repr(C)]
pub(crate) struct Note {
    session: u32,
    last: u32,
    choices: [Choice; MAX_DESTINATIONS],
    forward: u32,
    listener_source: Words,
    source: Words,
    target: Words,
    interface: u32,
    packets: u32,
    bytes: u32,
    source_port: u16,
    target_port: u16,
    hops: u8,
    passed: bool,
    /// `FRAGMENT_*`.
    fragment: u8,
}

/// Notes what was decided for a packet, if its forward and its source are of interest.
///
/// Not inlined: what follows needs its room on the stack.
#[inline(never)]
pub(crate) fn note<H: Headers>(work: &Work, headers: &H, plan: &Plan) {
    let Some(note) = this_cpu() else {
        return;
    };
    if !is_wanted(work, headers) {
        // Nor may what is amended from here on get into a note that a run around this one has made.
        note.session = 0;
        return;
    }
    *note = Note {
        session: request!(session),
        last: plan.last,
        choices: plan.choices,
        forward: slots::number_of(work.forward),
        listener_source: *slots::listener_source(work.listener),
        source: headers.source(),
        target: headers.destination(),
        interface: work.skb.interface(),
        packets: work.amount.packets as u32,
        bytes: work.amount.bytes as u32,
        source_port: work.source_port,
        target_port: work.destination_port,
        hops: headers.hops(),
        passed: false,
        fragment: FRAGMENT_NONE,
    };
}

/// Notes that a destination did not send what it was to send, for a [`DropReason`]. Rare, so nobody
/// asks whether it is of interest.
#[inline(never)]
pub(crate) fn amend(index: usize, reason: u32) {
    if let Some(note) = this_cpu() {
        let choice = &mut note.choices[index & LAST];
        *choice = choice.failed(reason);
    }
}

/// Notes which part of a datagram the packet is.
#[inline(never)]
pub(crate) fn amend_to_part(fragment: &Fragment) {
    if let Some(note) = this_cpu() {
        note.fragment = if fragment.part.is_first() {
            FRAGMENT_FIRST
        } else if fragment.part.is_later() {
            FRAGMENT_LATER
        } else {
            FRAGMENT_NONE
        };
    }
}

/// Notes that the packet went to the local stack because no destination was available.
#[inline(never)]
pub(crate) fn amend_to_passed() {
    if let Some(note) = this_cpu() {
        note.passed = true;
    }
}

#[inline(always)]
fn this_cpu() -> Option<&'static mut Note> {
    // SAFETY: this CPU's copy; programs on one CPU do not interrupt each other here.
    TRACE_NOTES.get_ptr_mut(0).map(|note| unsafe { &mut *note })
}

/// Reports what each destination did with the packet, where that was noted.
#[inline(never)]
pub(crate) fn report() {
    let Some(note) = this_cpu() else {
        return;
    };
    // Nobody wants it, or the session began after the packet was decided on and has no note of it.
    let session = request!(session);
    if session == 0 || note.session != session {
        return;
    }
    note.session = 0;
    let Some(forward) = FORWARD_SLOTS.get(note.forward) else {
        return;
    };
    each(forward, |index| one(note, forward, index));
}

#[inline(never)]
fn is_wanted<H: Headers>(work: &Work, headers: &H) -> bool {
    let forward = request!(forward);
    if forward != 0 && forward != work.forward.id {
        return false;
    }
    let source = headers.source();
    let (wanted, mask) = (request!(source as words), request!(source_mask as words));
    let differs = |word: usize| (source[word] ^ wanted[word]) & mask[word];
    differs(0) | differs(1) | differs(2) | differs(3) == 0
}

/// Writes an address as words: byte by byte, the program would be three times as long.
///
/// # Safety
///
/// `target` must be good for writes and aligned to four.
#[inline(always)]
const unsafe fn write_words(target: *mut Address, words: Words) {
    let target: *mut Words = target.cast();
    // SAFETY: see above.
    unsafe { *target = words };
}

/// What is told of one destination.
struct Told {
    verdict: u32,
    reason: u32,
    now: u64,
}

/// Reports what one destination did.
///
/// Not inlined: eight times over, the program would not fit.
#[inline(never)]
fn one(note: &Note, forward: &ForwardSlot, index: u32) {
    let index = index as usize & LAST;
    let is_last = note.last == index as u32;
    let (verdict, reason, upstream) = match note.choices[index].outcome() {
        Outcome::Send { upstream } => (TraceVerdict::Sent, 0, upstream),
        Outcome::SendUnresolved { upstream } if is_last => (TraceVerdict::Sent, 0, upstream),
        Outcome::SendUnresolved { upstream } => {
            let reason = DropReason::NeighbourUnresolved as u32;
            (TraceVerdict::Dropped, reason, upstream)
        }
        Outcome::Drop { reason, upstream } if note.passed => {
            (TraceVerdict::Passed, reason, upstream)
        }
        Outcome::Drop { reason, upstream } => (TraceVerdict::Dropped, reason, upstream),
        Outcome::SampledOut => (TraceVerdict::SampledOut, 0, NONE),
        Outcome::Nothing => return,
    };
    // Unknown to the verifier, so that it walks the rest once and not for every verdict.
    // SAFETY: a field of a valid slot.
    let zero = unsafe { read_volatile(&raw const forward.zero) };
    let verdict = (verdict as u32 ^ zero) & VERDICTS;
    let reason = (reason ^ zero) & REASONS;
    let upstream = upstream ^ zero;
    let is_wanted = request!(verdicts) & (1 << verdict) != 0
        && (verdict != TraceVerdict::Dropped as u32 || request!(reasons) & (1 << reason) != 0);
    if !is_wanted {
        return;
    }
    let Some(way) = Way::to(upstream) else {
        return;
    };
    if !is_wanted_upstream(&way) {
        return;
    }
    // The clock is the dearest part: it is read last.
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    if now > request!(until) {
        // SAFETY: plain data of the program; an aligned word.
        unsafe { write_volatile(addr_of_mut!(TRACE.session), 0) };
        return;
    }
    if !spend(now) {
        return;
    }
    let told = Told {
        verdict,
        reason,
        now,
    };
    write(note, forward, &forward.destinations[index], &told, &way);
}

#[inline(always)]
fn is_wanted_upstream(way: &Way) -> bool {
    let wanted = request!(upstream as words);
    let port = u16::from_ne_bytes(request!(upstream_port));
    let has_address = wanted == [0; 4] || *slots::upstream_address(way.upstream) == wanted;
    has_address && (port == 0 || u16::from_ne_bytes(way.upstream.port) == port)
}

/// Takes one report off this CPU's budget. A report that there is none for is counted.
#[inline(always)]
fn spend(now: u64) -> bool {
    let Some(budget) = budget() else {
        return false;
    };
    let (interval, burst) = (request!(interval), request!(burst));
    let start = budget.arrival.max(now);
    if start - now > interval * u64::from(burst) {
        budget.swallowed += 1;
        return false;
    }
    budget.arrival = start + interval;
    true
}

#[inline(always)]
fn budget() -> Option<&'static mut TraceBudget> {
    // SAFETY: this CPU's copy; programs on one CPU do not interrupt each other here.
    TRACE_BUDGETS
        .get_ptr_mut(0)
        .map(|budget| unsafe { &mut *budget })
}

#[inline(always)]
fn write(note: &Note, forward: &ForwardSlot, destination: &Destination, told: &Told, way: &Way) {
    let Some(mut entry) = TRACE_EVENTS.reserve::<TraceEvent>(0) else {
        if let Some(budget) = budget() {
            budget.swallowed += 1;
        }
        return;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: `event` has room for one; every byte of it is written, field by field, because a whole
    // one would take its room on the stack first.
    unsafe {
        (*event).time = told.now;
        (*event).forward = forward.id;
        (*event).destination = destination.id;
        write_words(&raw mut (*event).source, note.source);
        write_words(&raw mut (*event).target, note.target);
        write_words(
            &raw mut (*event).upstream,
            *slots::upstream_address(way.upstream),
        );
        write_words(&raw mut (*event).listener_source, note.listener_source);
        (*event).interface = note.interface;
        (*event).egress = way.next_hop.interface;
        (*event).packets = note.packets;
        (*event).bytes = note.bytes;
        (*event).source_port = note.source_port.to_ne_bytes();
        (*event).target_port = note.target_port.to_ne_bytes();
        (*event).upstream_port = way.upstream.port;
        (*event).source_address = destination.source_address;
        (*event).destination_address = destination.destination_address;
        (*event).hops = note.hops;
        (*event).verdict = told.verdict as u8;
        (*event).reason = told.reason as u8;
        (*event).action = forward.action;
        (*event).neighbour_mac = way.next_hop.destination_mac;
        (*event).neighbour_state = way.next_hop.state;
        (*event).fragment = note.fragment;
        (*event).padding = [0; 4];
    }
    // The reader looks by itself: waking it up for every packet would cost more than the rest.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}
