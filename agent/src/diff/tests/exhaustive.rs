//! Every interleaving of a packet's loads with the ops of one pass and of two in a row, for small states.
//!
//! The model: an op is one step of the writer, a load is one step of a reader ([`reader`]). Readers write nothing that
//! another one reads, so one reader at a time is enough. At each state of the maps, the set of all places where a
//! reader can be is kept: those of the state before, those that a step leads to, and one that begins. So every
//! interleaving is walked, and equal ones once. [`Op::Grace`] ends when the readers have ended that were under way when
//! it began: those go no further than there.
//!
//! A packet must meet one of the versions that were wanted from before its first load to after its last: the states at
//! the ends of passes. That this finds anything is shown by breaking the order of the ops, one rule at a time.

mod broken;
mod elements;
mod reader;
mod worlds;

use std::{collections::BTreeMap, ops::Range};

use udplb_abi::{address::Address, next_hop::NextHopSlot};

use self::{
    broken::{BROKEN, Order},
    elements::Elements,
    reader::{At, Outcome, walk_at_once},
    worlds::World,
};
use super::laws::{cache, list, roomy};
use crate::{
    desired::Desired,
    diff::diff,
    op::Op,
    tables::{Tables, walk::Packet},
};

/// The maps at one time.
#[derive(Clone)]
struct State {
    tables: Tables,
    elements: Elements,
}

impl State {
    fn apply(&mut self, op: &Op) {
        self.tables.apply(op);
        self.elements.apply(op);
    }
}

/// Ops of several passes, one after the other.
struct Run {
    ops: Vec<Op>,
    /// Before the first op, and after each.
    states: Vec<State>,
    /// States in which a version is wholly in force: the first, and the end of each pass.
    ends: Vec<usize>,
}

impl Run {
    /// The passes that lead from nothing through these states; of the first state on, readers are under way.
    fn through(states: &[Desired], order: Order) -> Self {
        let mut cache = cache();
        let mut now = State {
            tables: Tables::empty(),
            elements: Elements::default(),
        };
        let mut run = Self {
            ops: Vec::new(),
            states: Vec::new(),
            ends: Vec::new(),
        };
        for (index, state) in states.iter().enumerate() {
            let change = diff(state, &now.tables, &roomy(), &mut cache);
            assert_eq!(change.failures, []);
            let mut after = now.clone();
            change.ops.iter().for_each(|op| after.apply(op));
            if index > 0 {
                run.pass(now, order(change.ops));
            } else {
                run.states.push(after.clone());
            }
            now = after;
            run.ends.push(run.states.len() - 1);
            // A pass without ops is no other version.
            run.ends.dedup();
        }
        run
    }

    fn pass(&mut self, mut now: State, ops: Vec<Op>) {
        for op in ops {
            now.apply(&op);
            self.states.push(now.clone());
            self.ops.push(op);
        }
    }

    /// The versions that a packet may meet whose loads were between two states: indexes of [`Self::ends`].
    fn legal(&self, first: usize, last: usize) -> Range<usize> {
        let start = self.ends.partition_point(|end| *end <= first) - 1;
        let end = self.ends.partition_point(|end| *end < last) + 1;
        start..end
    }

    /// What is wrong with some packet of this kind, if anything can be.
    fn fault(&self, packet: &Packet) -> Option<String> {
        let versions: Vec<Version> = self
            .ends
            .iter()
            .map(|end| Version::of(&self.states[*end], packet))
            .collect();
        // Where a reader is, and the version that was in force when it began.
        let mut under_way: Vec<(At, usize)> = Vec::new();
        for (index, state) in self.states.iter().enumerate() {
            if index > 0 && self.ops[index - 1] == Op::Grace {
                under_way.clear();
            }
            let legal = self.legal(index, index);
            under_way.push((At::Port, legal.start));
            let mut next = 0;
            // Everywhere that readers can come to while the maps are like this.
            while let Some((at, began)) = under_way.get(next).cloned() {
                next += 1;
                let after = (at.step(state, packet), began);
                if let At::Done(outcome) = after.0 {
                    let legal = &versions[began..legal.end];
                    if let Err(what) = judge(outcome, legal) {
                        return Some(format!(
                            "{packet:?} at {index} of\n{}\n{what}",
                            list(&self.ops)
                        ));
                    }
                } else if !under_way.contains(&after) {
                    under_way.push(after);
                }
            }
        }
        None
    }
}

/// What a packet meets, and how each upstream is reached.
struct Version {
    outcome: Outcome,
    hops: BTreeMap<Address, Vec<Option<NextHopSlot>>>,
}

impl Version {
    fn of(state: &State, packet: &Packet) -> Self {
        let outcome = walk_at_once(state, packet).map(|met| met.apart().0);
        Self {
            outcome,
            hops: super::view::next_hops(&state.tables),
        }
    }
}

fn judge(outcome: Outcome, legal: &[Version]) -> Result<(), String> {
    let (version, hops) = match outcome.map(reader::Met::apart) {
        Some((version, hops)) => (Some(version), hops),
        None => (None, Vec::new()),
    };
    if !legal.iter().any(|one| one.outcome == version) {
        let legal: Vec<&Outcome> = legal.iter().map(|one| &one.outcome).collect();
        return Err(format!("met {version:?} of {legal:?}"));
    }
    for (address, hop) in hops {
        let mut known = legal.iter().filter_map(|one| one.hops.get(&address));
        if !known.any(|all| all.contains(&hop)) {
            return Err(format!("{address:?} is reached by {hop:?}"));
        }
    }
    Ok(())
}

/// Walks every interleaving for every kind of packet. Returns the first fault.
fn explore(worlds: &[World], order: Order) -> Option<String> {
    let states: Vec<Desired> = worlds.iter().map(World::desired).collect();
    let run = Run::through(&states, order);
    worlds::packets()
        .iter()
        .find_map(|packet| run.fault(packet))
}

const fn as_they_are(ops: Vec<Op>) -> Vec<Op> {
    ops
}

fn assert_no_fault(sequences: impl Iterator<Item = Vec<World>>) {
    let mut count = 0;
    for worlds in sequences {
        count += 1;
        if let Some(fault) = explore(&worlds, as_they_are) {
            panic!("{worlds:?}\n{fault}");
        }
    }
    println!("{count} sequences of states");
    assert!(count > 100);
}

#[test]
fn every_change_of_one_forward() {
    let worlds = worlds::of_one_forward();
    assert_no_fault(worlds::pairs(&worlds));
}

#[test]
fn every_change_of_two_forwards() {
    let worlds = worlds::of_two_forwards();
    assert_no_fault(worlds::pairs(&worlds));
}

/// Slots that the first pass frees are written again by the second.
#[test]
fn every_two_changes_in_a_row() {
    let worlds = worlds::few();
    assert_no_fault(worlds::triples(&worlds));
}

/// Each rule of the order is needed: without it, some packet falls between.
#[test]
fn each_broken_order_is_noticed() {
    let worlds = worlds::few();
    for (what, order) in BROKEN {
        let noticed = worlds::triples(&worlds).any(|worlds| explore(&worlds, order).is_some());
        assert!(noticed, "{what}: no packet notices");
    }
}
