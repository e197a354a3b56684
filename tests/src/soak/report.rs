//! What came of a soak, in numbers and in words. Pure.

use std::{collections::BTreeMap, fmt, ops::AddAssign, time::Duration};

use super::ledger::Kind;

/// What became of datagrams.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) datagrams: u64,
    /// Those of them that only one version can have handled.
    pub(super) sure: u64,
    /// Datagrams that came to upstreams.
    pub(super) copies: u64,
    /// Those of them at upstreams that do not stand.
    pub(super) loose: u64,
    /// Datagrams of earlier rounds, at upstreams that do not stand.
    pub(super) late: u64,
    /// Datagrams that did not come to every place that a version names.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) misordered: u64,
    /// Datagrams that came to places that no version names together.
    pub(super) mixed: u64,
    pub(super) strange: u64,
    /// The first of them, in words.
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) const fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Doubled => &mut self.doubled,
            Kind::Misordered => &mut self.misordered,
            Kind::Strange => &mut self.strange,
        }
    }

    const fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.misordered + self.mixed + self.strange == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self {
            datagrams,
            sure,
            copies,
            loose,
            late,
            lost,
            doubled,
            misordered,
            mixed,
            strange,
            faults,
        } = other;
        self.datagrams += datagrams;
        self.sure += sure;
        self.copies += copies;
        self.loose += loose;
        self.late += late;
        self.lost += lost;
        self.doubled += doubled;
        self.misordered += misordered;
        self.mixed += mixed;
        self.strange += strange;
        self.faults.extend(faults);
    }
}

/// A whole soak, so far.
#[derive(Debug, Default)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) time: Duration,
    /// Events by kind.
    pub(super) events: BTreeMap<&'static str, u64>,
    pub(super) tally: Tally,
    /// Why it could not go on.
    pub(super) broken: Option<String>,
}

impl Report {
    /// Nothing lost, doubled, out of order, mixed or strange, and something shown by it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_none()
            && self.tally.is_clean()
            && self.tally.sure > 0
            && self.tally.copies > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            time,
            events,
            tally,
            broken,
        } = self;
        let total: u64 = events.values().sum();
        let kinds: Vec<String> = events
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        write!(
            formatter,
            "{} s with seed {seed}: {total} events ({}); {} datagrams ({} with one legal version), {} copies ({} on \
             links that do not stand): {} lost, {} doubled, {} out of order, {} mixed, {} strange",
            time.as_secs(),
            kinds.join(", "),
            tally.datagrams,
            tally.sure,
            tally.copies,
            tally.loose,
            tally.lost,
            tally.doubled,
            tally.misordered,
            tally.mixed,
            tally.strange
        )?;
        if let Some(reason) = broken {
            write!(formatter, "; broken off: {reason}")?;
        }
        Ok(())
    }
}
