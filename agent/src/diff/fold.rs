//! A quick hash for keys that no packet and no stranger chooses. **pure**

use std::hash::{BuildHasherDefault, Hasher};

/// For hash maps that live as long as one pass.
pub(super) type BuildFold = BuildHasherDefault<Fold>;

/// Multiplies and folds each word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fold(u64);

impl Fold {
    const fn absorb(&mut self, word: u64) {
        // 2^64 divided by the golden ratio: odd, with well-spread bits.
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.absorb(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.absorb(byte.into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.absorb(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.absorb(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.absorb(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.absorb(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.absorb(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher};

    use super::BuildFold;

    #[test]
    fn consecutive_keys_differ_in_the_bits_that_maps_use() {
        let hash = |key: (u32, [u8; 3])| BuildFold::default().hash_one(key);
        let keys = || (0..1000_u32).map(|key| hash((key / 100, [7, (key % 100) as u8, 7])));
        assert_eq!(keys().collect::<HashSet<_>>().len(), 1000);
        let low: HashSet<_> = keys().map(|hash| hash % 1024).collect();
        let high: HashSet<_> = keys().map(|hash| hash >> 57).collect();
        assert!(
            low.len() > 500 && high.len() > 100,
            "{} {}",
            low.len(),
            high.len()
        );
    }
}
