//! Elements of `LISTENERS`, which the kernel gives to another key as soon as they are free.
//!
//! A hash without preallocation takes its elements from a cache that knows no grace period (kernel 6.1), and a program
//! may have found an element before that and load its value after it. Replacing an entry takes a new element, then
//! frees the old one.

use std::collections::BTreeMap;

use udplb_abi::listener::ListenerKey;

use crate::{
    desired::{group::Place, prefix::Prefix},
    op::Op,
};

/// A group and a place.
pub(super) type Key = (u16, Place);

/// The elements; those of prefixes are among them, which gives more ways to meet a foreign one and no fewer.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    /// By element: the slot that it names.
    slots: Vec<u32>,
    by_key: BTreeMap<Key, usize>,
    /// The last one freed is taken first.
    free: Vec<usize>,
}

impl Elements {
    /// The element of a key.
    pub(super) fn find(&self, key: Key) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    /// The value of an element, whatever key it has by now.
    pub(super) fn slot(&self, element: usize) -> u32 {
        self.slots[element]
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::SetListener {
                key,
                prefix_length,
                slot,
            } => {
                let element = self.free.pop().unwrap_or(self.slots.len());
                if element == self.slots.len() {
                    self.slots.push(slot);
                }
                self.slots[element] = slot;
                let old = self.by_key.insert(key_of(&key, prefix_length), element);
                self.free.extend(old);
            }
            Op::RemoveListener { key, prefix_length } => {
                let old = self.by_key.remove(&key_of(&key, prefix_length));
                self.free.extend(old);
            }
            _ => {}
        }
    }
}

fn key_of(key: &ListenerKey, prefix_length: u8) -> Key {
    let place = Place {
        interface: key.interface,
        prefix: Prefix::new(key.address, prefix_length),
    };
    (key.group, place)
}
