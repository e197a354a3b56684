//! The cluster with the product on it, and what the steps do with it.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    core::NamespaceResourceScope,
    runtime::wait::await_condition,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use udplb_api::UdpForward;
use udplb_tests::cluster::Cluster;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The nodes.
pub(crate) const NODES: [&str; 3] = ["node1", "node2", "node3"];

/// A cluster that runs the product.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(3).await;
        cluster.install().await;
        let client = cluster.client();
        Self { cluster, client }
    }

    pub(crate) fn step(&self, what: &str) {
        let _ = &self.cluster;
        println!("--- {what}");
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Applies a forward as a user does.
    pub(crate) async fn apply(&self, name: &str, spec: &Value) -> UdpForward {
        let object = json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "UdpForward",
            "metadata": { "name": name },
            "spec": spec,
        });
        let parameters = PatchParams::apply("user").force();
        let forwards: Api<UdpForward> = self.api();
        let patch = Patch::Apply(object);
        forwards.patch(name, &parameters, &patch).await.unwrap()
    }

    pub(crate) async fn delete(&self, name: &str) {
        let forwards: Api<UdpForward> = self.api();
        let parameters = DeleteParams::default();
        drop(forwards.delete(name, &parameters).await.unwrap());
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn until<K>(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&K) -> bool + Send + Sync,
    ) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Send
            + DeserializeOwned
            + 'static,
    {
        let api: Api<K> = self.api();
        let condition = |object: Option<&K>| object.is_some_and(&is);
        let waited = await_condition(api.clone(), name, condition);
        let Ok(found) = tokio::time::timeout(PATIENCE, waited).await else {
            let logs = self.cluster.product_logs();
            panic!(
                "{name}: {what}; it is {:#?}\n{logs}",
                api.get_opt(name).await
            );
        };
        found.unwrap().unwrap()
    }

    /// Waits until a condition has this status and reason, and tells its message.
    pub(crate) async fn says(&self, name: &str, about: &str, expected: [&str; 2]) -> String {
        let is = |forward: &UdpForward| {
            let found = condition(forward, about);
            found.is_some_and(|it| [&*it.status, &*it.reason] == expected)
        };
        let what = format!("{about} is not {expected:?}");
        let forward = self.until(name, &what, is).await;
        condition(&forward, about).unwrap().message.clone()
    }

    /// Waits until the present generation of a forward is ready on so many nodes.
    pub(crate) async fn ready(&self, name: &str, nodes: u32) {
        let is = |forward: &UdpForward| {
            let status = forward.status.as_ref();
            let is_current =
                status.and_then(|it| it.observed_generation) == forward.metadata.generation;
            let is_ready = condition(forward, "Ready").is_some_and(|it| it.status == "True");
            is_current && is_ready && status.and_then(|it| it.ready_nodes) == Some(nodes)
        };
        let what = format!("it is not ready on {nodes} nodes");
        drop(self.until(name, &what, is).await);
    }
}

/// A condition of a forward.
pub(crate) fn condition<'a>(forward: &'a UdpForward, about: &str) -> Option<&'a Condition> {
    let conditions = forward.status.as_ref().map(|status| &status.conditions);
    conditions
        .into_iter()
        .flatten()
        .find(|it| it.type_ == about)
}
