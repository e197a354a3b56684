//! One forward among many that cannot be written, or that changes all the time, delays nobody.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;
use udplb_api::ResolvedForward;

use crate::played::{Cluster, clone_of};

const GOOD: u16 = 199;

/// Has the server refuse what the operator writes for a forward. Its name is the first of all.
async fn refuse(cluster: &Cluster, name: &str) {
    let policy = json!({
        "metadata": { "name": "hostile" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["udplb.dev"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                "resources": ["resolvedforwards"],
            }]},
            "validations": [{ "expression": format!("object.metadata.name != '{name}'"), "message": "no" }],
        },
    });
    let binding = json!({
        "metadata": { "name": "hostile" },
        "spec": { "policyName": "hostile", "validationActions": ["Deny"] },
    });
    let policies: Api<ValidatingAdmissionPolicy> = cluster.all();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = cluster.all();
    drop(cluster.create(&policies, policy).await);
    drop(cluster.create(&bindings, binding).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_forward_delays_no_good_one() {
    let cluster = Cluster::start("hostile").await;
    cluster.node("a", &json!({})).await;
    refuse(&cluster, "a-refused").await;
    let upstream = json!({ "address": "192.0.2.9" });
    // It is refused whenever it is tried, and asks to be written again and again.
    let restless = async {
        let mut port = 20_000;
        loop {
            port = 20_000 + (port + 1) % 10_000;
            drop(cluster.apply("a-refused", &clone_of(port, &upstream)).await);
            drop(
                cluster
                    .apply("a-restless", &clone_of(port + 10_000, &upstream))
                    .await,
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let good = async {
        let operator = cluster.operator("operator-0", &[]);
        let accepted = ["True", "Valid", "the spec is valid"];
        drop(cluster.says("a-refused", "Accepted", accepted).await);
        let applied = (0..GOOD).map(|number| {
            let (cluster, upstream) = (&cluster, &upstream);
            async move {
                let name = format!("good-{number:03}");
                drop(
                    cluster
                        .apply(&name, &clone_of(1_000 + number, upstream))
                        .await,
                );
                cluster.revision(&name).await
            }
        });
        let _revisions: Vec<i64> = join_all(applied).await;
        operator
    };
    let operator = tokio::select! {
        () = restless => unreachable!("it has no end"),
        operator = good => operator,
    };
    let resolved: Api<ResolvedForward> = cluster.api();
    let stored = resolved.list(&ListParams::default()).await.unwrap();
    let names: Vec<String> = stored.iter().map(ResourceExt::name_any).collect();
    assert!(!names.contains(&"a-refused".to_owned()));
    assert!(names.contains(&"a-restless".to_owned()));
    assert!(operator.log().contains("a write failed; it is tried again"));
}
