//! Services: what they stand for, and how many writes their changes cost.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use udplb_api::ResolvedForward;

use crate::played::{Cluster, clone_of};

fn slice(addresses: &[String]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({ "addresses": [address], "conditions": { "ready": true } }))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "collector-1", "labels": { "kubernetes.io/service-name": "collector" } },
        "addressType": "IPv4",
        "ports": [{ "name": "syslog", "port": 10514, "protocol": "UDP" }],
        "endpoints": endpoints,
    })
}

async fn set(cluster: &Cluster, addresses: &[String]) {
    let slices: Api<EndpointSlice> = cluster.api();
    let parameters = PatchParams::apply("test").force();
    let patch = Patch::Apply(slice(addresses));
    drop(
        slices
            .patch("collector-1", &parameters, &patch)
            .await
            .unwrap(),
    );
}

fn address(index: usize) -> String {
    format!("10.1.0.{index}")
}

fn has(count: usize) -> impl Fn(&ResolvedForward) -> bool + Send + Sync {
    move |resolved| resolved.spec.destinations[0].upstreams.len() == count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_its_endpoints() {
    let cluster = Cluster::start("services").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let upstream = json!({ "service": { "name": "collector", "port": "syslog" } });
    drop(cluster.apply("syslog", &clone_of(514, &upstream)).await);
    drop(
        cluster
            .apply("other", &clone_of(515, &json!({ "address": "192.0.2.9" })))
            .await,
    );
    let path = "spec.destinations[0].upstreams[0]: service default/collector";
    cluster
        .says(
            "syslog",
            "Resolved",
            ["False", "NotResolved", &format!("{path} does not exist")],
        )
        .await;
    cluster
        .says(
            "syslog",
            "Ready",
            ["False", "NotResolved", &format!("{path} does not exist")],
        )
        .await;

    let ports = json!([{ "name": "syslog", "port": 514, "protocol": "UDP" }]);
    let service = json!({ "metadata": { "name": "collector" }, "spec": { "ports": ports } });
    drop(cluster.create::<Service>(&cluster.api(), service).await);
    cluster
        .says(
            "syslog",
            "Resolved",
            [
                "False",
                "NotResolved",
                &format!("{path} has no ready endpoint"),
            ],
        )
        .await;

    set(&cluster, &[address(1), address(2)]).await;
    let resolved: Api<ResolvedForward> = cluster.api();
    let first = cluster
        .until(&resolved, "syslog", "it has not two upstreams", has(2))
        .await;
    assert_eq!(first.spec.destinations[0].upstreams[0].port, Some(10_514));
    cluster
        .says(
            "syslog",
            "Resolved",
            ["True", "AllResolved", "every upstream is known"],
        )
        .await;
    cluster.told("a", &["other", "syslog"]).await;
    cluster.report("a", &[]).await;
    cluster
        .says(
            "syslog",
            "Ready",
            ["True", "Ready", "in force on 1 of 1 nodes"],
        )
        .await;
    cluster
        .says(
            "other",
            "Ready",
            ["True", "Ready", "in force on 1 of 1 nodes"],
        )
        .await;

    // One endpoint is one write of the forward that uses it, and nothing else: no revision, no status.
    let before = cluster.versions(&["syslog"]).await;
    let generation = resolved
        .get("syslog")
        .await
        .unwrap()
        .metadata
        .generation
        .unwrap();
    set(&cluster, &[address(1), address(2), address(3)]).await;
    let third = cluster
        .until(&resolved, "syslog", "it has not three upstreams", has(3))
        .await;
    assert_eq!(third.metadata.generation, Some(generation + 1));
    assert_eq!(third.spec.revision, first.spec.revision);

    // Churn is a write each 200 ms at most; the last state is what stays.
    for count in (1..=60).chain([5]) {
        let addresses: Vec<String> = (1..=count).map(address).collect();
        set(&cluster, &addresses).await;
    }
    let last = cluster
        .until(&resolved, "syslog", "it has not five upstreams", has(5))
        .await;
    assert_eq!(cluster.versions(&["syslog"]).await, before);
    println!(
        "61 changes of the endpoints: {} writes",
        last.metadata.generation.unwrap() - generation - 1
    );
    assert!(
        last.metadata.generation.unwrap() - generation < 40,
        "{:?}",
        last.resource_version()
    );
}

/// Pods in the network of their nodes, on the port where the forward listens: each node would hand packets on to the
/// next. Nothing is said of a pod elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn endpoints_by_which_copies_come_back_are_left_out() {
    let cluster = Cluster::start("loops-of-services").await;
    for (name, address) in [("a", "10.1.0.1"), ("b", "10.1.0.2")] {
        cluster.node(name, &json!({})).await;
        cluster.set_address(name, address).await;
    }
    let _operator = cluster.operator("operator-0", &[]);
    let ports = json!([{ "name": "syslog", "port": 514, "protocol": "UDP" }]);
    let service = json!({ "metadata": { "name": "collector" }, "spec": { "ports": ports } });
    drop(cluster.create::<Service>(&cluster.api(), service).await);
    set(&cluster, &[address(2), address(9)]).await;
    let upstream = json!({ "service": { "name": "collector", "port": "syslog" } });
    drop(cluster.apply("round", &clone_of(10514, &upstream)).await);
    drop(cluster.apply("straight", &clone_of(514, &upstream)).await);
    let message = "spec.destinations[0].upstreams: 10.1.0.2:10514 is left out, copies for it come back to this \
                   forward: have it listen on another port";
    let told = ["False", "ForwardingLoop", message];
    cluster.says("round", "Resolved", told).await;
    cluster.told("a", &["round", "straight"]).await;
    let resolved: Api<ResolvedForward> = cluster.api();
    for (name, count) in [("round", 1), ("straight", 2)] {
        let what = format!("it has not {count} upstreams");
        drop(cluster.until(&resolved, name, &what, has(count)).await);
    }
}
