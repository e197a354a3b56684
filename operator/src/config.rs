//! The `NodeForwardConfig` of each node: what has to be written. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use udplb_api::{ForwardReference, NodeForwardConfig, NodeForwardConfigSpec};
use udplb_plan::ClusterPlan;

use crate::{
    op::Op,
    resolved::MANAGED_BY,
    world::{World, facts::NodeFacts, stored::Identity},
};

/// What has to be written so that a node is told what it runs; none: it is told, or there is nothing to say.
#[must_use]
pub fn op(name: &String, plan: &ClusterPlan, world: &World) -> Option<Op> {
    let references = plan.nodes.get(name)?;
    let node = world.nodes.get(name)?;
    let Some(stored) = world.configs.get(name) else {
        // A node without agent and without forwards has nothing to say.
        let is_silent = references.is_empty() && !world.has_agent(name);
        return (!is_silent).then(|| Op::CreateConfig(object(name, node, references, None)));
    };
    let is_equal =
        stored.forwards.as_ref() == Some(references) && stored.owner.as_ref() == Some(&node.uid);
    let identity = Some(&stored.identity);
    (!is_equal).then(|| Op::ApplyConfig(object(name, node, references, identity)))
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
