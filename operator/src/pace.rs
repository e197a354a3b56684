//! When an object may be written again. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{op::Target, world::stored::Identity};

/// The shortest time between two writes of one `ResolvedForward`: churn of endpoints becomes one write, and the first
/// is at once. Statuses have their tick, and nodes are told at once.
pub const INTERVAL: Duration = Duration::from_millis(200);
/// How long a failed write waits at first.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// How long it waits at most.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// Writes that are under way at once.
const CONCURRENCY: usize = 16;

/// What is being written, and who has to wait.
#[derive(Debug, Default)]
pub struct Pace {
    under_way: usize,
    targets: BTreeMap<Target, State>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is stored.
    Written,
    /// The server had a newer version than we: it can be written again as soon as we know that.
    Outdated,
    /// It is tried again later.
    Failed,
}

#[derive(Clone, Debug)]
struct State {
    is_under_way: bool,
    not_before: Instant,
    failures: u32,
    /// The version that we knew when the last write began.
    known: Option<Identity>,
    is_outdated: bool,
}

impl Pace {
    /// How many writes may start now.
    #[must_use]
    pub const fn room(&self) -> usize {
        CONCURRENCY.saturating_sub(self.under_way)
    }

    /// Whether a write may start now, given the version that is `known` to be stored.
    #[must_use]
    pub fn may(&self, target: &Target, known: Option<&Identity>, now: Instant) -> bool {
        let is_due = |state: &State| {
            state.not_before <= now || state.is_outdated && state.known.as_ref() != known
        };
        self.room() > 0
            && self
                .targets
                .get(target)
                .is_none_or(|state| !state.is_under_way && is_due(state))
    }

    /// A write starts.
    pub fn begin(&mut self, target: Target, known: Option<&Identity>, now: Instant) {
        self.under_way += 1;
        let interval = match &target {
            Target::Resolved(_) => INTERVAL,
            Target::Config(_) | Target::Status(_) => Duration::ZERO,
        };
        let state = self.targets.entry(target).or_insert(State {
            is_under_way: false,
            not_before: now,
            failures: 0,
            known: None,
            is_outdated: false,
        });
        state.is_under_way = true;
        state.known = known.cloned();
        state.not_before = now + interval;
    }

    /// A write has ended.
    pub fn end(&mut self, target: &Target, ending: Ending, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(state) = self.targets.get_mut(target) else {
            return;
        };
        state.is_under_way = false;
        state.is_outdated = ending == Ending::Outdated;
        if ending == Ending::Written {
            state.failures = 0;
        } else {
            let wait = FIRST_RETRY.saturating_mul(1 << state.failures.min(16));
            state.not_before = now + wait.min(LAST_RETRY);
            state.failures += 1;
        }
    }

    /// Forgets who waits for nothing any more; the time of the next who waits.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        self.targets
            .retain(|_, state| state.is_under_way || state.not_before + LAST_RETRY > now);
        let waiting = self.targets.values().filter(|state| !state.is_under_way);
        waiting
            .map(|state| state.not_before)
            .filter(|time| *time > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use udplb_plan::ForwardKey;

    use super::*;

    fn target(name: &str) -> Target {
        Target::Resolved(ForwardKey {
            namespace: "default".to_owned(),
            name: name.to_owned(),
        })
    }

    #[test]
    fn nodes_are_told_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let node = Target::Config("a".to_owned());
        pace.begin(node.clone(), None, now);
        assert!(!pace.may(&node, None, now), "it is under way");
        pace.end(&node, Ending::Written, now);
        assert!(pace.may(&node, None, now));
    }

    #[test]
    fn the_first_write_is_at_once_and_the_next_waits() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert!(pace.may(&target("a"), None, start));
        pace.begin(target("a"), None, start);
        assert!(
            !pace.may(&target("a"), None, start + INTERVAL),
            "it is under way"
        );
        assert!(pace.may(&target("b"), None, start));
        let ended = start + Duration::from_millis(10);
        pace.end(&target("a"), Ending::Written, ended);
        assert!(!pace.may(&target("a"), None, ended));
        assert_eq!(pace.next(ended), Some(start + INTERVAL));
        assert!(pace.may(&target("a"), None, start + INTERVAL));
        assert_eq!(pace.next(start + INTERVAL), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_limit() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            pace.begin(target("a"), None, now);
            pace.end(&target("a"), Ending::Failed, now);
            let next = pace.next(now).unwrap();
            waits.push(next - now);
            now = next;
        }
        assert_eq!(waits[..3], [FIRST_RETRY, FIRST_RETRY * 2, FIRST_RETRY * 4]);
        assert_eq!(waits[11], LAST_RETRY);
        pace.begin(target("a"), None, now);
        pace.end(&target("a"), Ending::Written, now);
        assert_eq!(pace.next(now), Some(now + INTERVAL));
    }

    #[test]
    fn what_was_outdated_waits_for_the_newer_version_only() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let node = Target::Config("a".to_owned());
        let version = |number: u32| Identity {
            uid: "uid".to_owned(),
            resource_version: number.to_string(),
        };
        pace.begin(node.clone(), Some(&version(1)), now);
        pace.end(&node, Ending::Outdated, now);
        assert!(!pace.may(&node, Some(&version(1)), now));
        assert!(pace.may(&node, Some(&version(2)), now));
        assert!(pace.may(&node, None, now), "it was deleted");
        // Where the newer version never comes, it is tried again all the same.
        assert_eq!(pace.next(now), Some(now + FIRST_RETRY));
        pace.begin(node.clone(), Some(&version(2)), now);
        pace.end(&node, Ending::Failed, now);
        assert!(
            !pace.may(&node, Some(&version(3)), now),
            "it failed otherwise"
        );
    }

    #[test]
    fn only_so_many_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for index in 0..CONCURRENCY {
            pace.begin(target(&index.to_string()), None, now);
        }
        assert!(!pace.may(&target("another"), None, now));
        pace.end(&target("0"), Ending::Written, now);
        assert!(pace.may(&target("another"), None, now));
    }
}
