//! What is known, planned and under way, and what to write next. Pure: changes go in, ops come out.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, Instant},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use udplb_api::ForwardReference;
use udplb_plan::{ClusterPlan, ForwardKey, Resolution, leave_out, resolve};

use crate::{
    config,
    op::{Op, Target},
    pace::{Ending, Pace},
    plan, resolved,
    resolved::Need,
    status::Known,
    world::{Change, Dirty, World},
};

/// How long a new version of a forward waits for the answers to its names and services.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two rounds of statuses in a small cluster.
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// The time between two rounds of statuses in a cluster of 5,000 nodes.
const LONGEST_TICK: Duration = Duration::from_secs(2);

/// All that the operator has in mind.
#[derive(Debug)]
pub struct State {
    /// What is known.
    pub world: World,
    /// Who runs where.
    pub plan: ClusterPlan,
    dirty: Dirty,
    resolutions: BTreeMap<ForwardKey, Resolution>,
    /// Since when forwards wait for answers.
    waiting: BTreeMap<ForwardKey, Instant>,
    pace: Pace,
    /// The highest revision that was ever given, as far as we know.
    revision: i64,
    /// The version that takes a new revision just now. They are written one after the other, so that an agent that
    /// has seen one has seen all before it.
    raising: Option<Target>,
    last_tick: Option<Instant>,
    /// The statuses of this round that have not been looked at.
    round: BTreeSet<ForwardKey>,
}

impl State {
    /// Nothing is known. `is_restricted`: only some namespaces may hold forwards.
    #[must_use]
    pub fn new(is_restricted: bool) -> Self {
        Self {
            world: World::new(is_restricted),
            plan: ClusterPlan::default(),
            dirty: Dirty::default(),
            resolutions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            pace: Pace::default(),
            revision: 0,
            raising: None,
            last_tick: None,
            round: BTreeSet::new(),
        }
    }

    /// Takes a change in.
    pub fn take(&mut self, change: Change) {
        self.world.take(change, &mut self.dirty);
    }

    /// From now on, everything is compared again: another leader may have written until now. `revision` is the highest
    /// number that it gave.
    pub fn begin_term(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
        self.dirty.plan = true;
        self.dirty.configs = self
            .world
            .nodes
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        self.raising = None;
        self.pace = Pace::default();
    }

    /// The highest revision that was given.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// Brings the plan in line with the world; whether anything was planned again.
    pub fn plan(&mut self, now: Instant) -> bool {
        if !self.world.missing().is_empty() {
            return false;
        }
        let Dirty { plan, answers, .. } = self.dirty;
        if plan {
            let before = std::mem::replace(&mut self.plan, plan::of(&self.world));
            let gone = before.rejected.keys().chain(before.accepted.keys());
            self.dirty.forwards.extend(gone.cloned());
            let now_there = self.plan.rejected.keys().chain(self.plan.accepted.keys());
            self.dirty.forwards.extend(now_there.cloned());
            self.dirty
                .configs
                .extend(plan::changed(&before, &self.plan));
        }
        if plan || answers || !self.waiting.is_empty() {
            self.resolve(now);
        }
        self.dirty.resolved |= plan || answers;
        (self.dirty.plan, self.dirty.answers) = (false, false);
        plan || answers
    }

    fn resolve(&mut self, now: Instant) {
        let mut resolutions = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for (key, placed) in &self.plan.accepted {
            let answers = resolved::answers(&placed.forward, &self.world);
            if !resolved::is_known(&placed.forward, &answers) {
                let since = *self.waiting.get(key).unwrap_or(&now);
                let _ = waiting.insert(key.clone(), since);
                let is_stored = self.is_stored(key);
                if is_stored || now < since + PATIENCE {
                    continue;
                }
            }
            let resolution = resolve::forward(&placed.forward, &answers, 0);
            let _ = resolutions.insert(key.clone(), resolution);
        }
        leave_out(
            &self.plan.accepted,
            || plan::nodes(&self.world),
            &mut resolutions,
        );
        for key in self.plan.accepted.keys() {
            if self.resolutions.get(key) != resolutions.get(key) {
                let _ = self.dirty.forwards.insert(key.clone());
                self.dirty.resolved = true;
            }
        }
        (self.resolutions, self.waiting) = (resolutions, waiting);
    }

    /// Whether this version of a forward runs already, so that it can wait for answers as long as they take.
    fn is_stored(&self, key: &ForwardKey) -> bool {
        let stored = self.world.resolved.get(key);
        let forward = self.world.forwards.get(key);
        stored
            .zip(forward)
            .is_some_and(|(stored, forward)| resolved::is_of(stored, forward))
    }

    /// What may be written now; each op counts as begun.
    pub fn ops(&mut self, now: Instant) -> Vec<Op> {
        if !self.world.missing().is_empty() {
            return Vec::new();
        }
        let mut ops = Vec::new();
        if std::mem::take(&mut self.dirty.resolved) {
            self.resolved_ops(now, &mut ops);
        }
        self.config_ops(now, &mut ops);
        ops
    }

    fn resolved_ops(&mut self, now: Instant, ops: &mut Vec<Op>) {
        let mut wanted = Vec::new();
        for (key, resolution) in &self.resolutions {
            let (Some(forward), Some(placed)) =
                (self.world.forwards.get(key), self.plan.accepted.get(key))
            else {
                continue;
            };
            let stored = self.world.resolved.get(key);
            let hostnames = resolved::hostnames(&placed.forward, &self.world);
            match resolved::need(resolution, forward, stored, &hostnames) {
                Need::Nothing => {}
                Need::Same(op) => wanted.push(*op),
                Need::New => {
                    let target = Target::Resolved(key.clone());
                    if self.raising.is_some() || !self.may(&target, now) {
                        // It is compared again when what it waits for has ended.
                        self.dirty.resolved = true;
                        continue;
                    }
                    self.revision = self.highest_revision() + 1;
                    wanted.push(resolved::write(
                        resolution,
                        forward,
                        stored,
                        &hostnames,
                        self.revision,
                    ));
                    self.raising = Some(target);
                }
            }
        }
        for (key, stored) in self.world.resolved.iter() {
            let runs = self.plan.accepted.contains_key(key);
            if !runs && !plan::is_kept(&self.world, &self.plan, key) {
                wanted.push(Op::DeleteResolved(key.clone(), stored.identity.clone()));
            }
        }
        for op in wanted {
            self.dirty.resolved |= !self.begin(op, now, ops);
        }
    }

    fn config_ops(&mut self, now: Instant, ops: &mut Vec<Op>) {
        let mut waiting = BTreeSet::new();
        while self.pace.room() > 0
            && let Some(name) = self.dirty.configs.pop_first()
        {
            if let Some(op) = config::op(&name, &self.plan, &self.world)
                && !self.begin(op, now, ops)
            {
                let _ = waiting.insert(name);
            }
        }
        self.dirty.configs.append(&mut waiting);
    }

    fn may(&self, target: &Target, now: Instant) -> bool {
        self.pace.may(target, self.world.identity(target), now)
    }

    /// Whether the op may be carried out now; then it counts as begun.
    fn begin(&mut self, op: Op, now: Instant, ops: &mut Vec<Op>) -> bool {
        let target = op.target();
        let may = self.may(&target, now);
        if may {
            self.pace
                .begin(target.clone(), self.world.identity(&target), now);
            ops.push(op);
        }
        may
    }

    /// No agent may have reported a higher one: it would seem to run what it has not seen.
    fn highest_revision(&self) -> i64 {
        let stored = self.world.resolved.iter();
        let stored = stored.filter_map(|(_, it)| it.spec.as_ref().map(|spec| spec.revision));
        let reported = self.world.configs.iter();
        let reported = reported.filter_map(|(_, it)| it.status.applied_revision);
        stored.chain(reported).fold(self.revision, i64::max)
    }

    /// The statuses that are not as they should be; each counts as begun. Which ones are looked at is decided in rounds,
    /// so that reports of many nodes become one write.
    pub fn statuses(&mut self, now: Instant, time: &Time) -> Vec<Op> {
        if !self.world.missing().is_empty() {
            return Vec::new();
        }
        if self.next_tick().is_none_or(|next| next <= now) && self.has_news() {
            self.last_tick = Some(now);
            let nodes = std::mem::take(&mut self.dirty.nodes);
            self.round.append(&mut self.forwards_of(&nodes));
            self.round.append(&mut self.dirty.forwards);
        }
        let mut writes = Vec::new();
        if !self.round.is_empty() {
            let room = self.pace.room();
            let known = Known::at(time, &self.plan, &self.world);
            while writes.len() < room
                && let Some(key) = self.round.pop_first()
            {
                let notices = self.resolutions.get(&key);
                let notices = notices.map(|resolution| resolution.notices.as_slice());
                writes.extend(known.write(&key, notices));
            }
        }
        let mut ops = Vec::new();
        for write in writes {
            let key = write.key.clone();
            if !self.begin(Op::WriteStatus(Box::new(write)), now, &mut ops) {
                let _ = self.dirty.forwards.insert(key);
            }
        }
        ops
    }

    /// Whether anything happened that a status may tell.
    fn has_news(&self) -> bool {
        !self.dirty.nodes.is_empty() || !self.dirty.forwards.is_empty()
    }

    /// The forwards that run on any of these nodes.
    fn forwards_of(&self, nodes: &BTreeSet<String>) -> BTreeSet<ForwardKey> {
        let lists = nodes.iter().filter_map(|node| self.plan.nodes.get(node));
        // Most nodes share a list.
        let mut seen = HashSet::new();
        let lists = lists.filter(|list| seen.insert(list.as_ptr()));
        let key = |reference: &ForwardReference| ForwardKey {
            namespace: reference.namespace.clone(),
            name: reference.name.clone(),
        };
        lists.flat_map(|list| list.iter().map(key)).collect()
    }

    /// A write has ended.
    pub fn ended(&mut self, target: &Target, ending: Ending, now: Instant) {
        self.pace.end(target, ending, now);
        let succeeded = ending == Ending::Written;
        if self.raising.as_ref() == Some(target) {
            self.raising = None;
        }
        match target {
            _ if succeeded => {}
            Target::Resolved(_) => self.dirty.resolved = true,
            Target::Config(name) => drop(self.dirty.configs.insert(name.clone())),
            Target::Status(key) => drop(self.dirty.forwards.insert(key.clone())),
        }
    }

    /// When something may be due without any change.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        let tick = self.next_tick().filter(|_| self.has_news());
        let paced = self.pace.next(now);
        let patience = self.waiting.values().map(|since| *since + PATIENCE);
        let patience = patience.filter(|time| *time > now).min();
        [tick, paced, patience].into_iter().flatten().min()
    }

    fn next_tick(&self) -> Option<Instant> {
        let nodes = u32::try_from(self.world.nodes.len()).unwrap_or(u32::MAX);
        let grown = LONGEST_TICK.saturating_mul(nodes) / 5_000;
        let interval = grown.clamp(SHORTEST_TICK, LONGEST_TICK);
        self.last_tick.map(|last| last + interval)
    }
}

#[cfg(test)]
mod tests;
