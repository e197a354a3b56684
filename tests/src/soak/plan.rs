//! What happens in a soak: events as plain data, the same for the same seed. Pure.

mod versions;

use std::fmt;

use self::versions::Versions;
use super::version::Version;
use crate::traffic::Numbers;

/// Something that happens while traffic flows.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// New versions of the file, one right after the other; the last is awaited.
    Change(Vec<Version>),
    /// The agent ends and starts again.
    Restart {
        end: End,
        /// Which build starts, among those that the soak knows.
        build: usize,
        /// A version that is written while none runs.
        meanwhile: Option<Version>,
    },
    /// A version is written, and the agent killed so many datagrams later, wherever it is with it.
    Cut { version: Version, after: u64 },
    /// The file is damaged or gone for a while.
    Damage(Damage),
    /// The agent does not run while the kernel has more news than it keeps for it.
    Overrun,
    /// Something about a link or a neighbour that stands changes, and packets still get there.
    Touch(Touch),
    /// Somebody looks.
    Look(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    Nonsense,
    UnknownAction,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// The neighbour entry of an upstream is to be confirmed, as by hand.
    Stale,
    /// The kernel asks the neighbour again.
    Probe,
    /// Another MTU of the link, large enough for the traffic.
    Mtu,
    /// The way to an upstream moves to another link that stands.
    Route,
}

/// Something that goes on beside the events of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// The link that does not stand goes down and up, ten times a second.
    Flapping,
    /// Its interface has another name for a while, again and again.
    Renaming,
    /// Its interface is deleted and created again under the same name.
    Recreation,
    /// Addresses and routes come and go on the node, a thousand a second.
    Churn,
}

/// Events with traffic from before the first to after the last.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) beside: Vec<Beside>,
    /// What happens, and how many datagrams pass afterwards.
    pub(super) events: Vec<(Event, u64)>,
}

/// Events of a round.
const EVENTS: usize = 8;

/// Changes of a round that has nothing else.
const IN_A_ROW: u64 = 50;

/// Makes rounds.
pub(super) struct Planner {
    random: Numbers,
    versions: Versions,
    /// Builds of the agent to choose from.
    builds: usize,
    /// Changes without anything else that are still to come.
    in_a_row: u64,
}

impl Planner {
    /// Begins with so many changes in a row.
    pub(super) fn new(seed: u64, builds: usize, in_a_row: u64) -> Self {
        Self {
            random: Numbers::new(seed),
            versions: Versions::new(),
            builds,
            in_a_row,
        }
    }

    /// The version that all rounds start from.
    pub(super) const fn version(&self) -> &Version {
        self.versions.last()
    }

    pub(super) fn round(&mut self) -> Round {
        if self.in_a_row > 0 {
            return self.changes();
        }
        let random = &mut self.random;
        let mut beside = Vec::new();
        beside.extend(match random.below(4) {
            0 => Some(Beside::Flapping),
            1 => Some(Beside::Renaming),
            2 => Some(Beside::Recreation),
            _ => None,
        });
        beside.extend((random.below(3) == 0).then_some(Beside::Churn));
        let events = (0..EVENTS)
            .map(|_| (self.event(), 100 + self.random.next() % 1000))
            .collect();
        Round { beside, events }
    }

    fn changes(&mut self) -> Round {
        let count = self.in_a_row.min(IN_A_ROW);
        self.in_a_row -= count;
        let mut change = || Event::Change(vec![self.versions.next(&mut self.random)]);
        Round {
            beside: Vec::new(),
            events: (0..count).map(|_| (change(), 1)).collect(),
        }
    }

    fn event(&mut self) -> Event {
        match self.random.below(40) {
            0..=22 => {
                // Most changes come one at a time, and some before the last is in force.
                let count = 1 + self.random.below(8).saturating_sub(4);
                Event::Change(
                    (0..count)
                        .map(|_| self.versions.next(&mut self.random))
                        .collect(),
                )
            }
            23..=27 => Event::Restart {
                end: self.one_of(&[End::Stop, End::Kill]),
                build: self.random.below(self.builds),
                meanwhile: (self.random.below(2) == 0)
                    .then(|| self.versions.next(&mut self.random)),
            },
            28..=30 => Event::Cut {
                version: self.versions.next(&mut self.random),
                after: self.random.next() % 8000,
            },
            31..=32 => {
                Event::Damage(self.one_of(&[Damage::Nonsense, Damage::UnknownAction, Damage::Gone]))
            }
            33 => Event::Overrun,
            34..=37 => {
                Event::Touch(self.one_of(&[Touch::Stale, Touch::Probe, Touch::Mtu, Touch::Route]))
            }
            _ => Event::Look(self.one_of(&["status", "check", "explain"])),
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())]
    }
}

impl Event {
    /// What it counts as.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Change(_) => "changes",
            Self::Restart { end: End::Stop, .. } => "stops",
            Self::Restart { end: End::Kill, .. } => "kills",
            Self::Cut { .. } => "kills within a change",
            Self::Damage(_) => "bad files",
            Self::Overrun => "overruns",
            Self::Touch(_) => "touches",
            Self::Look(_) => "looks",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(versions) => {
                let numbers: Vec<u64> = versions.iter().map(|one| one.number).collect();
                write!(formatter, "change to {numbers:?}")
            }
            Self::Restart {
                end,
                build,
                meanwhile,
            } => {
                let meanwhile = meanwhile.as_ref().map(|one| one.number);
                write!(
                    formatter,
                    "{end:?}, {meanwhile:?} written, build {build} started"
                )
            }
            Self::Cut { version, after } => {
                write!(
                    formatter,
                    "change to {}, killed {after} datagrams later",
                    version.number
                )
            }
            Self::Damage(damage) => write!(formatter, "file: {damage:?}"),
            Self::Overrun => formatter.write_str("overrun"),
            Self::Touch(touch) => write!(formatter, "{touch:?}"),
            Self::Look(command) => formatter.write_str(command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(seed: u64) -> Vec<String> {
        let mut planner = Planner::new(seed, 1, 60);
        let rounds: Vec<Round> = (0..20).map(|_| planner.round()).collect();
        rounds
            .iter()
            .flat_map(|round| round.events.iter().map(|(event, _)| event.to_string()))
            .collect()
    }

    #[test]
    fn a_seed_tells_everything_that_happens() {
        assert_eq!(words(1), words(1));
        let is_change = |event: &String| event.starts_with("change");
        assert!(words(1).iter().take(60).all(is_change));
        assert_ne!(words(1), words(2));
    }
}
