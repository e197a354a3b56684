//! A later fragment: whose is it, and what does each destination do with it?

use core::mem::MaybeUninit;

use udplb_abi::counters::UnmatchedReason;

use super::{Entry, Fragment, Part, memory};
use crate::{
    deliver::Subject,
    headers::{self, Headers},
    lookup,
    plan::Plan,
    skb::Skb,
    stats::{self, Amount},
    work::Work,
};

/// Finds what was decided for the first fragment and decides the same. False where there is nothing to follow:
/// then the fragment is left alone, and counted where it may have been ours.
#[inline(never)]
pub(crate) fn follow<H: Headers>(
    skb: Skb,
    network: u32,
    length: u32,
    part: Part,
    subject: &mut Subject<H>,
) -> bool {
    if memory::is_foreign(skb) {
        return false;
    }
    let Ok(headers) = headers::load(&mut subject.headers, skb, network - H::LINK) else {
        return false;
    };
    let Some(entry) = Entry::of(skb, network, part, headers) else {
        return false;
    };
    if part.is_broken() {
        entry.forget();
        return false;
    }
    if !entry.recall() {
        return orphan(skb);
    }
    if entry.is_nobodys() {
        return false;
    }
    let Some(work) = find(skb, length, part, entry, headers, &mut subject.work) else {
        return orphan(skb);
    };
    stats::matched(work.forward.counters, work.amount);
    Plan::follow(&mut subject.plan, work, headers, |index| {
        entry.choice(index)
    });
    let (own, fresh) = (entry.key.identification, entry.slot.identification);
    let _written = subject.fragment.write(Fragment::new(part, own, fresh));
    true
}

#[inline(always)]
fn orphan(skb: Skb) -> bool {
    stats::unmatched(skb, UnmatchedReason::OrphanFragment);
    false
}

/// The forward that an entry speaks of, if nothing has changed since.
///
/// It is found anew by the ports of the first fragment, so that everything that is used from here on is in force.
#[inline(always)]
fn find<'a, H: Headers>(
    skb: Skb,
    length: u32,
    part: Part,
    entry: &Entry,
    headers: &H,
    work: &'a mut MaybeUninit<Work>,
) -> Option<&'a Work> {
    let group = lookup::port(u16::from_be_bytes(entry.slot.target_port));
    let listener = lookup::listener(skb.interface(), group, headers)?;
    if listener.forward != entry.slot.forward {
        return None;
    }
    let forward = lookup::forward(listener.forward)?;
    let work = work.write(Work {
        skb,
        forward,
        listener,
        amount: Amount {
            packets: 1,
            bytes: u64::from(length),
        },
        transport: part.identification(),
        longest: length,
        source_port: u16::from_ne_bytes(entry.slot.source_port),
        destination_port: u16::from_ne_bytes(entry.slot.target_port),
        unchecked: forward.zero,
    });
    entry.holds_for(work).then_some(work)
}
