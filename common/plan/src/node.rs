//! Which forwards a node runs. Pure.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use udplb_api::{NodeForwardConfig, NodeForwardConfigSpec};

use crate::{
    conflict::AcceptedForward,
    types::{ForwardKey, Rejection},
};

/// The configuration of one node, and who did not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// The object to write.
    pub config: NodeForwardConfig,
    /// The youngest forwards, beyond the limit.
    pub rejected: BTreeMap<ForwardKey, Rejection>,
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
        let forward = accepted.forward();
        if forwards.len() == limit {
            let rejection = Rejection::NodeFull {
                node: node.to_owned(),
                limit,
            };
            let _ = rejected.insert(forward.key().clone(), rejection);
            continue;
        }
        forwards.push(forward.reference());
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
