//! Which forwards a node runs. Pure.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use udplb_api::{ForwardReference, NodeForwardConfig, NodeForwardConfigSpec};

use crate::{
    conflict::AcceptedForward,
    types::{ForwardKey, Rejection},
    validate::ValidatedForward,
};

/// The configuration of one node, and who did not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// The object to write.
    pub config: NodeForwardConfig,
    /// The youngest forwards, beyond the limit.
    pub rejected: BTreeMap<ForwardKey, Rejection>,
}

/// Whether a node with these labels runs the forward.
#[must_use]
pub fn selects(forward: &ValidatedForward, labels: &BTreeMap<String, String>) -> bool {
    forward
        .node_selector()
        .is_none_or(|selector| selector.matches(labels))
}

/// Plans one node for the forwards that choose it, given from the oldest to the youngest.
#[must_use]
pub fn plan<'a>(
    node: &str,
    chosen: impl IntoIterator<Item = &'a AcceptedForward>,
    limit: usize,
) -> NodePlan {
    let mut forwards = Vec::new();
    let mut rejected = BTreeMap::new();
    for accepted in chosen {
        let ValidatedForward { key, uid, .. } = accepted.forward();
        if forwards.len() == limit {
            let rejection = Rejection::NodeFull {
                node: node.to_owned(),
                limit,
            };
            let _ = rejected.insert(key.clone(), rejection);
            continue;
        }
        forwards.push(ForwardReference {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: uid.clone().unwrap_or_default(),
        });
    }
    forwards.sort_unstable();
    let metadata = ObjectMeta {
        name: Some(node.to_owned()),
        ..ObjectMeta::default()
    };
    let spec = NodeForwardConfigSpec { forwards };
    NodePlan {
        config: NodeForwardConfig {
            metadata,
            spec,
            status: None,
        },
        rejected,
    }
}
