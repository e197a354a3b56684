//! One attempt at a diff, with some forwards refused. **pure**

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use udplb_abi::{NONE, forward::UpstreamSlot};

use super::{
    Cache, Change, MapFull,
    host::Host,
    ledger::{self, Ledger},
    listeners::{self, Emitter, LiveGroup, Matching},
    plan::{Plan, Planned, Standing},
    pool::Full,
    prune::Finals,
    refuse,
    treatment::Builder,
};
use crate::{
    desired::{
        Desired,
        group::{self, Match, PortGroup},
    },
    op::Op,
    tables::{Tables, capacity::Capacity},
};

/// Forwards that do not fit, by index, with the map that is full.
pub(super) type Refused = BTreeMap<usize, Full>;

/// What every attempt starts from.
pub(super) struct Pass<'a> {
    desired: &'a Desired,
    tables: &'a Tables,
    capacity: &'a Capacity,
    live: BTreeMap<u16, LiveGroup>,
    /// Numbers in force, by the forward's identity.
    versions: BTreeMap<u64, Vec<u32>>,
    /// Numbers that some listener leads to.
    listening: BTreeSet<u32>,
}

/// The ops of an attempt, by when they run.
#[derive(Default)]
struct Draft {
    prepare: Vec<Op>,
    publish: Vec<Op>,
    prune: Vec<Op>,
    failures: Vec<MapFull>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(desired: &'a Desired, tables: &'a Tables, capacity: &'a Capacity) -> Self {
        let live = listeners::groups(tables);
        let used = live.values().filter(|group| !group.ports.is_empty());
        Self {
            desired,
            tables,
            capacity,
            versions: ledger::versions(tables),
            listening: used.flat_map(LiveGroup::numbers).collect(),
            live,
        }
    }

    /// The change with these forwards refused, or which others have to be refused as well.
    pub(super) fn run(&self, refused: &Refused, cache: &mut Cache) -> Result<Change, Refused> {
        let mut ledger = Ledger::new(self.tables, &self.live, self.capacity);
        let mut draft = Draft::default();
        let mut plan = self.treatments(refused, &mut ledger, cache, &mut draft)?;
        let groups = self.groups(refused);
        let matching = Matching::new(&groups, &self.live, &plan);
        renumber(&mut plan, &matching.touched, &mut ledger)?;
        let listeners = Emitter {
            groups: &groups,
            live: &self.live,
            matching: &matching,
            plan: &plan,
            tables: self.tables,
        };
        let emitted = listeners
            .emit(&mut ledger)
            .map_err(|overflows| refuse::culprits(&overflows, &groups, &self.live, &plan))?;
        let written = draft.prepare.iter().filter_map(|op| match op {
            Op::WriteUpstream { slot, value } => Some((*slot, *value)),
            _ => None,
        });
        let finals = Finals::new(&plan, self.tables, written.collect());
        draft.prepare.extend(emitted.prepare);
        self.next_hops(&finals, &plan, &mut ledger, cache, &mut draft);
        let old_versions = self.switches(&plan, &finals, &mut ledger, &mut draft)?;
        draft.publish.extend(emitted.publish);
        draft.prune.extend(emitted.prune);
        finals.prune(self.tables, &mut draft.prune);
        draft.prune.extend(old_versions);
        let host = Host {
            desired: self.desired,
            tables: self.tables,
            capacity: self.capacity,
            keeps_all: !refused.is_empty(),
        };
        // Neighbours resolve while the rest is prepared.
        let (manage, release) = host.neighbours(&mut draft.failures);
        draft.prepare.splice(..0, manage).for_each(drop);
        draft.prune.extend(release);
        let interfaces = host.interfaces(&mut draft.failures);
        draft.publish.extend(interfaces);
        Ok(draft.into_change(self.tables))
    }

    /// A slot for each forward: what runs first, then in order of precedence.
    fn treatments(
        &self,
        refused: &Refused,
        ledger: &mut Ledger,
        cache: &mut Cache,
        draft: &mut Draft,
    ) -> Result<Plan, Refused> {
        let forwards = &self.desired.forwards;
        let mut order: Vec<_> = (0..forwards.len()).zip(forwards).collect();
        order.sort_by_key(|(_, forward)| !self.versions.contains_key(&forward.id));
        let mut plan = Plan::default();
        plan.forwards.resize(forwards.len(), None);
        let mut more = Refused::new();
        for (index, forward) in order {
            let versions = self
                .versions
                .get(&forward.id)
                .map_or(&[][..], Vec::as_slice);
            plan.owners
                .extend(versions.iter().map(|&number| (number, index)));
            let planned = if refused.contains_key(&index) {
                self.kept(versions)
            } else {
                let mark = (ledger.mark(), draft.prepare.len());
                let mut builder = Builder {
                    desired: self.desired,
                    tables: self.tables,
                    ledger,
                    cache,
                    ops: &mut draft.prepare,
                };
                let built = builder.forward(forward).and_then(|(slot, value)| {
                    let (number, standing) = self.standing(versions, slot, ledger)?;
                    Ok(Planned {
                        number,
                        slot,
                        value,
                        standing,
                    })
                });
                if let Err(full) = built {
                    ledger.roll_back(&mark.0);
                    draft.prepare.truncate(mark.1);
                    let _ = more.insert(index, full);
                }
                built.ok()
            };
            if let Some(entry) = plan.forwards.get_mut(index) {
                *entry = planned;
            }
        }
        if more.is_empty() { Ok(plan) } else { Err(more) }
    }

    /// The version that goes on although another one is wanted.
    fn kept(&self, versions: &[u32]) -> Option<Planned> {
        let number = *versions
            .iter()
            .max_by_key(|number| self.listening.contains(number))?;
        Some(Planned {
            number,
            slot: *self.tables.forwards.get(&number)?,
            value: *self.tables.forward(number)?,
            standing: Standing::Kept,
        })
    }

    /// The number of a forward whose treatment is in `slot`. Of several, after a crash: one that packets
    /// meet, and of those one that needs no change.
    fn standing(
        &self,
        versions: &[u32],
        slot: u32,
        ledger: &mut Ledger,
    ) -> Result<(u32, Standing), Full> {
        let in_force = |number: &u32| self.tables.forwards.get(number).copied().unwrap_or(NONE);
        let best = versions
            .iter()
            .max_by_key(|number| (self.listening.contains(number), in_force(number) == slot));
        match best {
            None => Ok((ledger.numbers.take(1)?, Standing::New)),
            Some(number) if in_force(number) == slot => Ok((*number, Standing::Same)),
            Some(number) => Ok((*number, Standing::Changed(in_force(number)))),
        }
    }

    /// Who listens, given who does not fit: they listen where they did, unless somebody else wants to.
    fn groups(&self, refused: &Refused) -> Cow<'a, [PortGroup]> {
        if refused.is_empty() {
            return Cow::Borrowed(&self.desired.groups);
        }
        let forwards = || self.desired.forwards.iter().enumerate();
        // One that is to be paused stops listening although its other changes do not fit.
        let kept: Vec<(usize, Match)> = forwards()
            .filter(|(index, forward)| refused.contains_key(index) && !forward.matches.is_empty())
            .filter_map(|(index, forward)| Some((index, self.versions.get(&forward.id)?)))
            .flat_map(|(index, numbers)| {
                let matches = self
                    .live
                    .values()
                    .filter_map(|group| group.listeners_of(numbers));
                matches.map(move |one| (index, one))
            })
            .collect();
        let wanted = forwards()
            .filter(|(index, _)| !refused.contains_key(index))
            .flat_map(|(index, forward)| forward.matches.iter().map(move |one| (index, one)));
        let (groups, _) = group::group(wanted.chain(kept.iter().map(|(index, one)| (*index, one))));
        Cow::Owned(groups)
    }

    /// Points upstreams that stay where they are at other next hops.
    fn next_hops(
        &self,
        finals: &Finals,
        plan: &Plan,
        ledger: &mut Ledger,
        cache: &mut Cache,
        draft: &mut Draft,
    ) {
        let mut builder = Builder {
            desired: self.desired,
            tables: self.tables,
            ledger,
            cache,
            ops: &mut draft.prepare,
        };
        for (index, planned) in plan.iter() {
            for (upstream, value) in finals.staying_upstreams(&planned.value, self.tables) {
                let wanted = self.desired.next_hops.get(&value.address);
                // What a refused forward still uses may not have been asked for.
                if wanted.is_none() && planned.standing == Standing::Kept {
                    continue;
                }
                match builder.next_hop(&value.address) {
                    Ok(slot) if slot == value.next_hop => {}
                    Ok(slot) => draft.publish.push(Op::SetNextHop { upstream, slot }),
                    Err(Full(map)) => {
                        let forward = self.desired.forwards.get(index);
                        draft.failures.push(MapFull::Forward {
                            index,
                            forward: forward
                                .map(|forward| forward.name.clone())
                                .unwrap_or_default(),
                            map,
                        });
                        break;
                    }
                }
            }
        }
    }

    /// Puts treatments in force. Returns what takes old ones out of force once they are cleaned up.
    ///
    /// Where a version is replaced under its own number and leaves counters behind, it first gets a
    /// second number that nobody listens for, so that a crash does not lose sight of them.
    fn switches(
        &self,
        plan: &Plan,
        finals: &Finals,
        ledger: &mut Ledger,
        draft: &mut Draft,
    ) -> Result<Vec<Op>, Refused> {
        let mut in_force = BTreeSet::new();
        let mut retiring = Vec::new();
        let mut full = Refused::new();
        for (index, planned) in plan.iter() {
            let &Planned {
                number: forward,
                slot,
                ..
            } = planned;
            let _ = in_force.insert(forward);
            match planned.standing {
                Standing::Kept | Standing::Same => {}
                Standing::New => draft.publish.push(Op::SetForward { forward, slot }),
                Standing::Changed(old) => {
                    let is_renumbered = plan.owner(forward).is_none();
                    if !is_renumbered && finals.leaves_behind(old, self.tables) {
                        match ledger.numbers.take(1) {
                            Ok(second) => {
                                draft.prepare.push(Op::SetForward {
                                    forward: second,
                                    slot: old,
                                });
                                retiring.push(second);
                            }
                            Err(reason) => drop(full.insert(index, reason)),
                        }
                    }
                    draft.publish.push(Op::SetForward { forward, slot });
                }
            }
        }
        if !full.is_empty() {
            return Err(full);
        }
        let replaced = self
            .tables
            .forwards
            .keys()
            .filter(|number| !in_force.contains(number));
        let gone = replaced.copied().chain(retiring);
        Ok(gone
            .map(|forward| Op::SetForward {
                forward,
                slot: NONE,
            })
            .collect())
    }
}

/// Gives a new number to each forward of which both the treatment and some packet's match change.
fn renumber(
    plan: &mut Plan,
    touched: &BTreeSet<usize>,
    ledger: &mut Ledger,
) -> Result<(), Refused> {
    let mut full = Refused::new();
    for &index in touched {
        if !plan.is_changed(index) {
            continue;
        }
        match (ledger.numbers.take(1), plan.forwards.get_mut(index)) {
            (Ok(number), Some(Some(planned))) => planned.number = number,
            (Err(reason), _) => drop(full.insert(index, reason)),
            _ => {}
        }
    }
    if full.is_empty() { Ok(()) } else { Err(full) }
}

impl Draft {
    fn into_change(self, tables: &Tables) -> Change {
        let mut ops = Vec::with_capacity(self.prepare.len() + self.publish.len() + 1);
        if tables.grace_due && !self.prepare.is_empty() {
            ops.push(Op::Grace);
        }
        ops.extend(self.prepare);
        let frees = self.publish.iter().any(|op| tables.frees(op));
        ops.extend(self.publish);
        if frees || !self.prune.is_empty() {
            ops.push(Op::Grace);
        }
        ops.extend(self.prune);
        Change {
            ops,
            failures: self.failures,
        }
    }
}

/// What slots of `UPSTREAMS` hold after the pass's writes.
pub(super) type Written = BTreeMap<u32, UpstreamSlot>;
