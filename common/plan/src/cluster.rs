//! The plan for many nodes: who runs, and where. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use udplb_api::{ForwardReference, UdpForward, udp_forward::selector::LabelSelector};

use crate::{
    conflict::{self, AcceptedForward, Settled},
    cycles::{Cycles, Hosts, meet},
    types::{ForwardKey, Rejection, Seniority},
    validate::{self, ValidatedForward},
};

/// How many forwards a node runs.
pub const MAX_FORWARDS_ON_NODE: usize = 1_000;

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What selectors choose it by.
    pub labels: BTreeMap<String, String>,
    /// Addresses that it has; it may have more.
    pub addresses: BTreeSet<IpAddr>,
}

/// The nodes by their names.
pub type Nodes = BTreeMap<String, Node>;

/// What a cluster runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterPlan {
    /// The forwards that run, sorted by namespace and name.
    pub accepted: BTreeMap<ForwardKey, Placed>,
    /// Why the others run nowhere.
    pub rejected: BTreeMap<ForwardKey, Rejection>,
    /// What each node runs, sorted by namespace and name; nodes that run the same share one list. Every node that
    /// was given in is here.
    pub nodes: BTreeMap<String, Arc<[ForwardReference]>>,
}

/// A forward and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The forward.
    pub forward: AcceptedForward,
    /// The names of its nodes, sorted; forwards with equal selectors share one list.
    pub nodes: Arc<[String]>,
}

/// Plans a cluster. `limit` is how many forwards a node runs.
#[must_use]
pub fn cluster<'a>(
    forwards: impl IntoIterator<Item = &'a UdpForward>,
    nodes: &Nodes,
    limit: usize,
) -> ClusterPlan {
    let mut plan = ClusterPlan::default();
    let mut valid = Vec::new();
    for forward in forwards {
        match validate::forward(forward, Seniority::created(forward)) {
            Ok(forward) => valid.push(forward),
            Err(rejection) => drop(plan.rejected.insert(ForwardKey::of(forward), rejection)),
        }
    }
    let selection = Selection::of(&valid, nodes);
    let Settled { accepted, rejected } = conflict::settle(valid, |a, b| {
        meet(selection.nodes_of(a), selection.nodes_of(b))
    });
    plan.rejected.extend(rejected);

    let hosts = Hosts {
        addresses: nodes.values().map(|node| &node.addresses).collect(),
        of: &|forward| selection.nodes_of(forward),
    };
    let mut cycles = Cycles::of(&accepted, &hosts);
    let names: Vec<&String> = nodes.keys().collect();
    let mut running: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for (index, forward) in accepted.iter().enumerate() {
        let chosen = selection.nodes_of(forward.forward());
        let key = forward.forward().key().clone();
        // It runs on all of its nodes or on none: half a forward is what nobody asked for.
        if let Some(&full) = chosen.iter().find(|&&node| running[node].len() >= limit) {
            let node = names[full].clone();
            let _ = plan
                .rejected
                .insert(key, Rejection::NodeFull { node, limit });
            continue;
        }
        if let Err(rejection) = cycles.admit(index) {
            let _ = plan.rejected.insert(key, rejection);
            continue;
        }
        for &node in chosen {
            running[node].push(index);
        }
        let nodes = selection.names_of(forward.forward());
        let forward = forward.clone();
        let _ = plan.accepted.insert(key, Placed { forward, nodes });
    }
    plan.nodes = references(names, running, &accepted);
    plan
}

/// The list of each node, given the positions of the forwards that it runs.
fn references(
    names: Vec<&String>,
    running: Vec<Vec<usize>>,
    accepted: &[AcceptedForward],
) -> BTreeMap<String, Arc<[ForwardReference]>> {
    let mut lists: HashMap<Vec<usize>, Arc<[ForwardReference]>> = HashMap::new();
    let list = |running: &Vec<usize>| {
        let forwards = running.iter().map(|index| accepted[*index].forward());
        let mut list: Vec<_> = forwards.map(ValidatedForward::reference).collect();
        list.sort_unstable();
        list.into()
    };
    let nodes = names.into_iter().zip(running);
    nodes
        .map(|(name, running)| {
            let list = lists.entry(running).or_insert_with_key(list);
            (name.clone(), Arc::clone(list))
        })
        .collect()
}

/// The nodes that each selector chooses: forwards with equal selectors share one list.
struct Selection {
    by_selector: BTreeMap<Option<LabelSelector>, Chosen>,
}

/// Nodes by their positions and by their names, both sorted.
struct Chosen {
    positions: Vec<usize>,
    names: Arc<[String]>,
}

impl Selection {
    fn of(forwards: &[ValidatedForward], all: &Nodes) -> Self {
        let mut by_selector = BTreeMap::new();
        for selector in forwards.iter().map(|forward| &forward.node_selector) {
            if by_selector.contains_key(selector) {
                continue;
            }
            let is_chosen =
                |of: &BTreeMap<_, _>| selector.as_ref().is_none_or(|wants| wants.matches(of));
            let nodes = all.iter().enumerate();
            let (positions, names): (Vec<usize>, Vec<String>) = nodes
                .filter(|(_, (_, of))| is_chosen(&of.labels))
                .map(|(position, (name, _))| (position, name.clone()))
                .unzip();
            let names = names.into();
            let _ = by_selector.insert(selector.clone(), Chosen { positions, names });
        }
        Self { by_selector }
    }

    fn nodes_of(&self, forward: &ValidatedForward) -> &[usize] {
        let chosen = self.by_selector.get(&forward.node_selector);
        chosen.map_or(&[], |chosen| &chosen.positions)
    }

    fn names_of(&self, forward: &ValidatedForward) -> Arc<[String]> {
        let chosen = self.by_selector.get(&forward.node_selector);
        chosen.map_or_else(Arc::default, |chosen| Arc::clone(&chosen.names))
    }
}
