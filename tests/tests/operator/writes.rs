//! How much is written: no more than what has changed.

use kube::{Api, ResourceExt as _};
use serde_json::json;
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};

use crate::played::{Cluster, clone_of};

/// An edit is one write of the `ResolvedForward`; the nodes are told anew only where the selection changes.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_writes_what_it_changes() {
    let cluster = Cluster::start("writes").await;
    cluster.node("a", &json!({ "role": "edge" })).await;
    cluster.node("b", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let mut spec = clone_of(514, &json!({ "address": "192.0.2.9" }));
    drop(cluster.apply("syslog", &spec).await);
    drop(
        cluster
            .apply("other", &clone_of(515, &json!({ "address": "192.0.2.9" })))
            .await,
    );
    for node in ["a", "b"] {
        cluster.told(node, &["other", "syslog"]).await;
        cluster.report(node, &[]).await;
    }
    for name in ["other", "syslog"] {
        cluster.ready(name, 2).await;
    }
    let generations = async || {
        let resolved: Api<ResolvedForward> = cluster.api();
        let configs: Api<NodeForwardConfig> = cluster.all();
        [
            resolved.get("syslog").await.unwrap().metadata.generation,
            resolved.get("other").await.unwrap().metadata.generation,
            configs.get("a").await.unwrap().metadata.generation,
            configs.get("b").await.unwrap().metadata.generation,
        ]
        .map(Option::unwrap)
    };
    let other: Api<UdpForward> = cluster.api();
    let before = generations().await;
    let other_before = other.get("other").await.unwrap().resource_version();

    spec["match"]["ports"] = json!([{ "port": 1514 }]);
    drop(cluster.apply("syslog", &spec).await);
    let waits = "2 of 2 nodes pending: a: its agent has not applied the change; \
                 b: its agent has not applied the change";
    drop(cluster.pending("syslog", waits).await);
    for node in ["a", "b"] {
        cluster.report(node, &[]).await;
    }
    cluster.ready("syslog", 2).await;
    let [syslog, others @ ..] = before;
    let [other_forward, a, b] = others;
    assert_eq!(generations().await, [syslog + 1, other_forward, a, b]);
    let other_after = other.get("other").await.unwrap().resource_version();
    assert_eq!(
        other_after, other_before,
        "the other forward's status was written"
    );

    // A selection that leaves a node out is told to that node alone.
    spec["nodeSelector"] = json!({ "matchLabels": { "role": "edge" } });
    drop(cluster.apply("syslog", &spec).await);
    cluster.told("b", &["other"]).await;
    cluster.report("a", &[]).await;
    cluster.report("b", &[]).await;
    cluster.ready("syslog", 1).await;
    assert_eq!(generations().await, [syslog + 2, other_forward, a, b + 1]);
}
