//! What a forward says of itself, step by step.

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};

use crate::played::{Cluster, clone_of, condition};

const VALID: [&str; 3] = ["True", "Valid", "the spec is valid"];

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_tells_the_truth_at_every_step() {
    let cluster = Cluster::start("truth").await;
    let edge = json!({ "role": "edge" });
    cluster.node("a", &edge).await;
    cluster.node("b", &edge).await;
    cluster.node("c", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    // A node with an agent has a configuration, so that its agent can report.
    cluster.told("c", &[]).await;

    let mut spec = clone_of(514, &json!({ "address": "192.0.2.9", "port": 5514 }));
    spec["nodeSelector"] = json!({ "matchLabels": { "role": "edge" } });
    let made = cluster.apply("syslog", &spec).await;
    let silent = "2 of 2 nodes pending: a: its agent has not reported since the node started; \
                  b: its agent has not reported since the node started";
    cluster.told("a", &["syslog"]).await;
    cluster.told("b", &["syslog"]).await;
    let first = cluster
        .says("syslog", "Programmed", ["Unknown", "NodesPending", silent])
        .await;
    let status = first.status.as_ref().unwrap();
    let all: Vec<_> = status
        .conditions
        .iter()
        .map(|it| it.type_.as_str())
        .collect();
    assert_eq!(all, ["Accepted", "Resolved", "Programmed", "Ready"]);
    assert!(
        status
            .conditions
            .iter()
            .all(|it| it.observed_generation == Some(1))
    );
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.ports.as_deref(), Some("514"));
    let accepted = condition(&first, "Accepted").unwrap();
    assert_eq!(
        [&*accepted.status, &*accepted.reason, &*accepted.message],
        VALID
    );

    let resolved: Api<ResolvedForward> = cluster.api();
    let stored = resolved.get("syslog").await.unwrap();
    assert_eq!(
        stored.metadata.owner_references.unwrap()[0].uid,
        made.metadata.uid.unwrap()
    );
    assert_eq!(
        stored.spec.destinations[0].upstreams[0].address.to_string(),
        "192.0.2.9"
    );

    cluster.report("a", &[]).await;
    let one = cluster
        .says(
            "syslog",
            "Ready",
            [
                "Unknown",
                "NodesPending",
                "1 of 2 nodes pending: b: its agent has not reported since the node started",
            ],
        )
        .await;
    assert_eq!(one.status.unwrap().ready_nodes, Some(1));
    cluster
        .report(
            "b",
            &[("syslog", "InterfaceNotFound", "no interface is named eth9")],
        )
        .await;
    let failed = cluster
        .says(
            "syslog",
            "Ready",
            [
                "False",
                "NodesFailed",
                "1 of 2 nodes failed: b: InterfaceNotFound: no interface is named eth9",
            ],
        )
        .await;
    assert_eq!(failed.status.unwrap().failed_nodes, Some(1));
    cluster.report("b", &[]).await;
    cluster
        .says(
            "syslog",
            "Ready",
            ["True", "Ready", "in force on 2 of 2 nodes"],
        )
        .await;

    // An edit counts only once the agents say so; before, nobody is ready.
    spec["match"]["ports"] = json!([{ "port": 514 }, { "port": 10000, "endPort": 10099 }]);
    drop(cluster.apply("syslog", &spec).await);
    let edited = cluster
        .says("syslog", "Ready", ["Unknown", "NodesPending", "2 of 2 nodes pending: a: its agent has not applied the change; b: its agent has not applied the change"])
        .await;
    let status = edited.status.unwrap();
    assert_eq!(
        (status.observed_generation, status.ready_nodes),
        (Some(2), Some(0))
    );
    assert_eq!(status.ports.as_deref(), Some("514,10000-10099"));
    assert_eq!(resolved.get("syslog").await.unwrap().spec.revision, 2);
    for node in ["a", "b"] {
        cluster.report(node, &[]).await;
    }
    cluster
        .says(
            "syslog",
            "Ready",
            ["True", "Ready", "in force on 2 of 2 nodes"],
        )
        .await;

    // A node, an agent that goes, and comes back.
    cluster.set_agent("a", "False").await;
    cluster
        .says(
            "syslog",
            "Ready",
            [
                "Unknown",
                "NodesPending",
                "1 of 2 nodes pending: a: its agent is not ready",
            ],
        )
        .await;
    cluster.set_agent("a", "True").await;
    cluster.set_node("b", "Unknown").await;
    cluster
        .says(
            "syslog",
            "Ready",
            [
                "Unknown",
                "NodesPending",
                "1 of 2 nodes pending: b: the node is not ready",
            ],
        )
        .await;
    cluster.set_node("b", "True").await;
    cluster
        .says(
            "syslog",
            "Ready",
            ["True", "Ready", "in force on 2 of 2 nodes"],
        )
        .await;

    // A label takes the forward to a node and away from another.
    label(&cluster, "c", Some("edge")).await;
    cluster.told("c", &["syslog"]).await;
    cluster
        .says(
            "syslog",
            "Ready",
            [
                "Unknown",
                "NodesPending",
                "1 of 3 nodes pending: c: its agent has not reported since the node started",
            ],
        )
        .await;
    label(&cluster, "c", None).await;
    cluster.told("c", &[]).await;
    cluster
        .says(
            "syslog",
            "Ready",
            ["True", "Ready", "in force on 2 of 2 nodes"],
        )
        .await;

    spec["state"] = json!("Paused");
    drop(cluster.apply("syslog", &spec).await);
    cluster
        .says(
            "syslog",
            "Ready",
            [
                "False",
                "Paused",
                "spec.state is Paused: no packet is touched; set it to Active",
            ],
        )
        .await;

    let forwards: Api<UdpForward> = cluster.api();
    drop(
        forwards
            .delete("syslog", &DeleteParams::default())
            .await
            .unwrap(),
    );
    cluster.told("a", &[]).await;
    cluster.told("b", &[]).await;
    cluster.gone(&resolved, "syslog").await;
}

async fn label(cluster: &Cluster, node: &str, role: Option<&str>) {
    let nodes: Api<k8s_openapi::api::core::v1::Node> = cluster.all();
    let patch = json!({ "metadata": { "labels": { "role": role } } });
    drop(
        nodes
            .patch(node, &PatchParams::default(), &Patch::Merge(patch))
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
    let loser = "default/first is older and listens on port 514 too: change the ports, addresses or interfaces of one of them";
    cluster
        .says("second", "Accepted", ["False", "ListenerConflict", loser])
        .await;
    let second = cluster
        .says("second", "Ready", ["False", "ListenerConflict", loser])
        .await;
    assert_eq!(
        condition(&second, "Resolved").unwrap().reason,
        "NotAccepted"
    );
    cluster
        .says(
            "first",
            "Ready",
            ["True", "Ready", "in force on 1 of 1 nodes"],
        )
        .await;

    let forwards: Api<UdpForward> = cluster.api();
    drop(
        forwards
            .delete("first", &DeleteParams::default())
            .await
            .unwrap(),
    );
    cluster.told("a", &["second"]).await;
    cluster
        .says("second", "Accepted", ["True", "Valid", "the spec is valid"])
        .await;
    // The agent's old report is about the old configuration.
    let pending = "1 of 1 nodes pending: a: its agent has not seen the change";
    cluster
        .says("second", "Ready", ["Unknown", "NodesPending", pending])
        .await;
    cluster.report("a", &[]).await;
    cluster
        .says(
            "second",
            "Ready",
            ["True", "Ready", "in force on 1 of 1 nodes"],
        )
        .await;
    let configs: Api<NodeForwardConfig> = cluster.all();
    assert_eq!(
        configs.get("a").await.unwrap().spec.forwards[0].name,
        "second"
    );
}
