//! How many nodes run a forward. Pure.
//!
//! A node counts as ready only where every link of the chain says so: it was told to run the forward, its agent
//! has seen that, has put the revision in force, runs, and did so since the machine started.

use udplb_api::{NodeForwardConfigStatus, condition::ConditionType};
use udplb_plan::{ForwardKey, Placed};

use crate::{
    resolved::is_of,
    world::{
        World,
        facts::NodeFacts,
        stored::{StoredConfig, StoredForward},
    },
};

/// How many nodes a message names.
const NAMED: usize = 3;

/// What became of a forward on its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes that match.
    pub matching: u32,
    /// Nodes that match and have an agent.
    pub desired: u32,
    /// Nodes that run this version.
    pub ready: u32,
    /// Nodes that could not put it in force.
    pub failed: u32,
    /// Nodes that have not reported.
    pub unknown: u32,
    /// The first nodes that failed, each with the reason, and those that have not reported.
    pub failures: Named,
    /// The first nodes that have not reported, each with what is missing.
    pub silent: Named,
}

/// The first few of many nodes, as a message names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(Vec<String>);

impl Named {
    fn add(&mut self, node: &str, why: &str) {
        if self.0.len() < NAMED {
            self.0.push(format!("{node}: {why}"));
        }
    }

    /// The nodes, and how many more there are of `all`.
    #[must_use]
    pub fn text(&self, all: u32) -> String {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let names = self.0.join("; ");
        match all.saturating_sub(count) {
            0 => names,
            more => format!("{names} ({more} more)"),
        }
    }
}

enum State {
    Ready,
    Failed(String),
    Unknown(String),
}

/// Counts a forward's nodes.
#[must_use]
pub fn count(key: &ForwardKey, forward: &StoredForward, placed: &Placed, world: &World) -> Counts {
    let agents = world.agents_by_node();
    let revision = revision(key, forward, world);
    let mut counts = Counts::default();
    for name in &placed.nodes {
        counts.matching += 1;
        let Some(&is_agent_ready) = agents.get(name.as_str()) else {
            continue;
        };
        counts.desired += 1;
        let node = world.nodes.get(name);
        let config = world.configs.get(name);
        match state(
            key,
            revision,
            node,
            is_agent_ready,
            config,
            &forward.identity.uid,
        ) {
            State::Ready => counts.ready += 1,
            State::Failed(why) => {
                counts.failed += 1;
                counts.failures.add(name, &why);
            }
            State::Unknown(why) => {
                counts.unknown += 1;
                counts.silent.add(name, &why);
            }
        }
    }
    counts
}

/// The revision that nodes have to reach; none: this version of the forward has not been written yet.
fn revision(key: &ForwardKey, forward: &StoredForward, world: &World) -> Option<i64> {
    let resolved = world.resolved.get(key)?;
    let spec = resolved
        .spec
        .as_ref()
        .filter(|_| is_of(resolved, forward))?;
    Some(spec.revision)
}

fn state(
    key: &ForwardKey,
    revision: Option<i64>,
    node: Option<&NodeFacts>,
    is_agent_ready: bool,
    config: Option<&StoredConfig>,
    uid: &str,
) -> State {
    let unknown = |why: &str| State::Unknown(why.to_owned());
    let Some(node) = node.filter(|node| node.is_ready) else {
        return unknown("the node is not ready");
    };
    if !is_agent_ready {
        return unknown("its agent is not ready");
    }
    let (Some(revision), Some(config)) = (revision, config) else {
        return unknown("not told yet");
    };
    let references = config.spec.iter().flat_map(|spec| &spec.forwards);
    let is_told = references
        .filter(|reference| reference.uid == uid)
        .any(|reference| reference.namespace == key.namespace && reference.name == key.name);
    if !is_told {
        return unknown("not told yet");
    }
    let status = &config.status;
    if status.boot_id.as_ref().is_none_or(|id| *id != node.boot_id) {
        return unknown("its agent has not reported since the node started");
    }
    if seen_generation(status) < config.generation {
        return unknown("its agent has not seen the change");
    }
    let mut failed = status.failed.iter();
    let ours = failed.find(|it| it.namespace == key.namespace && it.name == key.name);
    if let Some(ours) = ours {
        return State::Failed(format!("{}: {}", ours.reason, ours.message));
    }
    let listed = u32::try_from(status.failed.len()).unwrap_or(u32::MAX);
    if let Some(all) = status.failed_count.filter(|all| *all > listed) {
        return State::Unknown(format!("it lists {listed} of {all} failed forwards"));
    }
    if status.applied_revision.is_none_or(|it| it < revision) {
        return unknown("its agent has not applied the change");
    }
    State::Ready
}

/// The generation of its configuration that an agent speaks of.
fn seen_generation(status: &NodeForwardConfigStatus) -> Option<i64> {
    let ready = ConditionType::Ready.as_str();
    let mut conditions = status.conditions.iter();
    conditions.find(|it| it.type_ == ready)?.observed_generation
}
