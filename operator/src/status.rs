//! What a `UdpForward` says of itself. Pure.

pub mod conditions;
pub mod nodes;
pub use udplb_api::transition;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use udplb_api::{UdpForwardStatus, condition};
use udplb_plan::{ClusterPlan, ForwardKey, Notice};

use crate::{
    op::StatusWrite,
    world::{World, stored::StoredForward},
};
use conditions::Facts;
use nodes::Counts;

/// The status of a forward, where it is not the one that is stored.
#[must_use]
pub fn write(
    key: &ForwardKey,
    plan: &ClusterPlan,
    world: &World,
    notices: Option<&[Notice]>,
    now: &Time,
) -> Option<StatusWrite> {
    let stored = world.forwards.get(key)?;
    let old = &stored.status;
    let status = status(key, stored, plan, world, notices, old, now);
    if status == *old {
        return None;
    }
    Some(StatusWrite {
        key: key.clone(),
        identity: stored.identity.clone(),
        transitions: transition::between(&old.conditions, &status.conditions),
        status,
    })
}

fn status(
    key: &ForwardKey,
    stored: &StoredForward,
    plan: &ClusterPlan,
    world: &World,
    notices: Option<&[Notice]>,
    old: &UdpForwardStatus,
    now: &Time,
) -> UdpForwardStatus {
    let placed = plan.accepted.get(key);
    let counts = placed.map(|placed| nodes::count(key, stored, placed, world));
    let findings = conditions::of(&Facts {
        rejection: plan.rejected.get(key),
        forward: placed.map(|placed| placed.forward.forward()),
        notices,
        resolved: world.resolved.get(key),
        counts: counts.as_ref(),
    });
    let counts = counts.unwrap_or_default();
    let Counts {
        desired,
        ready,
        failed,
        unknown,
        ..
    } = counts;
    let parsed = stored.forward.as_ref().ok();
    UdpForwardStatus {
        observed_generation: stored.generation,
        conditions: condition::stored(&old.conditions, &findings, stored.generation, now),
        ports: parsed.map(|forward| {
            let ports = forward.spec.r#match.ports.iter();
            ports.map(ToString::to_string).collect::<Vec<_>>().join(",")
        }),
        desired_nodes: Some(desired),
        ready_nodes: Some(ready),
        failed_nodes: Some(failed),
        unknown_nodes: Some(unknown),
    }
}
