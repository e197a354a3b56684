//! The objects of one kind, as the API server last told. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher::Event;

/// What has a `resourceVersion`. They are numbers that rise (Kubernetes 1.35 promises it; etcd always did).
pub trait Versioned {
    /// The number; zero where there is none.
    fn version(&self) -> u64;
}

/// All objects of one kind. An older version never replaces a newer one, so that the answer to a write can be
/// put in before the watch tells of it. A list counts more than what was known when it began: the server's store may
/// have been set back to an older state.
#[derive(Clone, Debug)]
pub struct Mirror<K, V> {
    items: BTreeMap<K, V>,
    listing: Option<Listing<K, V>>,
    is_complete: bool,
    /// The versions of the last objects that are gone. What a write brought about may be told after that.
    gone: BTreeMap<K, u64>,
}

/// A list that has not ended.
#[derive(Clone, Debug)]
struct Listing<K, V> {
    items: BTreeMap<K, V>,
    /// What changed since it began. The list may be older.
    since: BTreeSet<K>,
}

impl<K, V> Default for Listing<K, V> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            since: BTreeSet::new(),
        }
    }
}

/// How many of those that are gone are remembered.
const REMEMBERED: usize = 1_024;

impl<K, V> Default for Mirror<K, V> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            listing: None,
            is_complete: false,
            gone: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Versioned + Clone + PartialEq> Mirror<K, V> {
    /// Takes what a watch tells. The keys of the objects that are other now.
    pub fn take(&mut self, event: Event<(K, V)>) -> Vec<K> {
        match event {
            Event::Init => {
                self.listing = Some(Listing::default());
                Vec::new()
            }
            Event::InitApply((key, value)) => {
                let listing = self.listing.get_or_insert_default();
                let _ = listing.items.insert(key, value);
                Vec::new()
            }
            Event::InitDone => self.replace(),
            Event::Apply((key, value)) => self.put(key, value).into_iter().collect(),
            Event::Delete((key, value)) => {
                let is_newer = |known: &V| known.version() > value.version() && value.version() > 0;
                if self.items.get(&key).is_none_or(is_newer) {
                    return Vec::new();
                }
                let _ = self.items.remove(&key);
                self.bury(key.clone(), value.version());
                self.remember(&key);
                vec![key]
            }
        }
    }

    fn bury(&mut self, key: K, version: u64) {
        if self.gone.len() == REMEMBERED {
            let oldest = self.gone.iter().min_by_key(|(_, version)| **version);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                let _ = self.gone.remove(&oldest);
            }
        }
        let _ = self.gone.insert(key, version);
    }

    fn put(&mut self, key: K, value: V) -> Option<K> {
        let is_of_the_dead = |end: &u64| value.version() > 0 && value.version() <= *end;
        if self.gone.get(&key).is_some_and(is_of_the_dead) {
            return None;
        }
        if let Some(known) = self.items.get(&key)
            && (known.version() > value.version() || *known == value)
        {
            return None;
        }
        let _ = self.items.insert(key.clone(), value);
        self.remember(&key);
        Some(key)
    }

    /// It changed while a list is under way.
    fn remember(&mut self, key: &K) {
        if let Some(listing) = &mut self.listing {
            let _ = listing.since.insert(key.clone());
        }
    }

    fn replace(&mut self) -> Vec<K> {
        self.is_complete = true;
        let Listing { items, since } = self.listing.take().unwrap_or_default();
        let is_old = |key: &&K| !items.contains_key(key) && !since.contains(key);
        let mut changed: Vec<K> = self.items.keys().filter(is_old).cloned().collect();
        for key in &changed {
            let _ = self.items.remove(key);
        }
        for (key, value) in items {
            if since.contains(&key) {
                changed.extend(self.put(key, value));
            } else {
                changed.extend(self.set(key, value));
            }
        }
        changed
    }

    /// Puts in what a list told, whatever was known.
    fn set(&mut self, key: K, value: V) -> Option<K> {
        let known = self.items.get(&key);
        let is_newer = |end: &u64| *end >= value.version();
        if known.is_some_and(|known| known.version() > value.version())
            || self.gone.get(&key).is_some_and(is_newer)
        {
            // The store was set back: what is made anew may have the versions of what is gone.
            self.gone.clear();
        }
        if known == Some(&value) {
            return None;
        }
        let _ = self.items.insert(key.clone(), value);
        Some(key)
    }

    /// Whether all objects have been listed once.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The object with this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.items.get(key)
    }

    /// Whether an event is a new version of an object that is known, and both are alike.
    pub fn is_alike(&self, event: &Event<(K, V)>, alike: impl Fn(&V, &V) -> bool) -> bool {
        match event {
            Event::Apply((key, new)) => self.get(key).is_some_and(|old| alike(old, new)),
            _ => false,
        }
    }

    /// All objects, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.items.iter()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

/// What a watch tells, in other words.
pub fn map<K, V>(event: Event<K>, words: impl Fn(K) -> V) -> Event<V> {
    match event {
        Event::Apply(object) => Event::Apply(words(object)),
        Event::Delete(object) => Event::Delete(words(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(words(object)),
        Event::InitDone => Event::InitDone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Item(u64);

    impl Versioned for Item {
        fn version(&self) -> u64 {
            self.0
        }
    }

    fn listed(items: &[(&'static str, u64)]) -> Mirror<&'static str, Item> {
        let mut mirror = Mirror::default();
        let _ = mirror.take(Event::Init);
        for &(key, version) in items {
            let _ = mirror.take(Event::InitApply((key, Item(version))));
        }
        let _ = mirror.take(Event::InitDone);
        mirror
    }

    #[test]
    fn nothing_is_complete_before_the_list_ends() {
        let mut mirror = Mirror::default();
        let _ = mirror.take(Event::Init);
        let _ = mirror.take(Event::InitApply(("a", Item(1))));
        assert!(!mirror.is_complete() && mirror.len() == 0);
        assert_eq!(mirror.take(Event::InitDone), ["a"]);
        assert!(mirror.is_complete());
    }

    /// A write's own answer comes before the watch's echo of it, and of what was before.
    #[test]
    fn an_older_version_is_no_news() {
        let mut mirror = listed(&[("a", 1)]);
        assert_eq!(mirror.take(Event::Apply(("a", Item(5)))), ["a"]);
        assert_eq!(mirror.take(Event::Apply(("a", Item(4)))), [""; 0]);
        assert_eq!(mirror.take(Event::Apply(("a", Item(5)))), [""; 0]);
        assert_eq!(mirror.take(Event::Delete(("a", Item(4)))), [""; 0]);
        assert_eq!(mirror.take(Event::Delete(("a", Item(6)))), ["a"]);
        assert_eq!(mirror.len(), 0);
    }

    /// A status that was written to an object while it was deleted does not bring it back.
    #[test]
    fn what_is_gone_stays_gone() {
        let mut mirror = listed(&[("a", 1)]);
        assert_eq!(mirror.take(Event::Delete(("a", Item(6)))), ["a"]);
        assert_eq!(mirror.take(Event::Apply(("a", Item(5)))), [""; 0]);
        assert_eq!(mirror.len(), 0);
        assert_eq!(mirror.take(Event::Apply(("a", Item(7)))), ["a"]);
    }

    /// A second list tells by silence what was deleted while nobody watched.
    #[test]
    fn a_new_list_replaces_the_old_one() {
        let mut mirror = listed(&[("a", 1), ("b", 1), ("c", 1)]);
        let _ = mirror.take(Event::Init);
        let _ = mirror.take(Event::InitApply(("b", Item(1))));
        let _ = mirror.take(Event::InitApply(("c", Item(2))));
        assert_eq!(mirror.len(), 3);
        assert_eq!(mirror.take(Event::InitDone), ["a", "c"]);
        assert_eq!(mirror.len(), 2);
    }

    /// What a write brought about since the list began is newer than the list.
    #[test]
    fn a_list_is_older_than_what_was_written_meanwhile() {
        let mut mirror = listed(&[("a", 1), ("b", 1)]);
        let _ = mirror.take(Event::Init);
        let _ = mirror.take(Event::InitApply(("a", Item(2))));
        let _ = mirror.take(Event::InitApply(("b", Item(2))));
        assert_eq!(mirror.take(Event::Apply(("a", Item(3)))), ["a"]);
        assert_eq!(mirror.take(Event::Delete(("b", Item(3)))), ["b"]);
        assert_eq!(mirror.take(Event::Apply(("c", Item(4)))), ["c"]);
        assert_eq!(mirror.take(Event::InitDone), [""; 0]);
        let known: Vec<_> = mirror.iter().map(|(key, item)| (*key, item.0)).collect();
        assert_eq!(known, [("a", 3), ("c", 4)]);
    }

    /// A store that was restored from an older snapshot has older versions of everything.
    #[test]
    fn a_list_of_a_store_that_was_set_back_counts() {
        let mut mirror = listed(&[("a", 5), ("b", 6)]);
        assert_eq!(mirror.take(Event::Delete(("b", Item(7)))), ["b"]);
        let _ = mirror.take(Event::Init);
        let _ = mirror.take(Event::InitApply(("a", Item(2))));
        let _ = mirror.take(Event::InitApply(("b", Item(1))));
        assert_eq!(mirror.take(Event::InitDone), ["a", "b"]);
        assert_eq!(mirror.take(Event::Apply(("a", Item(3)))), ["a"]);
        assert_eq!(mirror.take(Event::Delete(("b", Item(4)))), ["b"]);
        assert_eq!(mirror.take(Event::Apply(("b", Item(5)))), ["b"]);
    }
}
