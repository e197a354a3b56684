//! What a forward says of itself, step by step.

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_tests::operator::Operator;

use crate::played::{Cluster, clone_of, condition};

/// A cluster of the nodes a and b, which are edges, and c, and a forward for the edges.
async fn edges(name: &str) -> (Cluster, Operator, Value) {
    let cluster = Cluster::start(name).await;
    let edge = json!({ "role": "edge" });
    cluster.node("a", &edge).await;
    cluster.node("b", &edge).await;
    cluster.node("c", &json!({})).await;
    let operator = cluster.operator("operator-0", &[]);
    let mut spec = clone_of(514, &json!({ "address": "192.0.2.9", "port": 5514 }));
    spec["nodeSelector"] = json!({ "matchLabels": { "role": "edge" } });
    drop(cluster.apply("syslog", &spec).await);
    cluster.told("a", &["syslog"]).await;
    cluster.told("b", &["syslog"]).await;
    (cluster, operator, spec)
}

/// The same, in force on both edges.
async fn in_force(name: &str) -> (Cluster, Operator, Value) {
    let (cluster, operator, spec) = edges(name).await;
    for node in ["a", "b"] {
        cluster.report(node, &[]).await;
    }
    cluster.ready("syslog", 2).await;
    (cluster, operator, spec)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_condition_is_there_at_first_sight() {
    let (cluster, _operator, _) = edges("first").await;
    // A node with an agent has a configuration, so that its agent can report.
    cluster.told("c", &[]).await;
    let silent = "2 of 2 nodes pending: a: its agent has not reported since the node started; \
                  b: its agent has not reported since the node started";
    let first = cluster.pending("syslog", silent).await;
    let status = first.status.as_ref().unwrap();
    let all = status.conditions.iter();
    let all: Vec<_> = all
        .map(|it| [&*it.type_, &*it.status, &*it.reason])
        .collect();
    assert_eq!(
        all,
        [
            ["Accepted", "True", "Valid"],
            ["Resolved", "True", "AllResolved"],
            ["Programmed", "Unknown", "NodesPending"],
            ["Ready", "Unknown", "NodesPending"],
        ]
    );
    let mut generations = status.conditions.iter().map(|it| it.observed_generation);
    assert!(generations.all(|generation| generation == Some(1)));
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.ports.as_deref(), Some("514"));
    let counts = [
        status.desired_nodes,
        status.ready_nodes,
        status.unknown_nodes,
    ];
    assert_eq!(counts, [Some(2), Some(0), Some(2)]);

    assert_eq!(cluster.revision("syslog").await, 1);
    let resolved: Api<ResolvedForward> = cluster.api();
    let stored = resolved.get("syslog").await.unwrap();
    let owner = &stored.metadata.owner_references.unwrap()[0];
    assert_eq!(Some(&owner.uid), first.metadata.uid.as_ref());
    let upstream = stored.spec.destinations[0].upstreams[0];
    assert_eq!(upstream.address.to_string(), "192.0.2.9");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_when_every_node_runs_it() {
    let (cluster, _operator, mut spec) = edges("ready").await;
    cluster.report("a", &[]).await;
    let silent = "1 of 2 nodes pending: b: its agent has not reported since the node started";
    let one = cluster.pending("syslog", silent).await;
    assert_eq!(one.status.unwrap().ready_nodes, Some(1));
    let absent = ("syslog", "InterfaceNotFound", "no interface is named eth9");
    cluster.report("b", &[absent]).await;
    let message = "1 of 2 nodes failed: b: InterfaceNotFound: no interface is named eth9";
    let failed = cluster
        .says("syslog", "Ready", ["False", "NodesFailed", message])
        .await;
    assert_eq!(failed.status.unwrap().failed_nodes, Some(1));
    cluster.report("b", &[]).await;
    cluster.ready("syslog", 2).await;

    // An edit counts only once the agents say so; before, nobody is ready.
    spec["match"]["ports"] = json!([{ "port": 514 }, { "port": 10000, "endPort": 10099 }]);
    drop(cluster.apply("syslog", &spec).await);
    let waits = "2 of 2 nodes pending: a: its agent has not applied the change; \
                 b: its agent has not applied the change";
    let edited = cluster.pending("syslog", waits).await.status.unwrap();
    assert_eq!(
        (edited.observed_generation, edited.ready_nodes),
        (Some(2), Some(0))
    );
    assert_eq!(edited.ports.as_deref(), Some("514,10000-10099"));
    assert_eq!(cluster.revision("syslog").await, 2);
    for node in ["a", "b"] {
        cluster.report(node, &[]).await;
    }
    cluster.ready("syslog", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_is_never_called_ready() {
    let (cluster, _operator, _) = in_force("silent").await;
    cluster.set_agent("a", "False").await;
    let agent = "1 of 2 nodes pending: a: its agent is not ready";
    drop(cluster.pending("syslog", agent).await);
    cluster.set_agent("a", "True").await;
    cluster.set_node("b", "Unknown").await;
    let node = "1 of 2 nodes pending: b: the node is not ready";
    drop(cluster.pending("syslog", node).await);
    cluster.set_node("b", "True").await;
    cluster.ready("syslog", 2).await;
    cluster.reboot("b", "another boot").await;
    let silent = "1 of 2 nodes pending: b: its agent has not reported since the node started";
    drop(cluster.pending("syslog", silent).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_pauses_and_deletion_reach_the_nodes() {
    let (cluster, _operator, mut spec) = in_force("labels").await;
    label(&cluster, "c", Some("edge")).await;
    cluster.told("c", &["syslog"]).await;
    let silent = "1 of 3 nodes pending: c: its agent has not reported since the node started";
    drop(cluster.pending("syslog", silent).await);
    label(&cluster, "c", None).await;
    cluster.told("c", &[]).await;
    cluster.ready("syslog", 2).await;

    spec["state"] = json!("Paused");
    drop(cluster.apply("syslog", &spec).await);
    let paused = "spec.state is Paused: no packet is touched; set it to Active";
    let expected = ["False", "Paused", paused];
    drop(cluster.says("syslog", "Ready", expected).await);

    spec["nodeSelector"] = json!({ "matchLabels": { "role": "nowhere" } });
    spec["state"] = json!("Active");
    drop(cluster.apply("syslog", &spec).await);
    let nowhere = "no node matches spec.nodeSelector";
    let expected = ["False", "NoMatchingNodes", nowhere];
    drop(cluster.says("syslog", "Ready", expected).await);
    cluster.told("a", &[]).await;

    let forwards: Api<UdpForward> = cluster.api();
    drop(
        forwards
            .delete("syslog", &DeleteParams::default())
            .await
            .unwrap(),
    );
    cluster
        .gone(&cluster.api::<ResolvedForward>(), "syslog")
        .await;
}

async fn label(cluster: &Cluster, node: &str, role: Option<&str>) {
    let nodes: Api<Node> = cluster.all();
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "role": role } } }));
    drop(
        nodes
            .patch(node, &PatchParams::default(), &patch)
            .await
            .unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_forward_stays_and_its_end_promotes_the_younger() {
    let cluster = Cluster::start("conflict").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let spec = clone_of(514, &json!({ "address": "192.0.2.9" }));
    // Equal times are decided by the name, so that the test need not wait a second.
    drop(cluster.apply("first", &spec).await);
    drop(cluster.apply("second", &spec).await);
    cluster.told("a", &["first"]).await;
    cluster.report("a", &[]).await;
    let loser = "default/first is older and listens on port 514 too: change the ports, \
                 addresses or interfaces of one of them";
    let expected = ["False", "ListenerConflict", loser];
    drop(cluster.says("second", "Accepted", expected).await);
    let second = cluster.says("second", "Ready", expected).await;
    assert_eq!(
        condition(&second, "Resolved").unwrap().reason,
        "NotAccepted"
    );
    cluster.ready("first", 1).await;

    let forwards: Api<UdpForward> = cluster.api();
    drop(
        forwards
            .delete("first", &DeleteParams::default())
            .await
            .unwrap(),
    );
    cluster.told("a", &["second"]).await;
    let valid = ["True", "Valid", "the spec is valid"];
    drop(cluster.says("second", "Accepted", valid).await);
    // The agent's old report is about the old configuration.
    let pending = "1 of 1 nodes pending: a: its agent has not seen the change";
    drop(cluster.pending("second", pending).await);
    cluster.report("a", &[]).await;
    cluster.ready("second", 1).await;
    let configs: Api<NodeForwardConfig> = cluster.all();
    assert_eq!(
        configs.get("a").await.unwrap().spec.forwards[0].name,
        "second"
    );
}
