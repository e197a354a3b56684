//! What a look at an installation says. Pure.

use k8s_openapi::api::{apps::v1::DaemonSet, coordination::v1::Lease};
use udplb_process::error_chain;

/// What holds, or what does not.
pub type Finding = Result<String, String>;

/// Whether a kind is served. `failure`: why it could not be listed.
pub fn served(kind: &str, failure: Option<&kube::Error>) -> Finding {
    match failure {
        None => Ok(format!("{kind} is served")),
        Some(error) => Err(format!("{kind} cannot be listed: {}", error_chain(error))),
    }
}

/// Whether somebody leads: the Lease names a pod, and has been renewed since the first look.
pub fn leader(first: Result<&Lease, &kube::Error>, now: Result<&Lease, &kube::Error>) -> Finding {
    let now = now.map_err(|error| format!("the Lease cannot be read: {}", error_chain(error)))?;
    let spec = now.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let holder = holder
        .filter(|holder| !holder.is_empty())
        .ok_or("no operator leads")?;
    let version = |lease: &Lease| lease.metadata.resource_version.clone();
    if first.is_ok_and(|first| version(first) == version(now)) {
        return Err(format!("operator {holder} has not renewed its Lease"));
    }
    Ok(format!("operator {holder} leads"))
}

/// Whether the agents of this version are ready on all nodes that should have one.
pub fn agents(set: Result<&DaemonSet, &kube::Error>) -> Finding {
    let set = set.map_err(|error| {
        format!(
            "the agents' DaemonSet cannot be read: {}",
            error_chain(error)
        )
    })?;
    let status = set.status.clone().unwrap_or_default();
    let wanted = status.desired_number_scheduled;
    let (ready, updated) = (
        status.number_ready,
        status.updated_number_scheduled.unwrap_or_default(),
    );
    if status.observed_generation < set.metadata.generation {
        return Err("the DaemonSet controller has not seen the agents' DaemonSet".to_owned());
    }
    if wanted == 0 {
        return Err("no node matches the agents' nodeSelector".to_owned());
    }
    if updated < wanted {
        return Err(format!(
            "agents of {updated} of {wanted} nodes are of this version"
        ));
    }
    if ready < wanted {
        return Err(format!("agents are ready on {ready} of {wanted} nodes"));
    }
    Ok(format!("agents are ready on all {wanted} nodes"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(version: &str, holder: &str) -> Lease {
        let object = json!({
            "metadata": { "resourceVersion": version },
            "spec": { "holderIdentity": holder },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_leader_is_one_that_renews() {
        let first = lease("1", "operator-0");
        let same = leader(Ok(&first), Ok(&first));
        assert_eq!(
            same.unwrap_err(),
            "operator operator-0 has not renewed its Lease"
        );
        let renewed = leader(Ok(&first), Ok(&lease("2", "operator-0")));
        assert_eq!(renewed.unwrap(), "operator operator-0 leads");
        let nobody = leader(Ok(&first), Ok(&lease("2", "")));
        assert_eq!(nobody.unwrap_err(), "no operator leads");
    }

    #[test]
    fn agents_of_this_version_are_ready_everywhere() {
        let set = |observed: i64, wanted: i32, updated: i32, ready: i32| -> DaemonSet {
            let object = json!({
                "metadata": { "generation": 2 },
                "status": {
                    "observedGeneration": observed, "desiredNumberScheduled": wanted,
                    "updatedNumberScheduled": updated, "numberReady": ready,
                    "currentNumberScheduled": wanted, "numberMisscheduled": 0,
                },
            });
            serde_json::from_value(object).unwrap()
        };
        let said = |set: DaemonSet| agents(Ok(&set));
        assert_eq!(
            said(set(2, 3, 3, 3)).unwrap(),
            "agents are ready on all 3 nodes"
        );
        for (set, text) in [
            (
                set(1, 3, 3, 3),
                "the DaemonSet controller has not seen the agents' DaemonSet",
            ),
            (set(2, 0, 0, 0), "no node matches the agents' nodeSelector"),
            (
                set(2, 3, 2, 3),
                "agents of 2 of 3 nodes are of this version",
            ),
            (set(2, 3, 3, 2), "agents are ready on 2 of 3 nodes"),
        ] {
            assert_eq!(said(set).unwrap_err(), text);
        }
    }
}
