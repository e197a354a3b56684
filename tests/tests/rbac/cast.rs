//! An API server with everything of the manifests, and pods whose tokens tests use.

use std::{fmt::Debug, fs, path::PathBuf, time::Duration};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    authentication::v1::TokenRequest,
    coordination::v1::Lease,
    core::v1::{Node, Pod, PodTemplateSpec, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::Status,
};
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward};
use udplb_tests::{api_server::ApiServer, manifests, operator::NAMESPACE, wait::Deadline};

/// Longer than a policy or a lease takes to be known everywhere on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The boot of every node.
pub(crate) const BOOT: &str = "6d1f3f36-0000-4000-8000-000000000001";

/// The two nodes.
pub(crate) const NODES: [&str; 2] = ["node-a", "node-b"];

pub(crate) struct Cast {
    server: ApiServer,
    /// With every right.
    pub(crate) admin: Client,
}

impl Cast {
    /// Returns when every policy is in force, with a `NodeForwardConfig` for each of [`NODES`].
    pub(crate) async fn start(name: &str) -> Self {
        let server = ApiServer::start(name).await;
        let admin = server.defined().await;
        manifests::apply(&admin, &manifests::objects(manifests::KUBERNETES)).await;
        let this = Self { server, admin };
        let nodes: Api<Node> = Api::all(this.admin.clone());
        for name in NODES {
            let node = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
            drop(nodes.create(&PostParams::default(), &node).await.unwrap());
        }
        this.in_force().await;
        this
    }

    /// Tries what is forbidden until it is refused.
    async fn in_force(&self) {
        let config = |name: &str| node_config(name, &[]);
        let _by_anybody = refused(|| create(&self.admin, config(NODES[0]), true)).await;
        let operator = self.pod("operator", "probe", NODES[0]).await;
        let operator = self.client(&operator).await;
        for name in NODES {
            create(&operator, config(name), false).await.unwrap();
        }
        let agent = self.token("agent", None).await;
        let agent = self.client(&agent).await;
        let _by_an_agent = refused(|| report(&agent, NODES[0], true)).await;
        self.leads(Some("nobody")).await;
        let _by_an_operator = refused(|| create(&operator, config("new"), true)).await;
        self.leads(None).await;
        allowed(|| create(&operator, config("new"), true)).await;
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let now = kube::api::DeleteParams::default().grace_period(0);
        drop(pods.delete("probe", &now).await.unwrap());
    }

    /// The token of a pod made from the manifests, on this node.
    pub(crate) async fn pod(&self, component: &str, name: &str, node: &str) -> String {
        let template: PodTemplateSpec = if component == "agent" {
            let api: Api<DaemonSet> = Api::namespaced(self.admin.clone(), NAMESPACE);
            api.get("udplb-agent").await.unwrap().spec.unwrap().template
        } else {
            let api: Api<Deployment> = Api::namespaced(self.admin.clone(), NAMESPACE);
            let deployment = api.get("udplb-operator").await.unwrap();
            deployment.spec.unwrap().template
        };
        let mut pod = Pod {
            metadata: template.metadata.unwrap(),
            spec: template.spec,
            ..Pod::default()
        };
        pod.metadata.name = Some(name.to_owned());
        pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let pod = pods.create(&PostParams::default(), &pod).await.unwrap();
        self.token(component, Some(&pod)).await
    }

    /// A token of the account of this component, bound to a pod as the kubelet has it, or to nothing.
    pub(crate) async fn token(&self, component: &str, pod: Option<&Pod>) -> String {
        let bound = pod.map(|pod| {
            json!({ "apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid() })
        });
        let request = json!({ "spec": { "audiences": [], "boundObjectRef": bound } });
        let request: TokenRequest = serde_json::from_value(request).unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let account = format!("udplb-{component}");
        let answer = accounts
            .create_token_request(&account, &PostParams::default(), &request)
            .await;
        answer.unwrap().status.unwrap().token
    }

    /// An account to which nobody has given any right.
    pub(crate) async fn account_without_rights(&self) -> Client {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let account = json!({ "metadata": { "name": "udplb-anybody" } });
        let account = serde_json::from_value(account).unwrap();
        drop(
            accounts
                .create(&PostParams::default(), &account)
                .await
                .unwrap(),
        );
        self.client(&self.token("anybody", None).await).await
    }

    /// A client that has nothing but a token.
    pub(crate) async fn client(&self, token: &str) -> Client {
        let config = Kubeconfig::from_yaml(&self.kubeconfig_text(token)).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(config, &options);
        Client::try_from(config.await.unwrap()).unwrap()
    }

    /// A file for a process that has nothing but a token.
    pub(crate) fn kubeconfig(&self, name: &str, token: &str) -> PathBuf {
        let path = self.server.kubeconfig().with_file_name(name);
        fs::write(&path, self.kubeconfig_text(token)).unwrap();
        path
    }

    fn kubeconfig_text(&self, token: &str) -> String {
        let admin = Kubeconfig::read_from(self.server.kubeconfig()).unwrap();
        let cluster = admin.clusters[0].cluster.as_ref().unwrap();
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "token", "user": { "token": token } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "token" } }],
        });
        text.to_string()
    }

    /// Writes into the Lease who leads.
    pub(crate) async fn leads(&self, pod: Option<&str>) {
        let leases: Api<Lease> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let patch = json!({ "spec": { "holderIdentity": pod } });
        let patch = Patch::Merge(patch);
        let parameters = PatchParams::default();
        let patched = leases.patch("udplb-operator", &parameters, &patch).await;
        drop(patched.unwrap());
    }
}

/// A `NodeForwardConfig` that names these forwards.
pub(crate) fn node_config(node: &str, forwards: &[&str]) -> NodeForwardConfig {
    let forwards: Vec<Value> = forwards
        .iter()
        .map(|name| json!({ "namespace": "default", "name": name, "uid": "none" }))
        .collect();
    let object = json!({ "metadata": { "name": node }, "spec": { "forwards": forwards } });
    serde_json::from_value(object).unwrap()
}

/// A `ResolvedForward` in the namespace `default`.
pub(crate) fn resolved(name: &str) -> ResolvedForward {
    let object = json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "state": "Active", "revision": 1, "action": "Clone", "whenUnavailable": "Drop",
            "match": { "ports": [{ "port": 514 }] },
            "destinations": [{
                "name": "siem", "strategy": "SourceIP", "sourceAddress": "Preserve",
                "destinationAddress": "Rewrite", "upstreams": [],
            }],
        },
    });
    serde_json::from_value(object).unwrap()
}

/// Makes an object, or only asks whether that would do.
pub(crate) async fn create<K>(client: &Client, object: K, dry_run: bool) -> kube::Result<()>
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + serde::Serialize,
    K: serde::de::DeserializeOwned,
{
    let parameters = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let url = K::url_path(&(), object.meta().namespace.as_deref());
    let request = kube::core::Request::new(url);
    let body = serde_json::to_vec(&object).unwrap();
    let request = request.create(&parameters, body).unwrap();
    let made: K = client.request(request).await?;
    drop(made);
    Ok(())
}

/// Writes the status of a node's configuration as its agent does.
pub(crate) async fn report(client: &Client, node: &str, dry_run: bool) -> kube::Result<()> {
    let configs: Api<NodeForwardConfig> = Api::all(client.clone());
    let parameters = PatchParams {
        dry_run,
        ..PatchParams::apply("udplb-agent").force()
    };
    let status = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "NodeForwardConfig",
        "metadata": { "name": node },
        "status": { "bootID": BOOT, "appliedRevision": 7 },
    });
    let patch = Patch::Apply(status);
    configs
        .patch_status(node, &parameters, &patch)
        .await
        .map(drop)
}

/// The answer with which the server refuses, as soon as it does.
pub(crate) async fn refused<F>(mut attempt: impl FnMut() -> F) -> String
where
    F: Future<Output = kube::Result<()>>,
{
    let deadline = Deadline::after(PATIENCE);
    loop {
        match attempt().await {
            Err(kube::Error::Api(status)) if status.code == 403 => return message(&status),
            Err(error) => panic!("{error}"),
            Ok(()) => assert!(!deadline.passed(), "it is still allowed"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the server allows it.
pub(crate) async fn allowed<F>(mut attempt: impl FnMut() -> F)
where
    F: Future<Output = kube::Result<()>>,
{
    let deadline = Deadline::after(PATIENCE);
    loop {
        match attempt().await {
            Ok(()) => return,
            Err(kube::Error::Api(status)) if status.code == 403 && !deadline.passed() => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn message(status: &Status) -> String {
    status.message.clone()
}
