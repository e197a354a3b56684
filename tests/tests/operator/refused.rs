//! Forwards that the operator does not take, although they are stored.

use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use udplb_api::ResolvedForward;

use crate::played::{Cluster, clone_of};

/// A newer version of udplb stored what this one does not know. The others go on, and so does what ran.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_stops_nobody() {
    let cluster = Cluster::start("unreadable").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let mut spec = clone_of(514, &json!({ "address": "192.0.2.9" }));
    drop(cluster.apply("syslog", &spec).await);
    cluster.told("a", &["syslog"]).await;
    let _revision = cluster.revision("syslog").await;
    allow_action(&cluster, "Teleport").await;
    spec["action"] = json!("Teleport");
    cluster.apply_raw("syslog", &spec).await;
    let message = "spec: unknown variant `Teleport`, expected `Clone` or `Forward`; \
                   the last valid version stays in force";
    let expected = ["False", "InvalidSpec", message];
    let api = cluster.forwards();
    let is = |object: &kube::api::DynamicObject| {
        let conditions = object.data["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| {
            it["type"] == "Accepted"
                && [&it["status"], &it["reason"], &it["message"]] == expected
                && it["observedGeneration"] == 2
        })
    };
    drop(cluster.until(&api, "syslog", "it is not refused", is).await);
    drop(
        cluster
            .apply("other", &clone_of(515, &json!({ "address": "192.0.2.9" })))
            .await,
    );
    cluster.told("a", &["other", "syslog"]).await;
    let resolved: Api<ResolvedForward> = cluster.api();
    let kept = resolved.get("syslog").await.unwrap();
    assert_eq!(kept.spec.destinations[0].upstreams.len(), 1);
}

/// Has the API server take one more action, as the definition of a later version would.
async fn allow_action(cluster: &Cluster, action: &str) {
    let api: Api<CustomResourceDefinition> = cluster.all();
    let stored = api.get("udpforwards.udplb.dev").await.unwrap();
    let mut stored = serde_json::to_value(stored).unwrap();
    let known = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/action/enum";
    let known = stored.pointer_mut(known).unwrap();
    known.as_array_mut().unwrap().push(json!(action));
    let stored: CustomResourceDefinition = serde_json::from_value(stored).unwrap();
    let parameters = PostParams::default();
    drop(
        api.replace("udpforwards.udplb.dev", &parameters, &stored)
            .await
            .unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_chosen_namespaces_may_hold_forwards() {
    let cluster = Cluster::start("namespaces").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &["--namespace-selector", "forwards=yes"]);
    let spec = clone_of(514, &json!({ "address": "192.0.2.9" }));
    drop(cluster.apply("syslog", &spec).await);
    let message = "forwards may not be in namespace default: move it, or have the cluster's operator \
                   choose the namespace with --namespace-selector";
    let expected = ["False", "NamespaceNotAllowed", message];
    drop(cluster.says("syslog", "Accepted", expected).await);
    cluster.told("a", &[]).await;
    let namespaces: Api<Namespace> = cluster.all();
    for (label, told) in [(Some("yes"), &["syslog"][..]), (None, &[])] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "forwards": label } } }));
        let parameters = PatchParams::default();
        drop(
            namespaces
                .patch("default", &parameters, &patch)
                .await
                .unwrap(),
        );
        cluster.told("a", told).await;
    }
}

/// What one node sends to the other comes back there, to the same forward or to one that sends it back. A label that
/// keeps the nodes apart ends it, and so does an address that was not a node's.
#[tokio::test(flavor = "multi_thread")]
async fn copies_that_would_come_back_are_refused() {
    let cluster = Cluster::start("loops").await;
    for (name, role, address) in [("a", "edge", "192.0.2.1"), ("b", "hub", "192.0.2.2")] {
        cluster.node(name, &json!({ "role": role })).await;
        cluster.set_address(name, address).await;
    }
    let _operator = cluster.operator("operator-0", &[]);
    let to = |address: &str, role: &str| {
        let mut spec = clone_of(514, &json!({ "address": address }));
        spec["nodeSelector"] = json!({ "matchLabels": { "role": role } });
        spec
    };
    drop(cluster.apply("up", &to("192.0.2.2", "edge")).await);
    cluster.told("a", &["up"]).await;
    drop(cluster.apply("down", &to("192.0.2.1", "hub")).await);
    let message = "copies for upstream 192.0.2.1 of destination siem come back: change it, or what one of these \
                   listens on or sends to: default/up";
    let refused = ["False", "ForwardingLoop", message];
    drop(cluster.says("down", "Accepted", refused).await);
    cluster.told("b", &[]).await;
    cluster.set_address("a", "192.0.2.9").await;
    cluster.told("b", &["down"]).await;
    cluster.set_address("a", "192.0.2.1").await;
    drop(cluster.says("down", "Accepted", refused).await);
    cluster.told("b", &[]).await;
    cluster.told("a", &["up"]).await;

    let everywhere = clone_of(515, &json!({ "address": "192.0.2.2" }));
    drop(cluster.apply("alone", &everywhere).await);
    let message = "copies for upstream 192.0.2.2 of destination siem come back to this forward: write another address \
                   or port, or choose other nodes with nodeSelector";
    drop(
        cluster
            .says("alone", "Accepted", ["False", "ForwardingLoop", message])
            .await,
    );
}
