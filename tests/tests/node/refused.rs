//! What stands between an agent and its work is said where somebody looks, and nothing else is needed than the rights
//! in the manifests.

use std::{fs, path::Path};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Namespace, Node},
    events::v1::Event,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use nix::errno::Errno;
use serde::Deserialize as _;
use serde_json::{Value, json};
use udplb_api::NodeForwardConfig;
use udplb_tests::{
    agent::{self, Agent},
    api_server::ApiServer,
    capture::Capture,
    lab::shapes,
    relay::Relay,
    wait,
};

use crate::played::{NODE, PATIENCE, Resolved, Scene};

/// What the manifests give an agent.
const MANIFESTS: [&str; 2] = ["agent-rights.yaml", "policy-agent.yaml"];

impl Scene {
    async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object = serde_json::from_value(object).unwrap();
        let api: Api<K> = Api::all(self.client.clone());
        drop(api.create(&PostParams::default(), &object).await.unwrap());
    }

    /// Applies a manifest, or only its objects of a kind.
    async fn manifest(&self, name: &str, kind: Option<&str>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
        let text = fs::read_to_string(path.join(name)).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for document in documents {
            let object = DynamicObject::deserialize(document).unwrap();
            let types = object.types.clone().unwrap();
            if kind.is_some_and(|kind| kind != types.kind) {
                continue;
            }
            let kind = ApiResource::from_gvk(&(&types).try_into().unwrap());
            let api: Api<DynamicObject> = match &object.metadata.namespace {
                Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
                None => Api::all_with(self.client.clone(), &kind),
            };
            let name = object.metadata.name.clone().unwrap();
            let parameters = PatchParams::apply("test").force();
            let applied = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
            drop(applied.unwrap_or_else(|error| panic!("{name}: {error}")));
        }
    }

    /// A token as the kubelet mounts it into the agent's pod.
    async fn token(&self) -> String {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = nodes.get(NODE).await.unwrap();
        let request = json!({
            "spec": { "audiences": [], "boundObjectRef": {
                "apiVersion": "v1", "kind": "Node", "name": NODE, "uid": node.metadata.uid,
            }},
        });
        let request: TokenRequest = serde_json::from_value(request).unwrap();
        let path = "/api/v1/namespaces/udplb-system/serviceaccounts/udplb-agent/token";
        let request = http::Request::post(path)
            .body(serde_json::to_vec(&request).unwrap())
            .unwrap();
        let answer: TokenRequest = self.client.request(request).await.unwrap();
        answer.status.unwrap().token
    }
}

/// A kubeconfig with this token.
fn with_token(server: &ApiServer, token: &str) -> std::path::PathBuf {
    let admin = server.kubeconfig();
    let text = fs::read_to_string(&admin).unwrap();
    let user = "{client-certificate: admin.crt, client-key: admin.key}";
    assert!(text.contains(user));
    let own = admin.with_file_name("agent-kubeconfig");
    fs::write(&own, text.replace(user, &format!("{{token: '{token}'}}"))).unwrap();
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_the_manifests_are_asked_for_and_suffice() {
    let mut scene = Scene::new("node-rights").await;
    let namespace = json!({ "metadata": { "name": "udplb-system" } });
    scene.create::<Namespace>(namespace).await;
    scene
        .create::<Node>(json!({ "metadata": { "name": NODE } }))
        .await;
    scene.manifest(MANIFESTS[0], Some("ServiceAccount")).await;
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;

    // A token that nobody made.
    let kubeconfig = with_token(&scene.server, "nonsense");
    let host = scene.lab.host("node").clone();
    scene.agent = Agent::of_node(&host, NODE, &kubeconfig);
    scene.agent.launch();
    scene.until_log(
        "does not accept this agent's token: run it with the ServiceAccount udplb-agent",
    );
    scene.agent.kill();

    // The right one, before it may do anything.
    let kubeconfig = with_token(&scene.server, &scene.token().await);
    scene.agent = Agent::of_node(&host, NODE, &kubeconfig);
    scene.agent.launch();
    scene.until_log(
        "does not let this agent read nodeforwardconfigs: bind the ClusterRole udplb-agent",
    );
    for manifest in MANIFESTS {
        scene.manifest(manifest, None).await;
    }
    scene.agent.ready();
    let mut collector = Capture::link(scene.lab.host("collector1"), "eth0");
    let stream = scene.stream(514);
    let _: Vec<_> = collector.expect(1, |packet| packet.is_udp_to(5514));
    drop(stream);
    let is_applied = |it: &NodeForwardConfig| {
        let status = it.status.as_ref();
        status.is_some_and(|status| status.applied_revision == Some(1))
    };
    drop(scene.until("no status is written", is_applied).await);
    let events: Api<Event> = Api::default_namespaced(scene.client.clone());
    let mut count = 0;
    while count == 0 {
        count = events
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_are_not_defined_yet_are_waited_for() {
    let server = ApiServer::start("node-kinds").await;
    let lab = shapes::two_collectors("node-kinds");
    let host = lab.host("node");
    let _relay = Relay::start(host, server.port());
    let mut agent = Agent::of_node(host, NODE, &server.kubeconfig());
    agent.launch();
    wait::until(PATIENCE, "the agent to complain", || {
        let log = agent.log();
        log.contains("does not know nodeforwardconfigs: apply the definitions")
            .then_some(())
    });
    drop(server.defined().await);
    agent.ready();
    agent.stop();
    // Each thing once, however often it was tried.
    assert_eq!(
        agent
            .log()
            .matches("does not know nodeforwardconfigs")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_that_cannot_run_it_is_said_in_the_status() {
    let scene = Scene::new("node-kernel").await;
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    let host = scene.lab.host("node");
    let output = host
        .command_without(agent::binary(), libc::SYS_bpf, Errno::EPERM)
        .args(["node", "--node-name", NODE, "--kubeconfig"])
        .arg(scene.server.kubeconfig())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    let is_said = |it: &NodeForwardConfig| it.status.is_some();
    let config = scene.until("nothing is said", is_said).await;
    let status = config.status.unwrap();
    for condition in &status.conditions {
        assert_eq!(condition.status, "False");
        assert_eq!(condition.reason, "KernelUnsupported");
        assert_eq!(condition.observed_generation, config.metadata.generation);
        assert!(error.contains(&condition.message), "{error}: {condition:?}");
    }
    assert_eq!(status.conditions.len(), 3);
    assert_eq!(status.failed_count, Some(1));
    assert_eq!(status.failed[0].reason, "KernelUnsupported");
    assert_eq!(status.applied_revision, Some(0));
}
