//! Balance tables: weighted Maglev. Pure.
//!
//! Every upstream walks the slots in an order of its own, which derives from its address and port alone.
//! Upstreams take turns, in step with their weights, and each takes the next slot of its walk that is
//! free, until it has its quota. So equal sets give equal tables everywhere, and a set that lost one
//! upstream hardly moves the others (Eisenbud et al., Maglev, NSDI 2016).

use std::net::IpAddr;

const SMALL: u32 = 16_381;
const LARGE: u32 = 65_537;
const SMALL_LIMIT: usize = 32;

/// An upstream that a table may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weighted {
    /// Its address, and its port unless that is the packet's own.
    pub key: (IpAddr, Option<u16>),
    /// Its share against the others, 1–256.
    pub weight: u16,
    /// What the table calls it: its place in the sorted upstreams of the destination.
    pub index: u8,
}

/// How many slots the table of this many upstreams has, both primes. None for one upstream or no
/// upstream: there is nothing to choose.
#[must_use]
pub const fn slots(upstreams: usize) -> u32 {
    if upstreams <= 1 {
        0
    } else if upstreams <= SMALL_LIMIT {
        SMALL
    } else {
        LARGE
    }
}

/// The table of `slots` slots over these upstreams, whose keys differ; empty where there is nothing to
/// choose.
///
/// Take `slots` from all upstreams of the destination, also when some cannot be used now and are left
/// out here: a table of another length would move nearly every flow.
#[must_use]
pub fn table(slots: u32, upstreams: &[Weighted]) -> Vec<u8> {
    if slots == 0 || upstreams.len() <= 1 {
        return Vec::new();
    }
    let mut upstreams = upstreams.to_vec();
    upstreams.sort_unstable_by_key(|upstream| upstream.key);
    let quotas = quotas(slots, &upstreams);
    let heaviest = upstreams
        .iter()
        .map(|upstream| weight(*upstream))
        .max()
        .unwrap_or(1);
    let mut walks: Vec<Walk> = upstreams
        .iter()
        .map(|upstream| Walk::new(slots, upstream.key))
        .collect();
    let mut counts = vec![0_u32; upstreams.len()];
    let mut entries: Vec<Option<u8>> = vec![None; slots as usize];
    let mut left = slots;
    let mut round = 0;
    while left > 0 {
        round += 1;
        for (at, upstream) in upstreams.iter().enumerate() {
            let due = (round * weight(*upstream)).div_ceil(heaviest);
            while counts[at] < quotas[at] && u64::from(counts[at]) < due {
                walks[at].take_free(&mut entries, upstream.index);
                counts[at] += 1;
                left -= 1;
            }
        }
    }
    entries.into_iter().flatten().collect()
}

fn weight(upstream: Weighted) -> u64 {
    u64::from(upstream.weight.max(1))
}

/// Shares out the slots: all whole ones, then each of the rest where slots per unit of weight stay lowest.
fn quotas(slots: u32, upstreams: &[Weighted]) -> Vec<u32> {
    let total: u64 = upstreams.iter().map(|upstream| weight(*upstream)).sum();
    let mut quotas: Vec<u64> = upstreams
        .iter()
        .map(|upstream| u64::from(slots) * weight(*upstream) / total)
        .collect();
    let rest = u64::from(slots) - quotas.iter().sum::<u64>();
    for _ in 0..rest {
        let lowest = (0..quotas.len()).min_by(|&a, &b| {
            let ratio = |at: usize, other: usize| (quotas[at] + 1) * weight(upstreams[other]);
            ratio(a, b).cmp(&ratio(b, a))
        });
        if let Some(at) = lowest {
            quotas[at] += 1;
        }
    }
    quotas
        .into_iter()
        .map(|quota| u32::try_from(quota).unwrap_or(slots))
        .collect()
}

/// The order in which one upstream walks the slots. The number of slots is prime, so any step meets all.
struct Walk {
    position: u32,
    step: u32,
    slots: u32,
}

impl Walk {
    fn new(slots: u32, key: (IpAddr, Option<u16>)) -> Self {
        let hash = hash(key);
        let within =
            |value: u64, length: u32| u32::try_from(value % u64::from(length)).unwrap_or(0);
        Self {
            position: within(hash, slots),
            step: within(mix(hash), slots - 1) + 1,
            slots,
        }
    }

    fn take_free(&mut self, entries: &mut [Option<u8>], index: u8) {
        loop {
            let entry = &mut entries[self.position as usize];
            self.position = (self.position + self.step) % self.slots;
            if entry.is_none() {
                *entry = Some(index);
                return;
            }
        }
    }
}

fn hash((address, port): (IpAddr, Option<u16>)) -> u64 {
    let bits = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let [high, low] =
        [bits >> 64, bits & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
    mix(mix(mix(high) ^ low) ^ u64::from(port.unwrap_or(0)))
}

/// `SplitMix64` (Steele, Lea, Flood 2014): one step of the state, then its finaliser.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
