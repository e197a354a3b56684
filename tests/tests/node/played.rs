//! A node of a lab, an API server that its agent reaches, and the operator's part.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward};
use udplb_tests::{
    agent::Agent,
    api_server::ApiServer,
    lab::{Lab, shapes},
    relay::Relay,
    traffic::{Flow, Pace, Stream},
    wait::Deadline,
};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the node.
pub(crate) const NODE: &str = "node-a";

/// Everything that a node's agent deals with.
pub(crate) struct Scene {
    // Dropped first: it has a last word in the lab.
    pub(crate) agent: Agent,
    pub(crate) relay: Option<Relay>,
    pub(crate) client: Client,
    pub(crate) server: ApiServer,
    pub(crate) lab: Lab,
}

/// A forward as the operator resolved it: a port of the node to one of a collector.
pub(crate) struct Resolved {
    pub(crate) name: &'static str,
    /// The uid of its `UdpForward`.
    pub(crate) uid: &'static str,
    pub(crate) revision: i64,
    pub(crate) port: u16,
    pub(crate) upstream: (&'static str, u16),
    pub(crate) interfaces: Option<&'static [&'static str]>,
}

impl Default for Resolved {
    fn default() -> Self {
        Self {
            name: "syslog",
            uid: "uid-1",
            revision: 1,
            port: 514,
            upstream: ("10.0.2.2", 5514),
            interfaces: None,
        }
    }
}

impl Resolved {
    pub(crate) fn object(&self) -> Value {
        let mut spec = json!({
            "revision": self.revision,
            "action": "Clone",
            "whenUnavailable": "Drop",
            "state": "Active",
            "match": { "ports": [{ "port": self.port }] },
            "destinations": [{
                "name": "siem",
                "strategy": "SourceIP",
                "sourceAddress": "Preserve",
                "destinationAddress": "Rewrite",
                "upstreams": [{ "address": self.upstream.0, "port": self.upstream.1, "weight": 1 }],
            }],
        });
        if let Some(interfaces) = self.interfaces {
            spec["interfaces"] = json!(interfaces);
        }
        json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "ResolvedForward",
            "metadata": {
                "name": self.name,
                "ownerReferences": [{
                    "apiVersion": "udplb.dev/v1alpha1", "kind": "UdpForward", "controller": true,
                    "name": self.name, "uid": self.uid,
                }],
            },
            "spec": spec,
        })
    }
}

impl Scene {
    /// A server and a lab; the agent does not run yet.
    pub(crate) async fn new(name: &str) -> Self {
        let server = ApiServer::start(name).await;
        let client = server.defined().await;
        let lab = shapes::two_collectors(name);
        let agent = Agent::of_node(lab.host("node"), NODE, &server.kubeconfig());
        let mut scene = Self {
            agent,
            relay: None,
            client,
            server,
            lab,
        };
        scene.mend();
        scene
    }

    /// The agent reaches the API server.
    pub(crate) fn mend(&mut self) {
        let host = self.lab.host("node");
        self.relay = Some(Relay::start(host, self.server.port()));
    }

    /// The agent does not reach the API server any more.
    pub(crate) fn cut(&mut self) {
        self.relay = None;
    }

    pub(crate) fn configs(&self) -> Api<NodeForwardConfig> {
        Api::all(self.client.clone())
    }

    pub(crate) fn resolved(&self) -> Api<ResolvedForward> {
        Api::default_namespaced(self.client.clone())
    }

    /// Tells the node to run just these forwards, by name and uid.
    pub(crate) async fn tell(&self, forwards: &[(&str, &str)]) -> NodeForwardConfig {
        let references: Vec<Value> = forwards
            .iter()
            .map(|(name, uid)| json!({ "namespace": "default", "name": name, "uid": uid }))
            .collect();
        let object = json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "NodeForwardConfig",
            "metadata": { "name": NODE },
            "spec": { "forwards": references },
        });
        let api = self.configs();
        api.patch(NODE, &operator(), &Patch::Apply(object))
            .await
            .unwrap()
    }

    /// Writes a forward.
    pub(crate) async fn resolve(&self, resolved: &Resolved) {
        let object = resolved.object();
        let api = self.resolved();
        let _: ResolvedForward = api
            .patch(resolved.name, &operator(), &Patch::Apply(object))
            .await
            .unwrap();
    }

    /// Has the server take anything as a `ResolvedForward`, as if a later version had defined more.
    pub(crate) async fn allow_anything(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let name = "resolvedforwards.udplb.dev";
        let mut definition = api.get(name).await.unwrap();
        let version = &mut definition.spec.versions[0];
        let anything = json!({ "openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        }});
        version.schema = serde_json::from_value(anything).unwrap();
        let parameters = PostParams::default();
        drop(api.replace(name, &parameters, &definition).await.unwrap());
    }

    /// Gives a forward an action that nobody knows, once the server takes that.
    pub(crate) async fn spoil(&self, name: &str) {
        let api = self.resolved();
        let patch = json!({ "spec": { "action": "Teleport" } });
        let parameters = PatchParams::default();
        let deadline = Deadline::after(PATIENCE);
        // Its answer cannot be read either.
        while let Err(kube::Error::Api(refused)) =
            api.patch(name, &parameters, &Patch::Merge(&patch)).await
        {
            assert!(!deadline.passed(), "{refused}");
        }
    }

    /// Deletes a forward.
    pub(crate) async fn forget(&self, name: &str) {
        let parameters = DeleteParams::default();
        drop(self.resolved().delete(name, &parameters).await.unwrap());
    }

    /// Waits until the node's object is as it should be.
    pub(crate) async fn until(
        &self,
        what: &str,
        is: impl Fn(&NodeForwardConfig) -> bool + Send + Sync,
    ) -> NodeForwardConfig {
        let api = self.configs();
        let condition = |object: Option<&NodeForwardConfig>| object.is_some_and(&is);
        let waited = await_condition(api.clone(), NODE, condition);
        let Ok(found) = tokio::time::timeout(PATIENCE, waited).await else {
            panic!("{what}; it is {:#?}", api.get_opt(NODE).await);
        };
        found.unwrap().unwrap()
    }

    /// Datagrams to a port of the node, a thousand a second.
    pub(crate) fn stream(&self, port: u16) -> Stream {
        let flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{port}"), 1);
        Stream::start(self.lab.host("sender"), &flows, Pace::PerSecond(1_000))
    }

    /// Waits until an agent's metric has this value.
    pub(crate) fn until_metric(&self, name: &str, value: f64) {
        udplb_tests::wait::until(PATIENCE, &format!("{name} to be {value}"), || {
            let found = self.agent.metrics().sum(name, &[]);
            ((found - value).abs() < 0.5).then_some(())
        });
    }

    /// Waits until the agent has written this.
    pub(crate) fn until_log(&self, text: &str) {
        udplb_tests::wait::until(PATIENCE, &format!("the agent to say {text:?}"), || {
            self.agent.log().contains(text).then_some(())
        });
    }
}

fn operator() -> PatchParams {
    PatchParams::apply("udplb-operator").force()
}
