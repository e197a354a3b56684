//! How many nodes run a forward. Pure.
//!
//! A node counts as ready only where every link of the chain says so: it was told to run the forward, its agent
//! has seen that, has put the revision in force, runs, and did so since the machine started.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use udplb_api::{ForwardReference, NodeForwardConfigStatus, condition::ConditionType};
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
    Unknown(Cow<'static, str>),
}

/// What is known of every node that has an agent, put together once for all forwards.
#[derive(Debug)]
pub struct Reports<'a>(HashMap<&'a str, Report<'a>>);

#[derive(Debug)]
struct Report<'a> {
    /// Why nothing that was reported counts: the node or its agent is away.
    away: Option<&'static str>,
    config: Option<&'a StoredConfig>,
    /// Why the report is older than what was told.
    late: Option<&'static str>,
}

impl<'a> Reports<'a> {
    /// Puts them together.
    #[must_use]
    pub fn of(world: &'a World) -> Self {
        let agents = world.agents_by_node().into_iter();
        let reports = agents.map(|(name, is_agent_ready)| {
            let (name, key) = (name, &name.to_owned());
            let node = world.nodes.get(key).filter(|node| node.is_ready);
            let config = world.configs.get(key);
            let report = Report {
                away: match node {
                    None => Some("the node is not ready"),
                    Some(_) if !is_agent_ready => Some("its agent is not ready"),
                    Some(_) => None,
                },
                config,
                late: node
                    .zip(config)
                    .and_then(|(node, config)| late(node, config)),
            };
            (name, report)
        });
        Self(reports.collect())
    }
}

fn late(node: &NodeFacts, config: &StoredConfig) -> Option<&'static str> {
    let status = &config.status;
    if status.boot_id.as_ref().is_none_or(|id| *id != node.boot_id) {
        return Some("its agent has not reported since the node started");
    }
    let has_seen = seen_generation(status) >= config.generation;
    (!has_seen).then_some("its agent has not seen the change")
}

/// Counts a forward's nodes.
#[must_use]
pub fn count(
    key: &ForwardKey,
    forward: &StoredForward,
    placed: &Placed,
    world: &World,
    reports: &Reports<'_>,
) -> Counts {
    let revision = revision(key, forward, world);
    let told = Told {
        key,
        uid: &forward.identity.uid,
        known: RefCell::default(),
    };
    let mut counts = Counts::default();
    for name in &*placed.nodes {
        counts.matching += 1;
        let Some(report) = reports.0.get(name.as_str()) else {
            continue;
        };
        counts.desired += 1;
        match state(report, &told, revision) {
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

/// Whether nodes were told to run one forward.
struct Told<'a> {
    key: &'a ForwardKey,
    uid: &'a str,
    /// Most nodes share a list.
    known: RefCell<HashMap<*const ForwardReference, bool>>,
}

impl Told<'_> {
    fn is_in(&self, list: &Arc<[ForwardReference]>) -> bool {
        let mut known = self.known.borrow_mut();
        *known.entry(list.as_ptr()).or_insert_with(|| {
            let mut references = list.iter().filter(|reference| reference.uid == self.uid);
            references.any(|it| it.namespace == self.key.namespace && it.name == self.key.name)
        })
    }
}

fn state(report: &Report<'_>, told: &Told<'_>, revision: Option<i64>) -> State {
    let unknown = |why: &'static str| State::Unknown(Cow::Borrowed(why));
    if let Some(why) = report.away {
        return unknown(why);
    }
    let (Some(revision), Some(config)) = (revision, report.config) else {
        return unknown("not told yet");
    };
    if !config
        .forwards
        .as_ref()
        .is_some_and(|list| told.is_in(list))
    {
        return unknown("not told yet");
    }
    if let Some(why) = report.late {
        return unknown(why);
    }
    let status = &config.status;
    let key = told.key;
    let mut failed = status.failed.iter();
    let ours = failed.find(|it| it.namespace == key.namespace && it.name == key.name);
    if let Some(ours) = ours {
        return State::Failed(format!("{}: {}", ours.reason, ours.message));
    }
    let listed = u32::try_from(status.failed.len()).unwrap_or(u32::MAX);
    if let Some(all) = status.failed_count.filter(|all| *all > listed) {
        return State::Unknown(format!("it lists {listed} of {all} failed forwards").into());
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
