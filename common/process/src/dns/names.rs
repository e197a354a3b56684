//! Which name is asked when, and which answer counts meanwhile. **pure**: the time is given in.
//!
//! ```text
//!           due                     reply: addresses ─▶ due when the TTL is over
//! waiting ───────▶ being asked ─────┤
//!                                   └ nothing, or a failure ─▶ what was known stays;
//!                                                              due after a pause that doubles
//! ```
//!
//! Addresses leave in two ways only: other addresses take their place, or the name server says that there
//! are none of one family while it has some of the other. NXDOMAIN, an empty answer, an error and silence
//! are what a broken zone or server looks like, so the last good answer stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Shortest time between two questions about a name that is answered.
pub const FLOOR: Duration = Duration::from_secs(5);
/// Longest time between two questions about a name that is answered.
pub const CEILING: Duration = Duration::from_mins(5);
/// After the first failure, up to [`LONGEST_PAUSE`] after many.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How many of the names that failed are asked for at once.
const MAX_FAILED_ASKED: usize = 32;
/// Indexes of the queues.
const WELL: usize = 0;
const FAILED: usize = 1;

/// Time since the start of 1970, so that what is kept on disk has an age.
pub type Time = Duration;

/// What came of asking for one address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Addresses, and how long they hold.
    Addresses {
        /// At least one.
        addresses: Vec<IpAddr>,
        /// The shortest of the records and aliases on the way.
        ttl: Duration,
    },
    /// The name exists and has none.
    Nothing,
    /// There is no answer.
    Failed(Failure),
}

/// What came of asking for a name, IPv4 and IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply(pub(super) [Found; 2]);

/// What counts for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Sorted, both families; empty: there has never been an answer.
    pub addresses: Vec<IpAddr>,
    /// When they were confirmed, at the time at which something else last changed.
    pub answered: Option<Time>,
    /// Why the last question failed, for one family or both; the addresses stay nevertheless.
    pub failure: Option<Failure>,
}

impl Answer {
    /// When the addresses were confirmed, as `2026-11-22T22:40:05Z`: unlike an age it does not change, so that it is
    /// said once.
    #[must_use]
    pub fn answered_text(&self) -> Option<String> {
        let seconds = i64::try_from(self.answered?.as_secs()).ok();
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Some(time.map_or_else(|| "an unknown time".to_owned(), |time| time.to_string()))
    }

    /// Whether the same counts, however old it is.
    fn is_same(&self, other: &Self) -> bool {
        self.addresses == other.addresses && self.failure == other.failure
    }
}

/// An answer that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// When they were confirmed, in seconds since the start of 1970.
    pub answered: u64,
}

/// A name that is being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name.
    pub(super) name: String,
    /// Its last question failed.
    has_failed: bool,
}

/// Every wanted name.
#[derive(Debug, Default)]
pub(super) struct Names {
    states: BTreeMap<String, State>,
    /// Names that wait, by the time at which they are due: those that are well, and those that failed.
    queues: [BTreeSet<(Time, String)>; 2],
    /// How many of those that failed are being asked.
    failed_asked: usize,
    /// What an earlier process knew of names that nobody has wanted yet.
    known: BTreeMap<String, Known>,
    /// Makes the pauses of two processes differ.
    seed: u64,
}

#[derive(Debug)]
struct State {
    families: [Kept; 2],
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    tried: bool,
}

#[derive(Debug, Default)]
struct Kept {
    addresses: BTreeSet<IpAddr>,
    answered: Option<Time>,
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting {
        due: Time,
    },
    Asked {
        /// What is on its way is outdated already.
        again: bool,
    },
}

impl Names {
    /// No name is wanted yet.
    pub(super) fn new(known: BTreeMap<String, Known>, seed: u64) -> Self {
        Self {
            known,
            seed,
            ..Self::default()
        }
    }

    /// Replaces the wanted names. New ones are due now; the others are forgotten.
    pub(super) fn want(&mut self, names: &BTreeSet<String>, now: Time) {
        self.states.retain(|name, _| names.contains(name));
        for queue in &mut self.queues {
            queue.retain(|(_, name)| names.contains(name));
        }
        for name in names {
            if !self.states.contains_key(name) {
                let known = self.known.remove(name).unwrap_or_default();
                let _none = self.states.insert(name.clone(), State::new(&known, now));
                let _new = self.queues[WELL].insert((now, name.clone()));
            }
        }
    }

    /// Has every name asked now, because the host asks others, or otherwise.
    pub(super) fn ask_all(&mut self, now: Time) {
        self.queues = [BTreeSet::new(), BTreeSet::new()];
        for (name, state) in &mut self.states {
            match &mut state.phase {
                Phase::Asked { again } => *again = true,
                Phase::Waiting { due } => {
                    *due = now;
                    let _new = self.queues[state.queue()].insert((now, name.clone()));
                }
            }
        }
    }

    /// A name to ask now; it is not given out again before its reply.
    pub(super) fn ask(&mut self, now: Time) -> Option<Question> {
        let queue = self.open_queues().find(|queue| {
            let first = self.queues[*queue].first();
            first.is_some_and(|(due, _)| *due <= now)
        })?;
        let (_, name) = self.queues[queue].pop_first()?;
        let has_failed = queue == FAILED;
        self.failed_asked += usize::from(has_failed);
        if let Some(state) = self.states.get_mut(&name) {
            state.phase = Phase::Asked { again: false };
        }
        Some(Question { name, has_failed })
    }

    /// When [`Self::ask`] has a name next.
    pub(super) fn due(&self) -> Option<Time> {
        let first = |queue: usize| self.queues[queue].first().map(|(due, _)| *due);
        self.open_queues().filter_map(first).min()
    }

    /// Names that failed wait for each other: they take long, and must not keep the others waiting.
    fn open_queues(&self) -> impl Iterator<Item = usize> + use<> {
        let queues = if self.failed_asked < MAX_FAILED_ASKED {
            WELL..=FAILED
        } else {
            WELL..=WELL
        };
        queues.into_iter()
    }

    /// Takes in what came of asking. Tells whether another answer counts now.
    pub(super) fn take(&mut self, question: &Question, reply: Reply, now: Time) -> bool {
        let Question { name, has_failed } = question;
        self.failed_asked -= usize::from(*has_failed);
        let Some(state) = self.states.get_mut(name) else {
            return false;
        };
        // It was forgotten meanwhile and is wanted again.
        if let Phase::Waiting { due } = state.phase {
            let _old = self.queues[state.queue()].remove(&(due, name.clone()));
        }
        let before = state.answer();
        let pause = state.take(reply, now);
        let due = match state.phase {
            Phase::Asked { again: true } => now,
            _ if state.failures == 0 => now + pause,
            _ => now + pause.min(jittered(state.failures, (self.seed, name))),
        };
        state.phase = Phase::Waiting { due };
        let _new = self.queues[state.queue()].insert((due, name.clone()));
        match (before, state.answer()) {
            (Some(before), Some(after)) => !before.is_same(&after),
            (before, after) => before != after,
        }
    }

    /// What counts for a name; none before it was asked, where nothing is known from earlier.
    pub(super) fn answer(&self, name: &str) -> Option<Answer> {
        self.states.get(name)?.answer()
    }

    /// What counts for every name.
    pub(super) fn answers(&self) -> BTreeMap<String, Answer> {
        let answers = self.states.iter();
        answers
            .filter_map(|(name, state)| Some((name.clone(), state.answer()?)))
            .collect()
    }
}

impl State {
    fn new(known: &Known, now: Time) -> Self {
        let family = |is_wanted: fn(&IpAddr) -> bool| {
            let addresses: BTreeSet<IpAddr> =
                known.addresses.iter().copied().filter(is_wanted).collect();
            Kept {
                answered: (!addresses.is_empty()).then_some(Time::from_secs(known.answered)),
                addresses,
                failure: None,
            }
        };
        Self {
            families: [family(IpAddr::is_ipv4), family(IpAddr::is_ipv6)],
            phase: Phase::Waiting { due: now },
            failures: 0,
            tried: false,
        }
    }

    /// Keeps what holds, and returns how long the answer is good: longest where nothing was answered.
    fn take(&mut self, Reply(found): Reply, now: Time) -> Duration {
        self.tried = true;
        let is_answered = found
            .iter()
            .any(|found| matches!(found, Found::Addresses { .. }));
        let mut pause = CEILING;
        let mut is_failed = !is_answered;
        for (kept, found) in self.families.iter_mut().zip(found) {
            match found {
                Found::Addresses { addresses, ttl } => {
                    pause = pause.min(ttl.clamp(FLOOR, CEILING));
                    *kept = Kept {
                        addresses: addresses.into_iter().collect(),
                        answered: Some(now),
                        failure: None,
                    };
                }
                Found::Nothing if is_answered => *kept = Kept::default(),
                Found::Nothing => kept.failure = Some(Failure::NoAddress),
                Found::Failed(failure) => {
                    is_failed = true;
                    kept.failure = Some(failure);
                }
            }
        }
        self.failures = if is_failed { self.failures + 1 } else { 0 };
        pause
    }

    fn answer(&self) -> Option<Answer> {
        let addresses: Vec<IpAddr> = self.addresses().collect();
        if addresses.is_empty() && !self.tried {
            return None;
        }
        // Where one family has no records and the other no answer, the latter is what to repair.
        let failures = self
            .families
            .iter()
            .filter_map(|kept| kept.failure.as_ref());
        let failure = failures.min_by_key(|failure| matches!(failure, Failure::NoAddress));
        Some(Answer {
            addresses,
            answered: self.families.iter().filter_map(|kept| kept.answered).min(),
            failure: failure.cloned(),
        })
    }

    /// Where it waits.
    const fn queue(&self) -> usize {
        if self.failures == 0 { WELL } else { FAILED }
    }

    /// Sorted: IPv4 comes before IPv6.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let families = self.families.iter();
        families.flat_map(|kept| kept.addresses.iter().copied())
    }
}

/// The pause after so many failures in a row: from half of it to all, so that names which failed together
/// are not asked together for ever.
fn jittered(failures: u32, salt: (u64, &str)) -> Duration {
    let doubled = FIRST_PAUSE * (1 << failures.saturating_sub(1).min(10));
    let pause = doubled.min(LONGEST_PAUSE);
    let mut hasher = DefaultHasher::new();
    (salt, failures).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 512).unwrap_or(0);
    pause / 2 + pause * part / 1024
}

#[cfg(test)]
mod tests;
