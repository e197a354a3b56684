//! What the operator knows of the cluster, and what a change in it concerns. Pure.

pub mod endpoints;
pub mod facts;
pub mod lists;
pub use udplb_process::mirror;
pub mod stored;

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher::Event;
use udplb_plan::{ForwardKey, HostAnswer};

use facts::{AgentFacts, NodeFacts, ServiceFacts, SliceFacts};
use lists::Lists;
use mirror::Mirror;
use stored::{Identity, StoredConfig, StoredForward, StoredResolved};

use crate::op::Target;

/// What a watch tells, or what a write brought about.
#[derive(Clone, Debug)]
pub enum Change {
    /// A `UdpForward`.
    Forward(Event<(ForwardKey, StoredForward)>),
    /// A `ResolvedForward`.
    Resolved(Event<(ForwardKey, StoredResolved)>),
    /// A `NodeForwardConfig`.
    Config(Event<(String, StoredConfig)>),
    /// A `Node`.
    Node(Event<(String, NodeFacts)>),
    /// An agent's pod.
    Agent(Event<(String, AgentFacts)>),
    /// A namespace that may hold forwards.
    Namespace(Event<(String, Allowed)>),
    /// A service of a namespace that is watched.
    Service(String, Event<(String, ServiceFacts)>),
    /// Endpoints of a service of a namespace that is watched.
    Slice(String, Event<(String, SliceFacts)>),
    /// Nobody looks at the services of the namespace any more.
    ServicesForgotten(String),
    /// What host names stand for.
    Hostnames(BTreeMap<String, HostAnswer>),
}

/// A namespace that may hold forwards: that it is there says it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed;

impl mirror::Versioned for Allowed {
    fn version(&self) -> u64 {
        0
    }
}

/// What has to be done again after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Who runs where.
    pub plan: bool,
    /// What names and services stand for.
    pub answers: bool,
    /// What is stored of forwards is compared with what is wanted.
    pub resolved: bool,
    /// What is stored for these nodes is compared with what is wanted.
    pub configs: BTreeSet<String>,
    /// The status of the forwards of these nodes.
    pub nodes: BTreeSet<String>,
    /// The status of these forwards.
    pub forwards: BTreeSet<ForwardKey>,
}

/// What the operator knows.
#[derive(Clone, Debug)]
pub struct World {
    /// What users ask for.
    pub forwards: Mirror<ForwardKey, StoredForward>,
    /// What we wrote of each forward.
    pub resolved: Mirror<ForwardKey, StoredResolved>,
    /// What we wrote for each node, and what its agent says.
    pub configs: Mirror<String, StoredConfig>,
    /// The nodes.
    pub nodes: Mirror<String, NodeFacts>,
    /// The agents' pods by name.
    pub agents: Mirror<String, AgentFacts>,
    /// The namespaces that may hold forwards; none: every one.
    pub namespaces: Option<Mirror<String, Allowed>>,
    /// The services of namespaces that refer to one.
    pub services: BTreeMap<String, Services>,
    /// What host names stand for.
    pub hostnames: BTreeMap<String, HostAnswer>,
    lists: Lists,
}

/// The services of one namespace.
#[derive(Clone, Debug, Default)]
pub struct Services {
    /// By name.
    pub services: Mirror<String, ServiceFacts>,
    /// By the slice's name.
    pub slices: Mirror<String, SliceFacts>,
}

impl Services {
    /// Whether all of them have been listed.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.services.is_complete() && self.slices.is_complete()
    }
}

impl World {
    /// Nothing is known yet. `is_restricted`: only some namespaces may hold forwards.
    #[must_use]
    pub fn new(is_restricted: bool) -> Self {
        Self {
            forwards: Mirror::default(),
            resolved: Mirror::default(),
            configs: Mirror::default(),
            nodes: Mirror::default(),
            agents: Mirror::default(),
            namespaces: is_restricted.then(Mirror::default),
            services: BTreeMap::new(),
            hostnames: BTreeMap::new(),
            lists: Lists::default(),
        }
    }

    /// What has not been listed yet. Before all is known, nothing is planned: half of what is there would look
    /// like the rest had been deleted.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let namespaces = self.namespaces.as_ref();
        let kinds = [
            ("UdpForwards", self.forwards.is_complete()),
            ("ResolvedForwards", self.resolved.is_complete()),
            ("NodeForwardConfigs", self.configs.is_complete()),
            ("Nodes", self.nodes.is_complete()),
            ("agent pods", self.agents.is_complete()),
            ("Namespaces", namespaces.is_none_or(Mirror::is_complete)),
        ];
        let missing = kinds.into_iter().filter(|(_, is_complete)| !is_complete);
        missing.map(|(kind, _)| kind).collect()
    }

    /// The version that is known of what a write is about.
    #[must_use]
    pub fn identity(&self, target: &Target) -> Option<&Identity> {
        match target {
            Target::Resolved(key) => self.resolved.get(key).map(|it| &it.identity),
            Target::Config(node) => self.configs.get(node).map(|it| &it.identity),
            Target::Status(key) => self.forwards.get(key).map(|it| &it.identity),
        }
    }

    /// Takes a change in, and says what it concerns.
    pub fn take(&mut self, change: Change, dirty: &mut Dirty) {
        match change {
            Change::Forward(event) => {
                // What we say of a forward comes back as a change of it.
                let is_ours = self.forwards.is_alike(&event, StoredForward::asks_the_same);
                let changed = self.forwards.take(event);
                dirty.plan |= !changed.is_empty() && !is_ours;
                dirty.forwards.extend(changed);
            }
            Change::Resolved(event) => {
                let changed = self.resolved.take(event);
                dirty.resolved |= !changed.is_empty();
                dirty.forwards.extend(changed);
            }
            Change::Config(mut event) => {
                if let Event::Apply((_, config)) | Event::InitApply((_, config)) = &mut event {
                    config
                        .forwards
                        .iter_mut()
                        .for_each(|list| self.lists.share(list));
                }
                // Agents report often; what we wrote is as it was.
                let is_report = self.configs.is_alike(&event, StoredConfig::says_the_same);
                let changed = self.configs.take(event);
                if !is_report {
                    dirty.configs.extend(changed.iter().cloned());
                }
                dirty.nodes.extend(changed);
            }
            Change::Node(event) => {
                let is_chosen_alike = self.nodes.is_alike(&event, NodeFacts::is_chosen_alike);
                let changed = self.nodes.take(event);
                dirty.plan |= !changed.is_empty() && !is_chosen_alike;
                dirty.configs.extend(changed.iter().cloned());
                dirty.nodes.extend(changed);
            }
            Change::Agent(event) => {
                // The pod may have left its node already.
                let gone = match &event {
                    Event::Delete((_, agent)) => Some(agent.node.clone()),
                    _ => None,
                };
                let changed = self.agents.take(event);
                let agents = changed.iter().filter_map(|name| self.agents.get(name));
                let nodes = agents.map(|agent| agent.node.clone()).chain(gone);
                for node in nodes {
                    let _ = dirty.configs.insert(node.clone());
                    let _ = dirty.nodes.insert(node);
                }
            }
            Change::Namespace(event) => {
                let namespaces = self.namespaces.get_or_insert_default();
                dirty.plan |= !namespaces.take(event).is_empty();
            }
            Change::Service(namespace, event) => {
                let services = self.services.entry(namespace).or_default();
                dirty.answers |= take_all(&mut services.services, event);
            }
            Change::Slice(namespace, event) => {
                let services = self.services.entry(namespace).or_default();
                dirty.answers |= take_all(&mut services.slices, event);
            }
            Change::ServicesForgotten(namespace) => {
                dirty.answers |= self.services.remove(&namespace).is_some();
            }
            Change::Hostnames(hostnames) => {
                dirty.answers |= self.hostnames != hostnames;
                self.hostnames = hostnames;
            }
        }
    }

    /// Whether forwards may be in the namespace.
    #[must_use]
    pub fn is_allowed(&self, namespace: &str) -> bool {
        let allowed = |of: &Mirror<String, Allowed>| of.get(&namespace.to_owned()).is_some();
        self.namespaces.as_ref().is_none_or(allowed)
    }

    /// Whether a node has an agent.
    #[must_use]
    pub fn has_agent(&self, node: &str) -> bool {
        self.agents.iter().any(|(_, agent)| agent.node == node)
    }

    /// The agent of each node: a ready one where there are several for a moment.
    #[must_use]
    pub fn agents_by_node(&self) -> BTreeMap<&str, bool> {
        let mut ready = BTreeMap::new();
        for (_, agent) in self.agents.iter() {
            *ready.entry(agent.node.as_str()).or_default() |= agent.is_ready;
        }
        ready
    }
}

/// The end of a list counts as a change: only now is it known what is not there.
fn take_all<V: mirror::Versioned + Clone + PartialEq>(
    mirror: &mut Mirror<String, V>,
    event: Event<(String, V)>,
) -> bool {
    let was_complete = mirror.is_complete();
    let changed = !mirror.take(event).is_empty();
    changed || mirror.is_complete() != was_complete
}
