//! From what came of a pass to the status of the node's `NodeForwardConfig`. **pure**

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use udplb_api::{
    FailedForward, NodeForwardConfigStatus,
    condition::{self, Reason, summary},
};

use super::state::State;
use crate::source::version::Told;

/// How many forwards that are not in force are listed.
const LISTED: usize = 32;

/// What the node says of itself, where `old` is what it said before. Equal where nothing is new.
#[must_use]
pub fn status(
    state: &State,
    told: &Told,
    boot_id: &str,
    old: &[Condition],
    now: &Time,
) -> NodeForwardConfigStatus {
    let mut failed: Vec<FailedForward> = told
        .forwards
        .iter()
        .filter_map(|forward| {
            let failure = state.failed.get(&forward.key.to_string())?;
            Some(FailedForward {
                namespace: forward.key.namespace.clone(),
                name: forward.key.name.clone(),
                reason: failure.reason.as_str().to_owned(),
                message: condition::cut(&failure.message),
            })
        })
        .collect();
    failed.sort();
    let failed_count = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    failed.truncate(LISTED);
    let mut findings = state.findings.to_vec();
    let in_force = (Reason::Ready, "every forward of this node is in force");
    findings.push(summary(&findings, in_force));
    NodeForwardConfigStatus {
        conditions: condition::stored(old, &findings, Some(told.generation), now),
        boot_id: Some(boot_id.to_owned()),
        applied_revision: Some(applied_revision(state, told, &failed)),
        failed,
        failed_count: Some(failed_count),
    }
}

/// Up to where every forward is in force or listed: the highest revision, or what is below a forward that failed
/// and had no room in the list.
fn applied_revision(state: &State, told: &Told, listed: &[FailedForward]) -> i64 {
    let revisions = told.forwards.iter().filter_map(|forward| {
        let revision = *forward.revision.as_ref().ok()?;
        Some((forward, revision))
    });
    let highest = revisions.clone().map(|(_, revision)| revision).max();
    let unlisted = revisions.filter(|(forward, _)| {
        let key = &forward.key;
        state.failed.contains_key(&key.to_string())
            && !listed
                .iter()
                .any(|it| it.namespace == key.namespace && it.name == key.name)
    });
    let first = unlisted.map(|(_, revision)| revision - 1).min();
    let highest = highest.unwrap_or_default();
    first.map_or(highest, |first| first.min(highest))
}

#[cfg(test)]
mod tests;
