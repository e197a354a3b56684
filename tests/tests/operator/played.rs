//! A cluster without kubelets: nodes and agents are objects that the test writes.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{
    api::core::v1::{Namespace, Node, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, NamespaceResourceScope},
    runtime::wait::await_condition,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_tests::{
    api_server::ApiServer,
    operator::{NAMESPACE, Operator},
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The boot of every node.
pub(crate) const BOOT: &str = "6d1f3f36-0000-4000-8000-000000000001";

/// An API server with our kinds, and who plays in it.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) server: ApiServer,
}

impl Cluster {
    pub(crate) async fn start(name: &str) -> Self {
        let server = ApiServer::start(name).await;
        let client = server.defined().await;
        let this = Self { client, server };
        this.namespace(NAMESPACE, &json!({})).await;
        this
    }

    /// An operator under this name of a pod.
    pub(crate) fn operator(&self, pod: &str, arguments: &[&str]) -> Operator {
        Operator::start(&self.server.kubeconfig(), pod, arguments)
    }

    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn namespace(&self, name: &str, labels: &Value) {
        let object = json!({ "metadata": { "name": name, "labels": labels } });
        self.create::<Namespace>(&self.all(), object).await;
    }

    pub(crate) async fn create<K>(&self, api: &Api<K>, object: Value) -> K
    where
        K: Clone + Debug + DeserializeOwned + serde::Serialize,
    {
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap()
    }

    /// A node that is ready, with an agent whose pod is.
    pub(crate) async fn node(&self, name: &str, labels: &Value) {
        let nodes: Api<Node> = self.all();
        let object = json!({ "metadata": { "name": name, "labels": labels } });
        drop(self.create(&nodes, object).await);
        self.reboot(name, BOOT).await;
        self.set_node(name, "True").await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let pod = json!({
            "metadata": {
                "name": format!("agent-of-{name}"),
                "labels": { "app.kubernetes.io/name": "udplb", "app.kubernetes.io/component": "agent" },
            },
            "spec": { "nodeName": name, "containers": [{ "name": "agent", "image": "none" }] },
        });
        drop(self.create(&pods, pod).await);
        self.set_agent(name, "True").await;
    }

    pub(crate) async fn set_node(&self, name: &str, ready: &str) {
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        self.patch_node(name, status).await;
    }

    /// The address that its kubelet reports.
    pub(crate) async fn set_address(&self, name: &str, address: &str) {
        let addresses = json!([{ "type": "InternalIP", "address": address }]);
        self.patch_node(name, json!({ "status": { "addresses": addresses } }))
            .await;
    }

    /// Starts the machine, again perhaps.
    pub(crate) async fn reboot(&self, name: &str, boot: &str) {
        let status = json!({ "status": {
            "nodeInfo": {
                "bootID": boot, "architecture": "", "containerRuntimeVersion": "", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "",
                "osImage": "", "systemUUID": "",
            },
        }});
        self.patch_node(name, status).await;
    }

    async fn patch_node(&self, name: &str, status: Value) {
        let nodes: Api<Node> = self.all();
        let parameters = PatchParams::default();
        drop(
            nodes
                .patch_status(name, &parameters, &Patch::Merge(status))
                .await
                .unwrap(),
        );
    }

    pub(crate) async fn set_agent(&self, node: &str, ready: &str) {
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let name = format!("agent-of-{node}");
        let parameters = PatchParams::default();
        drop(
            pods.patch_status(&name, &parameters, &Patch::Merge(status))
                .await
                .unwrap(),
        );
    }

    /// Forwards as trees, for what our types do not know.
    pub(crate) fn forwards(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("udplb.dev", "v1alpha1", "UdpForward");
        Api::default_namespaced_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }

    /// Applies a forward as a user does.
    pub(crate) async fn apply(&self, name: &str, spec: &Value) -> UdpForward {
        let stored = self.apply_raw(name, spec).await;
        stored.try_parse().unwrap()
    }

    /// The same, of what our types may not know.
    pub(crate) async fn apply_raw(&self, name: &str, spec: &Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "UdpForward",
            "metadata": { "name": name },
            "spec": spec,
        });
        // A definition that was changed is in force a moment later.
        loop {
            let parameters = PatchParams::apply("user").force();
            let patch = Patch::Apply(&object);
            match self.forwards().patch(name, &parameters, &patch).await {
                Ok(stored) => return stored,
                Err(kube::Error::Api(status)) if status.message.contains("Teleport") => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Says for a node's agent that it runs all that it was told, but for some.
    pub(crate) async fn report(&self, node: &str, failed: &[(&str, &str, &str)]) {
        let configs: Api<NodeForwardConfig> = self.all();
        let config = configs.get(node).await.unwrap();
        let mut revision = 0;
        for told in &config.spec.forwards {
            revision = revision.max(self.revision(&told.name).await);
        }
        let failed: Vec<Value> = failed
            .iter()
            .map(|(name, reason, message)| {
                json!({ "namespace": "default", "name": name, "reason": reason, "message": message })
            })
            .collect();
        let status = json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "NodeForwardConfig",
            "metadata": { "name": node, "uid": config.metadata.uid },
            "status": {
                "bootID": BOOT,
                "appliedRevision": revision,
                "failedCount": failed.len(),
                "failed": failed,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Ready", "message": "",
                    "observedGeneration": config.metadata.generation,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        });
        let parameters = PatchParams::apply("udplb-agent").force();
        drop(
            configs
                .patch_status(node, &parameters, &Patch::Apply(status))
                .await
                .unwrap(),
        );
    }

    /// Waits until the present version of a forward is written for the nodes, and tells its revision.
    pub(crate) async fn revision(&self, name: &str) -> i64 {
        let forward = self.forwards().get(name).await.unwrap();
        let generation = forward.metadata.generation.unwrap().to_string();
        let is = |resolved: &ResolvedForward| {
            resolved.annotations().get("udplb.dev/generation") == Some(&generation)
        };
        let api: Api<ResolvedForward> = self.api();
        let what = format!("it is not of generation {generation}");
        self.until(&api, name, &what, is).await.spec.revision
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn until<K>(
        &self,
        api: &Api<K>,
        name: &str,
        what: &str,
        is: impl Fn(&K) -> bool + Send + Sync,
    ) -> K
    where
        K: kube::Resource + Clone + Debug + Send + DeserializeOwned + 'static,
    {
        let condition = |object: Option<&K>| object.is_some_and(&is);
        let waited = await_condition(api.clone(), name, condition);
        let Ok(found) = tokio::time::timeout(PATIENCE, waited).await else {
            panic!("{name}: {what}; it is {:#?}", api.get_opt(name).await);
        };
        found.unwrap().unwrap()
    }

    /// Waits until an object is no more.
    pub(crate) async fn gone<K>(&self, api: &Api<K>, name: &str)
    where
        K: kube::Resource + Clone + Debug + Send + DeserializeOwned + 'static,
    {
        let waited = await_condition(api.clone(), name, |object: Option<&K>| object.is_none());
        let gone = tokio::time::timeout(PATIENCE, waited).await;
        drop(gone.expect("it is still there").unwrap());
    }

    /// Waits until a condition of a forward has this status, reason and message.
    pub(crate) async fn says(&self, name: &str, about: &str, expected: [&str; 3]) -> UdpForward {
        let is = |forward: &UdpForward| {
            let found = condition(forward, about);
            found.is_some_and(|it| [&*it.status, &*it.reason, &*it.message] == expected)
        };
        let what = format!("{about} is not {expected:?}");
        self.until(&self.api(), name, &what, is).await
    }

    /// Waits until a forward is ready on so many nodes.
    pub(crate) async fn ready(&self, name: &str, nodes: usize) {
        let message = format!("in force on {nodes} of {nodes} nodes");
        drop(self.says(name, "Ready", ["True", "Ready", &message]).await);
    }

    /// Waits until a forward waits for nodes, and why.
    pub(crate) async fn pending(&self, name: &str, message: &str) -> UdpForward {
        self.says(name, "Ready", ["Unknown", "NodesPending", message])
            .await
    }

    /// Waits until a node has been told to run just these.
    pub(crate) async fn told(&self, node: &str, forwards: &[&str]) {
        let is = |config: &NodeForwardConfig| {
            let told = config.spec.forwards.iter().map(|it| it.name.as_str());
            told.collect::<Vec<_>>() == forwards
        };
        let what = format!("it does not name just {forwards:?}");
        drop(self.until(&self.all(), node, &what, is).await);
    }

    /// The version of every `ResolvedForward` and `NodeForwardConfig`, except those of these names.
    pub(crate) async fn versions(&self, except: &[&str]) -> Vec<(String, String)> {
        let parameters = ListParams::default();
        let resolved = self
            .all::<ResolvedForward>()
            .list(&parameters)
            .await
            .unwrap();
        let configs = self
            .all::<NodeForwardConfig>()
            .list(&parameters)
            .await
            .unwrap();
        let resolved = resolved
            .iter()
            .map(|it| (it.name_any(), it.resource_version().unwrap()));
        let configs = configs
            .iter()
            .map(|it| (it.name_any(), it.resource_version().unwrap()));
        let all = resolved.chain(configs);
        all.filter(|(name, _)| !except.contains(&name.as_str()))
            .collect()
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

/// A spec that copies a port to one upstream.
pub(crate) fn clone_of(port: u16, upstream: &Value) -> Value {
    json!({
        "match": { "ports": [{ "port": port }] },
        "action": "Clone",
        "destinations": [{ "name": "siem", "upstreams": [upstream] }],
    })
}
