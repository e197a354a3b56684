//! Planning for many nodes: selection, conflicts by node, limits.

use serde_json::{Value, json};
use udplb_api::UdpForward;
use udplb_plan::{ClusterPlan, ForwardKey, Node, Nodes, cluster};

use crate::{common::forward, node::created};

/// A forward on a port that chooses nodes by their role.
fn on(role: Option<&str>, name: &str, port: u16, second: u8) -> UdpForward {
    let more = role.map_or_else(
        || json!({}),
        |role| json!({ "nodeSelector": { "matchLabels": { "role": role } } }),
    );
    let ports: Value = json!({ "ports": [{ "port": port }] });
    let at = format!("2026-01-01T00:00:{second:02}Z");
    created(forward(name, &ports, &more), &at)
}

fn nodes(roles: &[(&str, &str)]) -> Nodes {
    let labels = |role: &str| Node {
        labels: [("role".to_owned(), role.to_owned())].into(),
        ..Node::default()
    };
    let named = roles
        .iter()
        .map(|(name, role)| ((*name).to_owned(), labels(role)));
    named.collect()
}

fn of_node<'a>(plan: &'a ClusterPlan, node: &str) -> Vec<&'a str> {
    let references = plan.nodes[node].iter();
    references
        .map(|reference| reference.name.as_str())
        .collect()
}

fn key(name: &str) -> ForwardKey {
    ForwardKey {
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

#[test]
fn labels_choose_nodes() {
    let nodes = nodes(&[("a", "edge"), ("b", "core"), ("c", "edge")]);
    let forwards = [on(Some("edge"), "edge", 514, 0), on(None, "every", 515, 1)];
    let plan = cluster(&forwards, &nodes, 10);
    assert_eq!(of_node(&plan, "a"), ["edge", "every"]);
    assert_eq!(of_node(&plan, "b"), ["every"]);
    assert_eq!(*plan.accepted[&key("edge")].nodes, ["a", "c"]);
    assert_eq!(plan.nodes["a"][0].uid, "uid-of-edge");
    // The order in which forwards arrive means nothing.
    let backwards: Vec<UdpForward> = forwards.into_iter().rev().collect();
    assert_eq!(cluster(&backwards, &nodes, 10), plan);
}

/// Two forwards on one port are in each other's way only where a node would run both, so a label can
/// bring a conflict and take it away.
#[test]
fn a_conflict_needs_a_node_that_would_run_both() {
    let forwards = [on(Some("edge"), "old", 514, 0), on(None, "young", 514, 1)];
    let apart = cluster(&forwards, &nodes(&[("a", "core")]), 10);
    assert!(apart.rejected.is_empty());
    assert_eq!(of_node(&apart, "a"), ["young"]);
    let together = cluster(&forwards, &nodes(&[("a", "core"), ("b", "edge")]), 10);
    assert_eq!(of_node(&together, "a"), [""; 0]);
    assert_eq!(of_node(&together, "b"), ["old"]);
    assert_eq!(
        together.rejected[&key("young")].to_string(),
        "default/old is older and listens on port 514 too: change the ports, addresses or interfaces of one of them"
    );
}

/// The youngest that meets a full node runs nowhere, not even where there is room.
#[test]
fn a_full_node_takes_no_more() {
    let forwards = [
        on(Some("edge"), "first", 514, 0),
        on(None, "second", 515, 1),
        on(None, "third", 516, 2),
        on(Some("core"), "fourth", 517, 3),
    ];
    let plan = cluster(&forwards, &nodes(&[("a", "edge"), ("b", "core")]), 2);
    assert_eq!(of_node(&plan, "a"), ["first", "second"]);
    assert_eq!(of_node(&plan, "b"), ["fourth", "second"]);
    assert_eq!(
        plan.rejected[&key("third")].to_string(),
        "node a has 2 older forwards, which is the limit: delete some, or choose fewer nodes with nodeSelector"
    );
}

/// What is wrong with one forward is no reason to stop another.
#[test]
fn an_invalid_forward_stands_alone() {
    let mut broken = on(None, "broken", 514, 0);
    broken.spec.r#match.ports.clear();
    let plan = cluster(
        &[broken, on(None, "good", 514, 1)],
        &nodes(&[("a", "edge")]),
        10,
    );
    assert_eq!(of_node(&plan, "a"), ["good"]);
    assert_eq!(
        plan.rejected[&key("broken")].to_string(),
        "spec.match.ports: write at least one port"
    );
}
