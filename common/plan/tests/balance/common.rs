//! What tests of balance tables share.

use std::net::{IpAddr, Ipv4Addr};

use udplb_plan::balance::Weighted;

/// A reproducible source of numbers (Marsaglia's xorshift, 2003). Not zero at the start.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).unwrap();
            items.swap(at, other);
        }
    }
}

pub(crate) fn upstream(index: u8, weight: u16) -> Weighted {
    let address = Ipv4Addr::new(203, 0, 113, index);
    Weighted {
        key: (IpAddr::V4(address), Some(5514)),
        weight,
        index,
    }
}

pub(crate) fn equal(count: u8) -> Vec<Weighted> {
    (0..count).map(|index| upstream(index, 1)).collect()
}
