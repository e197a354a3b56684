//! Who runs where: the plan of all that is stored. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use udplb_api::ForwardReference;
use udplb_plan::{
    ClusterPlan, ForwardKey, Node, Nodes, Rejection, cluster, cluster::MAX_FORWARDS_ON_NODE,
};

use crate::world::{World, facts::NodeFacts};

/// Plans the cluster.
#[must_use]
pub fn of(world: &World) -> ClusterPlan {
    let mut refused = BTreeMap::new();
    let mut readable = Vec::new();
    for (key, stored) in world.forwards.iter() {
        match &stored.forward {
            _ if !world.is_allowed(&key.namespace) => {
                let namespace = key.namespace.clone();
                let _ = refused.insert(key.clone(), Rejection::NamespaceNotAllowed { namespace });
            }
            Ok(forward) => readable.push(&**forward),
            Err(error) => {
                let rejection = Rejection::InvalidSpec {
                    path: "spec".to_owned(),
                    message: error.clone(),
                };
                let _ = refused.insert(key.clone(), rejection);
            }
        }
    }
    let mut plan = cluster(readable, &nodes(world), MAX_FORWARDS_ON_NODE);
    plan.rejected.extend(refused);
    keep_what_became_invalid(&mut plan, world);
    plan
}

/// What planning needs of the nodes.
#[must_use]
pub fn nodes(world: &World) -> Nodes {
    let known = |(name, node): (&String, &NodeFacts)| {
        let node = Node {
            labels: node.labels.clone(),
            addresses: node.addresses.clone(),
        };
        (name.clone(), node)
    };
    world.nodes.iter().map(known).collect()
}

/// Whether a forward goes on as it was last written although its spec breaks a rule. Admission keeps such
/// specs out, so the rule is younger than the object: an upgrade of udplb is no reason to stop forwarding.
#[must_use]
pub fn is_kept(world: &World, plan: &ClusterPlan, key: &ForwardKey) -> bool {
    let is_invalid = matches!(plan.rejected.get(key), Some(Rejection::InvalidSpec { .. }));
    let (forward, resolved) = (world.forwards.get(key), world.resolved.get(key));
    is_invalid
        && forward.zip(resolved).is_some_and(|(forward, resolved)| {
            let uid = &forward.identity.uid;
            resolved.owner.as_ref() == Some(uid) && is_told(world, uid)
        })
}

/// Whether any node was told to run the forward. One that became invalid while it was first written may not be.
fn is_told(world: &World, uid: &str) -> bool {
    let lists = world
        .configs
        .iter()
        .filter_map(|(_, it)| it.forwards.as_ref());
    let mut told = lists.flat_map(|list| list.iter());
    told.any(|reference| reference.uid == uid)
}

fn keep_what_became_invalid(plan: &mut ClusterPlan, world: &World) {
    let invalid = plan.rejected.keys();
    let kept: Vec<ForwardKey> = invalid
        .filter(|key| is_kept(world, plan, key))
        .cloned()
        .collect();
    if kept.is_empty() {
        return;
    }
    let is_of_kept = |reference: &&ForwardReference| {
        kept.iter()
            .any(|key| key.namespace == reference.namespace && key.name == reference.name)
    };
    for (node, references) in &mut plan.nodes {
        let stored = world.configs.get(node).and_then(|it| it.forwards.as_ref());
        let before = stored.iter().flat_map(|list| list.iter());
        let mut all: Vec<_> = before.filter(is_of_kept).cloned().collect();
        if !all.is_empty() {
            all.extend_from_slice(references);
            all.sort_unstable();
            all.dedup();
            *references = all.into();
        }
    }
}

/// The nodes that run something else by the second plan than by the first.
#[must_use]
pub fn changed(before: &ClusterPlan, after: &ClusterPlan) -> Vec<String> {
    // Nodes that run the same share a list, so few lists are compared.
    let mut equal: HashMap<[*const ForwardReference; 2], bool> = HashMap::new();
    let mut is_equal = |old: &Arc<[ForwardReference]>, new: &Arc<[ForwardReference]>| {
        *equal
            .entry([old.as_ptr(), new.as_ptr()])
            .or_insert_with(|| old == new)
    };
    let changed = after.nodes.iter().filter(|(name, new)| {
        let old = before.nodes.get(*name);
        !old.is_some_and(|old| is_equal(old, new))
    });
    changed.map(|(name, _)| name.clone()).collect()
}
