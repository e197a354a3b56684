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
use nodes::{Counts, Reports};

/// What all statuses are put together from.
#[derive(Debug)]
pub struct Known<'a> {
    plan: &'a ClusterPlan,
    world: &'a World,
    reports: Reports<'a>,
    now: &'a Time,
}

impl<'a> Known<'a> {
    /// As of this time.
    #[must_use]
    pub fn at(now: &'a Time, plan: &'a ClusterPlan, world: &'a World) -> Self {
        Self {
            plan,
            world,
            reports: Reports::of(world),
            now,
        }
    }

    /// The status of a forward, where it is not the one that is stored. `notices`: what could not be resolved of it.
    #[must_use]
    pub fn write(&self, key: &ForwardKey, notices: Option<&[Notice]>) -> Option<StatusWrite> {
        let stored = self.world.forwards.get(key)?;
        let old = &stored.status;
        let status = self.status(key, stored, notices);
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
        &self,
        key: &ForwardKey,
        stored: &StoredForward,
        notices: Option<&[Notice]>,
    ) -> UdpForwardStatus {
        let placed = self.plan.accepted.get(key);
        let counts =
            placed.map(|placed| nodes::count(key, stored, placed, self.world, &self.reports));
        let findings = conditions::of(&Facts {
            rejection: self.plan.rejected.get(key),
            forward: placed.map(|placed| placed.forward.forward()),
            notices,
            resolved: self.world.resolved.get(key),
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
            conditions: condition::stored(
                &stored.status.conditions,
                &findings,
                stored.generation,
                self.now,
            ),
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
}
