//! The product on a cluster, as users install it. IO.

use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::{Cluster, image};
use crate::operator::NAMESPACE;

/// The operator's replicas in the manifests.
const OPERATORS: usize = 2;

/// The label of the agents' pods.
pub const AGENTS: &str = "app.kubernetes.io/name=udplb,app.kubernetes.io/component=agent";

/// The label of the operator's pods.
pub const OPERATOR: &str = "app.kubernetes.io/name=udplb,app.kubernetes.io/component=operator";

impl Cluster {
    /// Brings the images of `make images` to all nodes, applies the manifests and returns when every pod is ready.
    pub async fn install(&self) {
        for name in ["udplb-agent", "udplb-operator"] {
            let archive = image(name);
            for node in &self.nodes {
                node.import(&archive);
            }
        }
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
        let manifests = manifests.to_str().unwrap();
        drop(self.kubectl(&["apply", "--server-side", "-k", manifests], ""));
        let _agents = self.ready_pods(NAMESPACE, AGENTS, self.nodes.len()).await;
        let _operators = self.ready_pods(NAMESPACE, OPERATOR, OPERATORS).await;
    }

    /// What a command of the agent prints, run in its pod on a node as users do.
    pub async fn agent(&self, node: &str, arguments: &[&str]) -> String {
        let agents = self.ready_pods(NAMESPACE, AGENTS, self.nodes.len()).await;
        let is_there = |pod: &&Pod| {
            let spec = pod.spec.as_ref();
            spec.and_then(|it| it.node_name.as_deref()) == Some(node)
        };
        let pod = agents.iter().find(is_there).unwrap().name_any();
        let exec = ["exec", "-n", NAMESPACE, &pod, "--", "/udplb-agent"];
        self.kubectl(&[&exec, arguments].concat(), "")
    }

    /// What the product's pods have written, for the message of a test that fails.
    pub fn product_logs(&self) -> String {
        let name = "app.kubernetes.io/name=udplb";
        let arguments = ["logs", "-n", NAMESPACE, "-l", name, "--prefix", "--tail=60"];
        self.try_kubectl(&arguments, "")
            .unwrap_or_else(|error| error)
    }
}
