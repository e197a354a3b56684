//! How far the nodes are with their clean-up. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Node, Pod},
};
use kube::ResourceExt;

use super::CONTAINER;
use crate::world::facts::{AgentFacts, NodeFacts};

/// Nodes that a message names at most.
const NAMED: usize = 3;

/// The nodes that have a pod of the agents' DaemonSet, and those that should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// They are clean.
    clean: BTreeSet<String>,
    /// They are up and not clean yet, and why.
    waiting: BTreeMap<String, String>,
    /// Nobody reports from there. What udplb left is in the memory of their kernels.
    down: BTreeSet<String>,
    /// Nodes that should have a pod and have none yet.
    without_pod: usize,
    /// The DaemonSet's controller has seen the change.
    is_seen: bool,
}

/// Judges by what is stored of the DaemonSet, its pods and all nodes. `arguments`: those of the clean-up.
#[must_use]
pub fn of(set: &DaemonSet, pods: &[Pod], nodes: &[Node], arguments: &[String]) -> Progress {
    let up = nodes.iter().filter(|node| NodeFacts::from(*node).is_ready);
    let up: BTreeSet<String> = up.map(ResourceExt::name_any).collect();
    let mut progress = Progress::default();
    for pod in pods {
        let facts = AgentFacts::from(pod);
        // A pod that nobody has placed yet counts as none.
        if facts.node.is_empty() {
            continue;
        }
        if !is_clean_up(pod, arguments) {
            let _older = progress
                .waiting
                .entry(facts.node)
                .or_insert_with(|| "its agent ends".to_owned());
        } else if facts.is_ready {
            let _new = progress.clean.insert(facts.node);
        } else {
            let _older = progress.waiting.insert(facts.node, state(pod));
        }
    }
    progress
        .waiting
        .retain(|node, _| !progress.clean.contains(node));
    let (waiting, down) = std::mem::take(&mut progress.waiting)
        .into_iter()
        .partition(|(node, _)| up.contains(node));
    progress.waiting = waiting;
    progress.down = BTreeMap::into_keys(down).collect();
    let status = set.status.clone().unwrap_or_default();
    progress.is_seen = status.observed_generation >= set.metadata.generation;
    let wanted = usize::try_from(status.desired_number_scheduled).unwrap_or_default();
    let there = progress.clean.len() + progress.waiting.len() + progress.down.len();
    progress.without_pod = wanted.saturating_sub(there);
    progress
}

fn is_clean_up(pod: &Pod, arguments: &[String]) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut agents = containers.filter(|container| container.name == CONTAINER);
    agents.any(|agent| agent.args.as_deref() == Some(arguments))
}

/// Why a pod is not ready, as the kubelet puts it.
fn state(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let containers = status.and_then(|it| it.container_statuses.as_ref());
    let waiting = containers.into_iter().flatten().find_map(|container| {
        let state = container.state.as_ref()?.waiting.as_ref()?;
        state.reason.clone()
    });
    waiting.unwrap_or_else(|| "cleaning up".to_owned())
}

impl Progress {
    /// Whether every node that is up is clean.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_seen && self.waiting.is_empty() && self.without_pod == 0
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clean,
            waiting,
            down,
            without_pod,
            is_seen,
        } = self;
        if !is_seen {
            return formatter.write_str("waiting for the DaemonSet controller");
        }
        let all = clean.len() + waiting.len() + down.len() + without_pod;
        write!(formatter, "{} of {all} nodes are clean", clean.len())?;
        if !waiting.is_empty() {
            let waiting = waiting.iter().map(|(node, why)| format!("{node} ({why})"));
            write!(formatter, "; waiting for {}", first(waiting))?;
        }
        if *without_pod > 0 {
            write!(formatter, "; {without_pod} have no pod yet")?;
        }
        if !down.is_empty() {
            write!(
                formatter,
                "; {} {} down and {} nothing when started again: {}",
                down.len(),
                if down.len() == 1 { "is" } else { "are" },
                if down.len() == 1 { "keeps" } else { "keep" },
                first(down.iter().cloned())
            )?;
        }
        Ok(())
    }
}

/// The first names, and how many there are beyond.
fn first(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(NAMED);
    let shown = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    match more {
        0 => shown,
        more => format!("{shown} ({more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn arguments() -> Vec<String> {
        ["cleanup", "--serve=0.0.0.0:9465"]
            .map(str::to_owned)
            .into()
    }

    fn set(observed: i64, wanted: usize) -> DaemonSet {
        let object = json!({
            "metadata": { "generation": 2 },
            "status": {
                "observedGeneration": observed, "desiredNumberScheduled": wanted,
                "currentNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
            },
        });
        serde_json::from_value(object).unwrap()
    }

    fn pod(node: &str, arguments: &[String], is_ready: bool) -> Pod {
        let condition = if is_ready { "True" } else { "False" };
        let waiting = if is_ready {
            Value::Null
        } else {
            json!([{
                "name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "ImagePullBackOff" } },
            }])
        };
        let object = json!({
            "metadata": { "name": format!("udplb-agent-{node}") },
            "spec": { "nodeName": node, "containers": [{ "name": "agent", "args": arguments }] },
            "status": {
                "conditions": [{ "type": "Ready", "status": condition }],
                "containerStatuses": waiting,
            },
        });
        serde_json::from_value(object).unwrap()
    }

    fn node(name: &str, ready: &str) -> Node {
        let object = json!({
            "metadata": { "name": name },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_node_is_clean_when_the_clean_up_is_ready_there() {
        let agent = vec!["node".to_owned()];
        let nodes = ["a", "b", "c"].map(|name| node(name, "True"));
        let pods = [
            pod("a", &arguments(), true),
            pod("b", &agent, true),
            pod("c", &arguments(), false),
        ];
        let progress = of(&set(2, 3), &pods, &nodes, &arguments());
        assert!(!progress.is_complete());
        assert_eq!(
            progress.to_string(),
            "1 of 3 nodes are clean; waiting for b (its agent ends), c (ImagePullBackOff)"
        );
        let pods = ["a", "b", "c"].map(|name| pod(name, &arguments(), true));
        let progress = of(&set(2, 3), &pods, &nodes, &arguments());
        assert!(progress.is_complete());
        assert_eq!(progress.to_string(), "3 of 3 nodes are clean");
    }

    #[test]
    fn nothing_is_complete_before_the_change_is_seen_and_every_node_has_a_pod() {
        let nodes = [node("a", "True"), node("b", "True")];
        let pods = [pod("a", &arguments(), true)];
        let unseen = of(&set(1, 1), &pods, &nodes, &arguments());
        assert!(!unseen.is_complete());
        assert_eq!(unseen.to_string(), "waiting for the DaemonSet controller");
        let progress = of(&set(2, 2), &pods, &nodes, &arguments());
        assert!(!progress.is_complete());
        assert_eq!(
            progress.to_string(),
            "1 of 2 nodes are clean; 1 have no pod yet"
        );
    }

    #[test]
    fn nobody_waits_for_a_node_that_is_down_or_gone() {
        let agent = vec!["node".to_owned()];
        let nodes = [node("a", "True"), node("b", "Unknown")];
        let pods = [
            pod("a", &arguments(), true),
            pod("b", &agent, true),
            pod("gone", &agent, true),
        ];
        let progress = of(&set(2, 2), &pods, &nodes, &arguments());
        assert!(progress.is_complete());
        assert_eq!(
            progress.to_string(),
            "1 of 3 nodes are clean; 2 are down and keep nothing when started again: b, gone"
        );
    }

    #[test]
    fn a_message_names_three_nodes() {
        let names = ["a", "b", "c", "d", "e"];
        let nodes = names.map(|name| node(name, "True"));
        let pods = names.map(|name| pod(name, &arguments(), false));
        let progress = of(&set(2, 5), &pods, &nodes, &arguments());
        let text = progress.to_string();
        assert!(text.ends_with("c (ImagePullBackOff) (2 more)"), "{text}");
    }

    #[test]
    fn an_agent_that_ends_beside_its_clean_up_does_not_make_it_dirty() {
        let agent = vec!["node".to_owned()];
        let nodes = [node("a", "True")];
        let pods = [pod("a", &arguments(), true), pod("a", &agent, false)];
        // One agent holds the lock of a node's pins, so a clean-up that is done was after it.
        assert!(of(&set(2, 1), &pods, &nodes, &arguments()).is_complete());
    }
}
