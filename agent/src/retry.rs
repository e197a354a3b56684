//! When what failed is tried again: for each object a pause that doubles. **pure**

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Objects that failed, each with its next attempt.
#[derive(Debug)]
pub struct Retries<K> {
    pending: BTreeMap<K, Attempt>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    at: Instant,
    pause: Duration,
}

impl<K> Default for Retries<K> {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Retries<K> {
    /// Whether an object may be tried now.
    #[must_use]
    pub fn is_due(&self, object: &K, now: Instant) -> bool {
        self.pending
            .get(object)
            .is_none_or(|attempt| attempt.at <= now)
    }

    /// An attempt failed. Tells whether it is the first failure.
    pub fn failed(&mut self, object: K, now: Instant) -> bool {
        let pause = self
            .pending
            .get(&object)
            .map_or(FIRST, |last| LONGEST.min(last.pause * 2));
        let attempt = Attempt {
            at: now + pause,
            pause,
        };
        self.pending.insert(object, attempt).is_none()
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self, object: &K) {
        let _last = self.pending.remove(object);
    }

    /// Forgets objects that nobody wants any more.
    pub fn retain(&mut self, is_wanted: impl Fn(&K) -> bool) {
        self.pending.retain(|object, _| is_wanted(object));
    }

    /// Whether the last attempt failed.
    #[must_use]
    pub fn has_failed(&self, object: &K) -> bool {
        self.pending.contains_key(object)
    }

    /// When something is to be tried next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.pending.values().map(|attempt| attempt.at).min()
    }

    /// Whether nothing has failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut retries = Retries::default();
        let mut now = Instant::now();
        assert!(retries.is_due(&1, now));
        assert_eq!(retries.next(), None);
        let mut pauses = Vec::new();
        for round in 0..12 {
            assert_eq!(retries.failed(1, now), round == 0);
            let next = retries.next().unwrap();
            assert!(!retries.is_due(&1, now));
            assert!(retries.is_due(&1, next) && retries.is_due(&2, now));
            pauses.push(next - now);
            now = next;
        }
        assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
        assert_eq!(pauses[11], LONGEST);
        retries.succeeded(&1);
        assert!(retries.is_empty());
        let _first = retries.failed(1, now);
        assert_eq!(retries.next(), Some(now + FIRST));
        retries.retain(|_| false);
        assert!(retries.is_empty());
    }
}
