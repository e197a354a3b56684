//! Which versions of a lane may have handled which of its datagrams. Pure.

use super::{
    place::Family,
    version::{Fate, Spec},
};

/// The versions of one lane in one round, by how many datagrams the lane had sent.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Datagrams on their way, at most.
    window: u64,
    spans: Vec<Span>,
}

/// One version of a lane.
#[derive(Debug)]
pub(super) struct Span {
    /// Number of the version.
    pub(super) version: u64,
    /// By family.
    fates: [Fate; 2],
    /// Datagrams that had been sent before it was written.
    written: u64,
    /// Datagrams that may have been sent before it was known to be in force.
    in_force: Option<u64>,
}

impl Span {
    pub(super) const fn fate(&self, family: Family) -> &Fate {
        &self.fates[family as usize]
    }
}

impl Timeline {
    /// A round that starts with a version in force.
    pub(super) fn new(window: u64, version: u64, spec: &Spec) -> Self {
        let mut timeline = Self {
            window,
            spans: Vec::new(),
        };
        timeline.write(version, spec, 0);
        timeline.settle(0);
        timeline
    }

    /// A version is about to be written after so many datagrams.
    pub(super) fn write(&mut self, version: u64, spec: &Spec, sent: u64) {
        self.spans.push(Span {
            version,
            fates: Family::ALL.map(|family| spec.fate(family)),
            written: sent,
            in_force: None,
        });
    }

    /// The last version written is in force, and so many datagrams have been sent.
    pub(super) fn settle(&mut self, sent: u64) {
        if let Some(last) = self.spans.last_mut() {
            // The count of one that is being sent may follow.
            let _: &mut u64 = last.in_force.get_or_insert(sent + u64::from(sent > 0));
        }
    }

    /// The versions that may have handled the datagram with this index: from the last that was surely in force when
    /// it was sent, to the last that had been written when it was handled.
    pub(super) fn legal(&self, index: u64) -> &[Span] {
        let written = |span: &Span| span.written < index + self.window + 1;
        let end = self.spans.partition_point(written);
        let start = self.spans[..end]
            .iter()
            .rposition(|span| span.in_force.is_some_and(|count| count <= index));
        &self.spans[start.unwrap_or(0)..end]
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::version::{Action, Matched},
        *,
    };

    const WINDOW: u64 = 10;

    fn versions(timeline: &Timeline, index: u64) -> Vec<u64> {
        timeline
            .legal(index)
            .iter()
            .map(|span| span.version)
            .collect()
    }

    #[test]
    fn a_change_allows_both_versions_until_it_is_known_to_be_in_force() {
        let spec = Spec {
            matched: Matched::Paused,
            action: Action::Clone,
            destinations: Vec::new(),
        };
        let mut timeline = Timeline::new(WINDOW, 1, &spec);
        timeline.write(2, &spec, 100);
        timeline.write(3, &spec, 120);
        timeline.settle(150);
        assert_eq!(versions(&timeline, 0), [1]);
        assert_eq!(versions(&timeline, 89), [1]);
        // It may still have been on its way when the second was written.
        assert_eq!(versions(&timeline, 90), [1, 2]);
        assert_eq!(versions(&timeline, 110), [1, 2, 3]);
        assert_eq!(versions(&timeline, 150), [1, 2, 3]);
        assert_eq!(versions(&timeline, 151), [3]);
    }
}
