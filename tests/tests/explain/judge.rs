//! Compares what was said with what came. Pure.

use std::{cell::RefCell, collections::BTreeMap};

use udplb_agent::explain::{Destination, Explanation, Outcome, Verdict, Wire};
use udplb_tests::{capture::Frame, lab::Mac};

use super::generate::Case;

/// The place where the node's stack gets what it gets.
const STACK: &str = "stack";

/// How often each thing happened.
#[derive(Debug, Default)]
pub(crate) struct Score(RefCell<BTreeMap<String, u32>>);

/// What must have happened, and how often at least.
const LEAST: [(&str, u32); 27] = [
    ("goes up the stack", 20),
    ("hit", 350),
    ("miss", 250),
    ("verdict Clone", 100),
    ("verdict Forward", 100),
    ("verdict Pass", 5),
    ("verdict Drop", 5),
    ("verdict Next", 250),
    ("outcome Sent", 200),
    ("outcome SampledOut", 20),
    ("outcome Dropped", 50),
    ("outcome Depends", 50),
    ("outcome Passed", 5),
    ("drop no_upstream", 10),
    ("drop no_route", 10),
    ("drop neighbour_unresolved", 5),
    ("drop mtu_exceeded", 10),
    ("drop ttl_expired", 10),
    ("waits for a neighbour", 3),
    ("Source first", 20),
    ("Interface first", 3),
    ("Address first", 20),
    ("Port first", 10),
    ("Nobody first", 10),
    ("NotAttached first", 5),
    ("GroupNotNamed first", 5),
    ("ListensNowhere", 10),
];

impl Score {
    fn count(&self, what: impl Into<String>) {
        *self.0.borrow_mut().entry(what.into()).or_default() += 1;
    }

    /// Fails where something hardly happened: then nothing was shown about it.
    pub(crate) fn check(&self) {
        let counts = self.0.borrow();
        let rare = LEAST
            .iter()
            .filter(|(what, least)| counts.get(*what).is_none_or(|count| count < least));
        let rare: Vec<_> = rare.collect();
        assert!(rare.is_empty(), "too rare: {rare:?}");
    }

    /// Whether what came is what was said.
    pub(crate) fn judge(
        &self,
        case: &Case,
        explanation: &Explanation,
        found: &[(&'static str, Frame)],
    ) -> Result<(), String> {
        self.tally(explanation);
        // Copies for the node itself come up its stack as well, for an address that the packet did not have.
        let (stack, sent): (Vec<_>, Vec<_>) = found.iter().partition(|(place, frame)| {
            *place == STACK && frame.packet.destination() == case.destination
        });
        let verdicts = explanation
            .other_verdicts
            .iter()
            .chain([&explanation.verdict]);
        let goes_on =
            |verdict: &Verdict| matches!(verdict, Verdict::Clone | Verdict::Pass | Verdict::Next);
        // The stack has no use for a tag that no device takes.
        if case.vlan.is_none() {
            let arrived = !stack.is_empty();
            if !verdicts.map(goes_on).any(|said| said == arrived) {
                return Err(format!("arrived in the stack: {arrived}"));
            }
        }
        if let [(_, frame)] = stack[..]
            && frame.packet.source() != case.source
        {
            return Err(format!("the original is {}", frame.packet));
        }
        let mut sent: Vec<_> = sent
            .iter()
            .map(|(place, frame)| seen(place, frame))
            .collect();
        sent.sort();
        if fits(&explanation.destinations, &sent) {
            Ok(())
        } else {
            Err(format!("sent {sent:#?}"))
        }
    }

    fn tally(&self, explanation: &Explanation) {
        let hit = explanation.forward.is_some();
        self.count(if hit { "hit" } else { "miss" });
        self.count(format!("verdict {:?}", explanation.verdict));
        for (number, miss) in explanation.misses.iter().enumerate() {
            self.count(format!("{:?}", miss.kind));
            if number == 0 {
                self.count(format!("{:?} first", miss.kind));
            }
        }
        for destination in &explanation.destinations {
            self.count(format!("outcome {:?}", destination.outcome));
            let upstreams = &destination.upstreams;
            let drops = upstreams.iter().filter_map(|one| one.drop);
            for reason in drops.chain(destination.drop) {
                self.count(format!("drop {reason}"));
            }
            let wires = upstreams.iter().filter_map(|one| one.wire.as_ref());
            for _ in wires.clone().filter(|wire| wire.frame.is_none()) {
                self.count("goes up the stack");
            }
            for _ in wires.filter(|wire| wire.waits_for_a_neighbour()) {
                self.count("waits for a neighbour");
            }
        }
    }
}

/// A frame on a link, in the words of `explain`.
type Seen = (String, String, String, String, String, u8);

fn seen(place: &str, frame: &Frame) -> Seen {
    let packet = &frame.packet;
    (
        place.to_owned(),
        packet.source_mac.to_string(),
        packet.destination_mac.to_string(),
        packet.source().to_string(),
        packet.destination().to_string(),
        packet.ip.as_ref().unwrap().ttl,
    )
}

/// What a destination may send; None: nothing.
fn options(destination: &Destination) -> Vec<Option<Seen>> {
    let wires = destination.upstreams.iter().map(|one| one.wire.as_ref());
    let mut options: Vec<_> = wires.map(|wire| wire.and_then(on_link)).collect();
    let by_chance = destination
        .conditions
        .iter()
        .any(|condition| !condition.starts_with("the rate limit"));
    let nothing = match destination.outcome {
        Outcome::Sent => false,
        Outcome::Depends => by_chance,
        Outcome::SampledOut | Outcome::Dropped | Outcome::Passed => true,
    };
    if nothing {
        options.push(None);
    }
    options
}

/// What waits for a neighbour that does not exist never leaves.
fn on_link(wire: &Wire) -> Option<Seen> {
    let (place, macs) = match wire.frame.clone() {
        Some(frame) => (
            wire.interface.clone(),
            [frame.source_mac, frame.destination_mac?],
        ),
        None => (
            STACK.to_owned(),
            [Mac([0; 6]), Mac([0; 6])].map(|mac| mac.to_string()),
        ),
    };
    let [source_mac, destination_mac] = macs;
    Some((
        place,
        source_mac,
        destination_mac,
        wire.source.clone(),
        wire.destination.clone(),
        wire.ttl,
    ))
}

/// Whether the frames are one for each destination that sends, and no more.
fn fits(destinations: &[Destination], sent: &[Seen]) -> bool {
    let Some((first, rest)) = destinations.split_first() else {
        return sent.is_empty();
    };
    options(first).into_iter().any(|option| match option {
        None => fits(rest, sent),
        Some(frame) => sent.iter().position(|one| *one == frame).is_some_and(|at| {
            let mut others = sent.to_vec();
            let _taken = others.remove(at);
            fits(rest, &others)
        }),
    })
}
