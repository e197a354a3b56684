//! Free slots of a map, and slots found by their content. **pure**

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// A map has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full(pub(super) &'static str);

/// Which slots of an array are free. Slot 0 never is.
#[derive(Debug)]
pub(super) struct Slots {
    map: &'static str,
    used: Vec<bool>,
    /// Below this slot no run of that many free slots begins. Slots only ever get used within a pass.
    tried: BTreeMap<u32, usize>,
    taken: Vec<(u32, u32)>,
}

impl Slots {
    pub(super) fn new(map: &'static str, size: u32) -> Self {
        let mut used = vec![false; size as usize];
        if let Some(none) = used.first_mut() {
            *none = true;
        }
        Self {
            map,
            used,
            tried: BTreeMap::new(),
            taken: Vec::new(),
        }
    }

    /// Marks slots that something can reach.
    pub(super) fn mark_used(&mut self, first: u32, count: u32) {
        self.set(first, count, true);
    }

    /// Takes consecutive free slots, the lowest there are.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Full> {
        let length = count.max(1) as usize;
        let mut start = self.tried.get(&count).copied().unwrap_or(1);
        loop {
            let end = start.saturating_add(length);
            let run = self.used.get(start..end).ok_or(Full(self.map))?;
            match run.iter().rposition(|used| *used) {
                Some(obstacle) => start += obstacle + 1,
                None => break,
            }
        }
        let first = u32::try_from(start).map_err(|_| Full(self.map))?;
        let _ = self.tried.insert(count, start);
        self.set(first, count, true);
        self.taken.push((first, count));
        Ok(first)
    }

    /// A point to come back to.
    pub(super) const fn mark(&self) -> usize {
        self.taken.len()
    }

    /// Gives back what was taken since.
    pub(super) fn roll_back(&mut self, mark: usize) {
        for (first, count) in self.taken.split_off(mark.min(self.taken.len())) {
            self.set(first, count, false);
            self.tried.clear();
        }
    }

    fn set(&mut self, first: u32, count: u32, value: bool) {
        let (start, end) = (first as usize, first as usize + count as usize);
        let end = end.min(self.used.len());
        if let Some(run) = self.used.get_mut(start..end) {
            run.fill(value);
        }
    }
}

/// Slots by their content: what is equal is stored once.
#[derive(Debug)]
pub(super) struct Pool<K> {
    slots: Slots,
    known: HashMap<K, u32>,
    added: Vec<K>,
}

impl<K: Clone + Eq + Hash> Pool<K> {
    pub(super) fn new(map: &'static str, size: u32) -> Self {
        Self {
            slots: Slots::new(map, size),
            known: HashMap::new(),
            added: Vec::new(),
        }
    }

    /// Learns what live slots hold.
    pub(super) fn learn(&mut self, key: K, first: u32, count: u32) {
        self.slots.mark_used(first, count);
        let _ = self.known.entry(key).or_insert(first);
    }

    /// Marks slots that something can reach, whatever they hold.
    pub(super) fn mark_used(&mut self, first: u32, count: u32) {
        self.slots.mark_used(first, count);
    }

    /// The slots that hold this content, and whether they have yet to be written.
    pub(super) fn find_or_take(&mut self, key: &K, count: u32) -> Result<(u32, bool), Full> {
        if let Some(&first) = self.known.get(key) {
            return Ok((first, false));
        }
        let first = self.slots.take(count)?;
        let _ = self.known.insert(key.clone(), first);
        self.added.push(key.clone());
        Ok((first, true))
    }

    pub(super) const fn mark(&self) -> (usize, usize) {
        (self.slots.mark(), self.added.len())
    }

    pub(super) fn roll_back(&mut self, (slots, added): (usize, usize)) {
        self.slots.roll_back(slots);
        for key in self.added.split_off(added.min(self.added.len())) {
            let _ = self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_lowest_free_ones_and_come_back() {
        let mut slots = Slots::new("TEST", 10);
        slots.mark_used(3, 1);
        assert_eq!(slots.take(3), Ok(4));
        assert_eq!(slots.take(2), Ok(1));
        let mark = slots.mark();
        assert_eq!(slots.take(3), Ok(7));
        assert_eq!(slots.take(1), Err(Full("TEST")));
        slots.roll_back(mark);
        assert_eq!(slots.take(1), Ok(7));
        assert_eq!(slots.take(3), Err(Full("TEST")));
        assert_eq!(slots.take(2), Ok(8));
    }

    #[test]
    fn equal_content_shares_a_slot_unless_it_was_rolled_back() {
        let mut pool = Pool::new("TEST", 4);
        pool.learn("live", 2, 1);
        assert_eq!(pool.find_or_take(&"live", 1), Ok((2, false)));
        let mark = pool.mark();
        assert_eq!(pool.find_or_take(&"new", 1), Ok((1, true)));
        assert_eq!(pool.find_or_take(&"new", 1), Ok((1, false)));
        pool.roll_back(mark);
        assert_eq!(pool.find_or_take(&"other", 1), Ok((1, true)));
    }
}
