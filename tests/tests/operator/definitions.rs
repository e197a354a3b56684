//! The definitions of our kinds are taken away, with all that was stored, and applied again: the operator goes on
//! without being started again.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use crate::played::{Cluster, clone_of};

#[tokio::test(flavor = "multi_thread")]
async fn definitions_may_go_and_come_back() {
    let cluster = Cluster::start("definitions").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let spec = clone_of(514, &json!({ "address": "192.0.2.9" }));
    drop(cluster.apply("syslog", &spec).await);
    let before = cluster.revision("syslog").await;
    cluster.told("a", &["syslog"]).await;

    let definitions: Api<CustomResourceDefinition> = cluster.all();
    for definition in definitions.list(&ListParams::default()).await.unwrap() {
        let name = definition.name_any();
        drop(
            definitions
                .delete(&name, &DeleteParams::default())
                .await
                .unwrap(),
        );
        cluster.gone(&definitions, &name).await;
    }
    let _client = cluster.server.defined().await;
    drop(cluster.apply("syslog", &spec).await);
    let after = cluster.revision("syslog").await;
    assert!(after > before, "agents have seen {before}");
    cluster.told("a", &["syslog"]).await;
    cluster.report("a", &[]).await;
    cluster.ready("syslog", 1).await;
}
