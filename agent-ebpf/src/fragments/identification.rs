//! Which copies of a datagram need an identification of their own, and which they get.

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_get_smp_processor_id};
use udplb_abi::{MAX_DESTINATIONS, NONE, address::Family, forward::ADDRESS_REWRITE};

use crate::{
    headers::{Headers, Words},
    maps::{IDENTIFICATIONS, UPSTREAMS},
    plan::{LAST, Plan, each},
    slots,
    work::Work,
};

/// A bit for each destination whose copies need an identification of their own: a receiver puts fragments together
/// that have both addresses and the identification in common.
///
/// With a rewritten source, copies of several senders have one source. With a preserved one, that concerns copies
/// of one datagram that go to several ports of an upstream: all but the first of them; and all for another port of the
/// packet's own destination, where the datagram itself arrives.
#[inline(always)]
pub(super) fn renewed<H: Headers>(work: &Work, headers: &H, plan: &Plan) -> u32 {
    let own = word(&headers.destination());
    let mut receivers = [0; MAX_DESTINATIONS];
    let mut renewed = work.forward.zero;
    each(work.forward, |index| {
        let index = index as usize & LAST;
        if work.forward.destinations[index].source_address == ADDRESS_REWRITE {
            renewed |= 1 << index;
            return;
        }
        let receiver = receiver(plan.choices[index].upstream());
        if receiver != 0 && (receiver == own || receivers.contains(&receiver)) {
            renewed |= 1 << index;
        }
        receivers[index] = receiver;
    });
    renewed
}

/// An upstream's address in a word; 0 for no upstream.
#[inline(always)]
fn receiver(upstream: u32) -> u64 {
    if upstream == NONE {
        return 0;
    }
    UPSTREAMS
        .get(upstream)
        .map_or(0, |upstream| word(slots::upstream_address(upstream)))
}

/// An address in a word.
#[inline(always)]
fn word(address: &Words) -> u64 {
    let [first, second, third, fourth] = *address;
    let high = u64::from(first) << 32 | u64::from(second);
    let low = u64::from(third) << 32 | u64::from(fourth);
    high.rotate_left(1) ^ low
}

/// Identifications for the copies of a datagram, one for each destination, that no other datagram has had for
/// a while.
///
/// In IPv4, 16 bits have to do: each CPU counts on its own, from places as far from each other as those of the
/// golden ratio. In IPv6, they are random, as the kernel's own (RFC 7739, 5.1).
#[inline(always)]
pub(super) fn fresh<H: Headers>() -> u32 {
    const GOLDEN: u32 = 0x9e37_79b9;
    if let Family::V6 = H::FAMILY {
        // SAFETY: takes nothing.
        return unsafe { bpf_get_prandom_u32() };
    }
    // SAFETY: takes nothing.
    let place = unsafe { bpf_get_smp_processor_id() }.wrapping_mul(GOLDEN) >> 16;
    let Some(count) = IDENTIFICATIONS.get_ptr_mut(0) else {
        return place;
    };
    // SAFETY: this CPU's copy; programs on one CPU do not interrupt each other here.
    unsafe {
        *count = (*count).wrapping_add(MAX_DESTINATIONS as u32);
        place.wrapping_add(*count)
    }
}
