//! The `NodeForwardConfig` of each node: what has to be written. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use udplb_api::{ForwardReference, NodeForwardConfig, NodeForwardConfigSpec};
use udplb_plan::ClusterPlan;

use crate::{
    op::Op,
    resolved::MANAGED_BY,
    world::{World, facts::NodeFacts, stored::Identity},
};

/// What has to be written so that every node is told what it runs.
#[must_use]
pub fn ops(plan: &ClusterPlan, world: &World) -> Vec<Op> {
    let with_agent: BTreeSet<&str> = world.agents_by_node().into_keys().collect();
    let ops = plan.nodes.iter().filter_map(|(name, references)| {
        let node = world.nodes.get(name)?;
        match world.configs.get(name) {
            // A node without agent and without forwards has nothing to say.
            None if references.is_empty() && !with_agent.contains(name.as_str()) => None,
            None => Some(Op::CreateConfig(object(name, node, references, None))),
            Some(stored) => {
                let said = stored.spec.as_ref().map(|spec| &spec.forwards);
                let is_equal = said == Some(references) && stored.owner.as_ref() == Some(&node.uid);
                let identity = Some(&stored.identity);
                (!is_equal).then(|| Op::ApplyConfig(object(name, node, references, identity)))
            }
        }
    });
    ops.collect()
}

fn object(
    name: &str,
    node: &NodeFacts,
    references: &[ForwardReference],
    stored: Option<&Identity>,
) -> Box<NodeForwardConfig> {
    // A node that is gone takes its configuration along.
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.to_owned(),
        uid: node.uid.clone(),
        controller: None,
        block_owner_deletion: None,
    };
    Box::new(NodeForwardConfig {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([(MANAGED_BY.to_owned(), crate::FIELD_MANAGER.to_owned())].into()),
            owner_references: Some(vec![owner]),
            ..stored.map(Identity::fence).unwrap_or_default()
        },
        spec: NodeForwardConfigSpec {
            forwards: references.to_vec(),
        },
        status: None,
    })
}
